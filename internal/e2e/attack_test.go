package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// reflecting are the pages that anybody can open, and what can be asked of
// them.
var (
	reflecting = []string{
		"/", "/login", "/login/password", "/login/card", "/login/qr", "/logged-out", "/card/bind", "/healthz",
		"/oauth2/authorize", "/oauth2/logout", "/oauth2/jwks", "/nothing-here",
	}
	parameters = []string{
		"error", "error_description", "error_hint", "login_hint", "ui_locales", "state", "client_id", "redirect_uri",
		"scope", "nonce", "prompt", "display", "claims", "flow", "lang", "q",
	}
)

func scripts(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile("testdata/scripts.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
}

// hostile makes the address of the path with payloads in every parameter. A
// known client and redirect address let the request come further.
func hostile(w *world, path string, payloads []string, known bool) string {
	q := url.Values{}
	for i, name := range parameters {
		q.Set(name, payloads[i%len(payloads)])
	}
	if known {
		q.Set("client_id", "documents")
		q.Set("redirect_uri", w.system("documents")+"/callback")
		q.Set("response_type", "code")
		q.Set("scope", "openid "+payloads[0])
		q.Set("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
		q.Set("code_challenge_method", "S256")
		for _, name := range []string{"prompt", "claims", "display"} {
			q.Del(name)
		}
	}
	return w.Issuer + path + "?" + q.Encode()
}

func TestT005_NothingIsReflectedUnescaped(t *testing.T) {
	w := theCity(t)
	for _, payload := range scripts(t) {
		if !strings.ContainsAny(payload, `<>"'`) {
			continue
		}
		for _, path := range reflecting {
			for _, known := range []bool{false, true} {
				if known && path != "/oauth2/authorize" {
					continue
				}
				b := newScript(t, w)
				b.stopAt(w.system("documents"))
				p := b.get(hostile(w, path, []string{payload}, known))
				if strings.Contains(p.body, payload) && strings.Contains(p.header.Get("Content-Type"), "html") {
					t.Errorf("%s reflects %q", path, payload)
				}
			}
		}
	}
}

func TestT005_NoScriptRunsInTheBrowser(t *testing.T) {
	w := theCity(t)
	b := newTab(t)
	all := scripts(t)
	for start := 0; start < len(all); start += len(parameters) {
		payloads := all[start:min(start+len(parameters), len(all))]
		for _, path := range reflecting {
			_ = b.try(chromedp.Navigate(hostile(w, path, payloads, false)))
		}
		b.open(hostile(w, "/oauth2/authorize", payloads, true))
	}
	// The hint is in the field of the account, and is text there.
	for _, payload := range all {
		b.open(w.Issuer + "/oauth2/authorize?" + url.Values{
			"client_id": {"documents"}, "redirect_uri": {w.system("documents") + "/callback"}, "response_type": {"code"},
			"scope": {"openid"}, "login_hint": {payload}, "code_challenge_method": {"S256"},
			"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"},
		}.Encode())
	}
	b.quiet()
}

func TestT160_PagesAreBlankInAFrame(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "")
	b := newTab(t)
	b.open(w.system("documents") + "/")
	b.until(w.Issuer + "/login")
	login := b.where()
	other := newTab(t)
	other.open(w.system("training") + "/")
	other.until(w.Issuer + "/login")
	other.loginByPassword(m)
	other.see(`form[action="/login/consent"]`)
	for name, address := range map[string]string{
		"login": login, "card": strings.Replace(login, "/login?", "/login/card?", 1), "consent": other.where(),
		"home": w.Issuer + "/", "binding": w.Issuer + "/card/bind", "error": w.Issuer + "/oauth2/authorize", "agent": w.Agent + "/window",
	} {
		frame := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(rw, `<!doctype html><iframe src="%s" width="800" height="600"></iframe>`, strings.ReplaceAll(address, "&", "&amp;"))
		}))
		other.open(frame.URL)
		if shown := other.framed(); shown != "" {
			t.Errorf("%s is shown in a frame: %s", name, shown)
		}
		frame.Close()
	}
}

// framed is the address that is shown in the page's only frame, empty if the
// browser refused to show it there.
func (b *tab) framed() string {
	b.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		b.mu.Lock()
		refused := slices.ContainsFunc(b.faults, func(f string) bool { return strings.Contains(f, "frame-ancestors") })
		b.faults = nil
		b.mu.Unlock()
		if refused {
			return ""
		}
		tree, err := chromedp.Call(b.ctx, page.GetFrameTree, cdp.Empty{})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, c := range tree.FrameTree.ChildFrames {
			if strings.HasPrefix(c.Frame.URL, "http") {
				return c.Frame.URL
			}
		}
	}
	b.t.Fatal("the browser neither shows nor refuses the frame")
	return ""
}

// A frame that may be shown is seen, so that the story above proves something.
func TestT160_FramesAreSeen(t *testing.T) {
	b := newTab(t)
	frame := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/" {
			fmt.Fprint(rw, `<!doctype html><iframe src="/inner"></iframe>`)
		}
	}))
	defer frame.Close()
	b.open(frame.URL)
	if shown := b.framed(); shown != frame.URL+"/inner" {
		t.Errorf("shown: %q", shown)
	}
}
