package templates

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

// waitingView is a login page as many see it at once.
func waitingView(i int) Login {
	flow := strings.Repeat(string(rune('a'+i%26)), 42) + "_"
	code := make(QRCode, 29)
	for y := range code {
		code[y] = make([]bool, 29)
		for x := range code[y] {
			code[y][x] = (x*y+i)%3 == 0
		}
	}
	return Login{
		Base: Base{Self: "/login/qr?flow=" + flow, Reference: fmt.Sprintf("ref%d", i), FormAction: []string{"https://documents.test"}},
		Flow: flow, Tab: TabQR, System: "公文系統", AgentOrigin: "http://localhost:16780", ChallengeURL: "/login/card/challenge?flow=" + flow,
		QR: &QR{
			State: QRWaiting, Code: code, Link: fmt.Sprintf("https://idp.test/q#%d", i), Text: fmt.Sprintf("code-%020d", i), Left: time.Duration(30-i%30) * time.Second,
			EventsURL: "/login/qr/events?flow=" + flow, LookURL: "/login/qr/state?flow=" + flow, AgainURL: fmt.Sprintf("/login/qr?flow=%s&again=%d", flow, i),
		},
		Passkey: &PasskeyOffer{OptionsURL: "/login/passkey/options?flow=" + flow},
	}
}

// both draws the view as a whole, and as it is drawn after others.
func both(t *testing.T, r *Renderer, lang string, v Login) (whole, after string) {
	t.Helper()
	return bothFrom(t, r, lang, "", v)
}

// bothFrom is both, asked for by such a browser.
func bothFrom(t *testing.T, r *Renderer, lang, agent string, v Login) (whole, after string) {
	t.Helper()
	req := httptest.NewRequest("GET", "/login?lang="+lang, nil)
	req.Header.Set("User-Agent", agent)
	p := r.page(req, 200, v)
	var a, b bytes.Buffer
	if err := r.draw(&a, p); err != nil {
		t.Fatal(err)
	}
	if err := r.write(&b, p); err != nil {
		t.Fatal(err)
	}
	return a.String(), b.String()
}

// TestStencilsDrawTheSame draws the pages of many visits, one after another, each
// of which must be what it is without those before.
func TestStencilsDrawTheSame(t *testing.T) {
	r := newRenderer(t)
	for i := range 60 {
		v := waitingView(i)
		for _, lang := range languages {
			for _, tab := range []string{TabQR, TabPassword, TabCard} {
				v := v
				v.Tab = tab
				if tab != TabQR {
					v.QR = nil
				}
				if !v.stencilled() {
					t.Fatal("such a page is not put together")
				}
				if whole, after := both(t, r, lang, v); whole != after {
					t.Fatalf("visit %d, %s, %s: put together it is another page\n%s", i, lang, tab, after)
				}
			}
		}
	}
	if n := len(r.stencils.drawn); n != 6 {
		t.Errorf("%d pages are kept for 6 kinds", n)
	}
}

// TestStencilsMissNothing changes each field of the view after a page of the
// former values was kept.
func TestStencilsMissNothing(t *testing.T) {
	r := newRenderer(t)
	both(t, r, Chinese, waitingView(0))
	changed := 0
	change := func(name string, of func(*Login) reflect.Value) {
		v := waitingView(0)
		for _, field := range each(of(&v)) {
			v := waitingView(0)
			if !alter(of(&v).FieldByName(field)) {
				continue
			}
			changed++
			if whole, after := both(t, r, Chinese, v); whole != after {
				t.Errorf("%s.%s: the page of another value was drawn", name, field)
			}
		}
	}
	change("Login", func(v *Login) reflect.Value { return reflect.ValueOf(v).Elem() })
	change("Base", func(v *Login) reflect.Value { return reflect.ValueOf(&v.Base).Elem() })
	change("QR", func(v *Login) reflect.Value { return reflect.ValueOf(v.QR).Elem() })
	change("Passkey", func(v *Login) reflect.Value { return reflect.ValueOf(v.Passkey).Elem() })
	if changed < 28 {
		t.Errorf("only %d fields were changed", changed)
	}
}

func each(v reflect.Value) (names []string) {
	for i := range v.NumField() {
		names = append(names, v.Type().Field(i).Name)
	}
	return names
}

// alter gives a field another value; false for what is looked into by itself.
func alter(f reflect.Value) bool {
	switch x := f.Addr().Interface().(type) {
	case *string:
		*x += "/other?a=b"
	case *idp.Reason:
		*x = idp.ReasonWrong
	case *bool:
		*x = !*x
	case *idp.Level:
		*x = idp.LevelTwo
	case *time.Time:
		*x = time.Now()
	case *time.Duration:
		*x += 3 * time.Second
	case *[]string:
		*x = append(*x, "https://more.test")
	case **Who:
		*x = &Who{Name: "王大明", Username: "ab1234"}
	case **QR, **PasskeyOffer:
		f.SetZero()
	case *QRCode:
		(*x)[0][0] = !(*x)[0][0]
	default:
		return false
	}
	return true
}

// TestStencilsOfOtherComputers: the card tab offers the component for the computer
// at hand.
func TestStencilsOfOtherComputers(t *testing.T) {
	r, err := New(Options{AgentDownload: "https://download.test/agent"})
	if err != nil {
		t.Fatal(err)
	}
	v := waitingView(0)
	v.Tab, v.QR = TabCard, nil
	seen := map[string]bool{}
	for _, agent := range []string{"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_0)", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "Mozilla/5.0 (X11; Linux x86_64)", ""} {
		whole, after := bothFrom(t, r, Chinese, agent, v)
		if whole != after {
			t.Errorf("%q: another computer's page", agent)
		}
		seen[after] = true
	}
	if len(seen) != 4 {
		t.Errorf("%d pages for 4 computers", len(seen))
	}
}

// TestStencilsKeepNothingOfAVisit looks for what is one visit's in what is kept.
func TestStencilsKeepNothingOfAVisit(t *testing.T) {
	r := newRenderer(t)
	v := waitingView(7)
	both(t, r, Chinese, v)
	for key, s := range r.stencils.drawn {
		kept := key + strings.Join(s, "")
		for _, mine := range []string{v.Flow, v.QR.Text, v.QR.Link, v.QR.Code.Path(), v.Reference} {
			if strings.Contains(kept, mine) {
				t.Errorf("%q is kept", mine)
			}
		}
	}
	again := waitingView(3)
	again.QR.EventsURL += "&again=1796065035000"
	for _, v := range []Login{
		again,
		{Base: Base{Self: "/x", Account: &Who{Name: "王大明"}}, Flow: "f", Tab: TabPassword},
		{Base: Base{Self: "/x"}, Flow: "f", Tab: TabPassword, Account: "ab1234"},
		{Base: Base{Self: "/x"}, Flow: `f"><script>`, Tab: TabPassword},
	} {
		if v.stencilled() {
			t.Errorf("%+v is kept", v)
		}
	}
	for i := range 3 * maxStencils {
		both(t, r, Chinese, Login{Base: Base{Self: "/x"}, Flow: "f", Tab: TabPassword, System: fmt.Sprint(i)})
	}
	if n := len(r.stencils.drawn); n > maxStencils {
		t.Errorf("%d pages are kept", n)
	}
}
