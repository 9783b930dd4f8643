package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// receiver is a relying system that takes its answers by POST.
type receiver struct {
	*httptest.Server
	got chan url.Values
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{got: make(chan url.Values, 4)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost && req.URL.Path == "/callback" {
			_ = req.ParseForm()
			r.got <- req.PostForm
			_, _ = w.Write([]byte("<!doctype html><title>here</title><p id=here>here</p>"))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) address(w *world, id string) string {
	return w.Issuer + "/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "response_mode": {"form_post"}, "client_id": {id}, "redirect_uri": {r.URL + "/callback"},
		"scope": {"openid"}, "state": {`a "state" & <more>`}, "code_challenge_method": {"S256"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"},
	}.Encode()
}

func (r *receiver) check(t *testing.T, w *world) {
	t.Helper()
	select {
	case form := <-r.got:
		if form.Get("code") == "" || form.Get("state") != `a "state" & <more>` || form.Get("iss") != w.Issuer {
			t.Errorf("posted %v", form)
		}
	default:
		t.Error("nothing was posted")
	}
}

func TestFormPost_WithoutScripts(t *testing.T) {
	w := theCity(t)
	r := newReceiver(t)
	w.register(t, "form-post-plain", "--redirect-uri", r.URL+"/callback", "--first-party")
	b := newScript(t, w)
	p := b.loginByPassword(r.address(w, "form-post-plain"), w.somebody(t, ""))
	if policy := p.header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, r.URL) {
		t.Errorf("policy %q", policy)
	}
	b.submit(p, "/callback")
	r.check(t, w)
}

func TestFormPost_InABrowser(t *testing.T) {
	w := theCity(t)
	r := newReceiver(t)
	w.register(t, "form-post-browser", "--redirect-uri", r.URL+"/callback", "--first-party")
	m := w.somebody(t, "")
	b := newTab(t)
	b.open(r.address(w, "form-post-browser"))
	b.until(w.Issuer + "/login")
	b.loginByPassword(m)
	b.see("#here")
	r.check(t, w)

	// And where scripts are switched off, by the button.
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.open(r.address(w, "form-post-browser"))
	b.run(chromedp.Click(chromedp.CSS("#form-post button")))
	b.until(r.URL + "/callback")
	r.check(t, w)
	b.quiet()
}
