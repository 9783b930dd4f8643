package e2e

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

const phonePIN = "204826"

// handset is a phone: a Chromium of its own, whose camera sees what the story
// holds before it.
type handset struct {
	*tab
	parent context.Context
	cam    string
}

// newPhone starts the Chromium and opens the app in it.
func newPhone(t *testing.T, w *world) *handset {
	t.Helper()
	cam := filepath.Join(t.TempDir(), "camera.mjpeg")
	writeFrames(t, cam, image.NewGray(image.Rect(0, 0, 1, 1)))
	parent, stop, err := startChromium(t, map[string]any{
		"use-fake-ui-for-media-stream": true, "use-fake-device-for-media-stream": true, "use-file-for-fake-video-capture": cam,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return (&handset{parent: parent, cam: cam}).another(t, w)
}

// another is a second phone beside this one, with a profile of its own.
func (p *handset) another(t *testing.T, w *world) *handset {
	t.Helper()
	other := &handset{tab: tabIn(t, p.parent), parent: p.parent, cam: p.cam}
	other.run(chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile, chromedp.EmulateTouch))
	other.open(w.Issuer + "/phone")
	other.at("home")
	return other
}

// at waits until the app shows that screen.
func (p *handset) at(screen string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(30 * time.Millisecond) {
		now := eval[string](p.tab, `document.body?.dataset.at || ""`)
		if now == screen {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the app shows %q, want %q\n%.1500s", now, screen, p.source())
		}
	}
}

// looksAt holds the phone before what another tab shows.
func (p *handset) looksAt(b *tab, selector chromedp.CSS) {
	p.t.Helper()
	writeFrames(p.t, p.cam, decoded(p.t, b.shot(selector)))
}

// shot is a picture of an element.
func (b *tab) shot(selector chromedp.CSS) []byte {
	b.t.Helper()
	b.see(selector)
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	data, err := chromedp.Run(ctx, chromedp.Screenshot(selector))
	if err != nil {
		b.t.Fatal(err)
	}
	return data
}

func decoded(t *testing.T, data []byte) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// writeFrames makes the camera's film: the picture in the middle of a grey
// table, for ever.
func writeFrames(t *testing.T, path string, img image.Image) {
	t.Helper()
	frame := image.NewRGBA(image.Rect(0, 0, 640, 480))
	draw.Draw(frame, frame.Rect, image.NewUniform(color.Gray{150}), image.Point{}, draw.Src)
	at := image.Pt((640-img.Bounds().Dx())/2, (480-img.Bounds().Dy())/2)
	draw.Draw(frame, img.Bounds().Sub(img.Bounds().Min).Add(at), img, img.Bounds().Min, draw.Src)
	var film bytes.Buffer
	for range 2 {
		if err := jpeg.Encode(&film, frame, &jpeg.Options{Quality: 90}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path+".new", film.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// hasFinger gives the phone an authenticator of its own that knows its holder.
func (p *handset) hasFinger() {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		p.t.Fatal(err)
	}
	_, err := chromedp.Call(p.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		},
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// owners are staff who share their cards among the stories: each story has a
// phone of its own, and nothing that it does touches the others'.
var owners struct {
	once sync.Once
	list [2]member
}

// owner is one of them.
func owner(t *testing.T, w *world, n int) member {
	t.Helper()
	owners.once.Do(func() {
		for i := range owners.list {
			owners.list[i] = w.somebody(t, "bound")
		}
	})
	return owners.list[n]
}

// loginByCard goes to an address of ours and logs in by card.
func (b *tab) loginByCard(w *world, address string, m member) {
	b.t.Helper()
	b.open(address)
	b.until(w.Issuer + "/login")
	b.click(`nav.tabs a[href*="/login/card"]`)
	b.withCard(m.Name, m.PIN)
	b.until(address)
}

// whole waits until the page's scripts have run.
func (b *tab) whole() {
	b.t.Helper()
	for deadline := time.Now().Add(patience); eval[string](b, "document.readyState") != "complete"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("%s is never whole", b.where())
		}
	}
}

// toKey goes through the wizard up to the key QR code.
func (b *tab) toKey(w *world, m member) {
	b.t.Helper()
	b.loginByCard(w, w.Issuer+"/device/bind", m)
	b.see(`form[action="/device/bind/check"]`)
	b.whole()
	b.click("#card-start") // its window closes itself
	b.see(`#card-check-card[data-state="ok"]`)
	b.picture("pc-1")
	b.click("#card-next")
	b.see(`form[action="/device/bind/sign"]`)
	b.whole()
	b.withCard(m.Name, m.PIN)
	for _, tick := range []chromedp.CSS{"#tick-card", "#tick-device", "#tick-request"} {
		b.see(tick + `[data-state="ok"]`)
	}
	b.picture("pc-2")
	b.click(`a.main[href="/device/bind?step=3"]`)
	b.picture("pc-3")
	b.click(`a.main[href="/device/bind?step=4"]`)
	b.click(`form[action="/device/bind/start"] button.main`)
	b.see("svg.qr-code")
	b.picture("pc-5")
}

// bind binds the phone to a person: the PC's pages, the camera, the six digits.
func (p *handset) bind(w *world, m member) *tab {
	p.t.Helper()
	pc := newTab(p.t)
	pc.toKey(w, m)
	p.looksAt(pc, "svg.qr-code")
	p.open(w.Issuer + "/phone")
	p.click("#start")
	p.at("bind")
	p.finishBinding(pc, m)
	return pc
}

// finishBinding goes on from the app's form to the end on both sides.
func (p *handset) finishBinding(pc *tab, m member) {
	p.t.Helper()
	if !strings.Contains(p.text("#bind-form [data-platform]:not([hidden])"), "指紋") {
		p.fill("#pin-1", phonePIN)
		p.fill("#pin-2", phonePIN)
	}
	p.picture("bind")
	p.click("#bind-form [data-go]")
	p.at("digits")
	p.picture("digits")
	digits := onlyDigits(p.text("[data-digits]"))
	pc.see(".six")
	pc.picture("pc-digits")
	if shown := onlyDigits(pc.text(".six")); shown != digits || len(digits) != 6 {
		p.t.Fatalf("the phone shows %q, the computer %q", digits, shown)
	}
	pc.click(`form[action="/device/bind/confirm"] button.main`)
	p.at("bound")
	p.picture("bound")
	if text := p.text(`[data-screen="bound"] dl`); !strings.Contains(text, m.Name) {
		p.t.Errorf("bound to %q", text)
	}
	pc.see(".notice.success")
	pc.untilText(".notice.success", "成功註冊")
	p.click(`[data-screen="bound"] [data-do="home"]`)
	p.at("home")
}

// toQR goes to a system and chooses the QR tab.
func (b *tab) toQR(w *world, system string) {
	b.t.Helper()
	b.open(w.system(system) + "/")
	b.until(w.Issuer + "/login")
	b.click(`nav.tabs a[href*="/login/qr"]`)
	b.see("#qr-code")
}

// scan reads the computer's code with the camera.
func (p *handset) scan(pc *tab) {
	p.t.Helper()
	p.looksAt(pc, "#qr-code")
	p.click("#start")
}

// enter types the digits on the pad, and the PIN.
func (p *handset) enter(number string) {
	p.t.Helper()
	for _, digit := range number {
		p.click(chromedp.CSS(`[data-digit="` + string(digit) + `"]`))
	}
	if eval[bool](p.tab, `!document.querySelector("#approve-form [data-pin]").hidden`) {
		p.fill("#pin", phonePIN)
	}
	p.click("#approve-form [data-go]")
}

// number is what the computer shows when a phone has scanned.
func (b *tab) number() string {
	b.t.Helper()
	b.see(`#qr[data-state="scanned"] #qr-number`)
	number := b.text("#qr-number")
	if len(number) != 2 {
		b.t.Fatalf("the computer shows %q", number)
	}
	return number
}

// other is a number of two digits that is not that one.
func other(number string) string {
	if number == "42" {
		return "43"
	}
	return "42"
}

// onlyDigits leaves out the spaces that make digits easy to compare.
func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
