package templates

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// payloads try to leave text, an attribute, an address or a script.
var payloads = []string{
	`<script>alert(1)</script>`, `</script><script>alert(1)</script>`, `"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`,
	`<img src=x onerror=alert(1)>`, `<svg onload=alert(1)>`, `<svg/onload=alert(1)//`, `"><svg onload=alert(1)>`, `" onfocus="alert(1)" autofocus="`,
	`' onmouseover='alert(1)`, `javascript:alert(1)`, `JaVaScRiPt:alert(1)`, ` javascript:alert(1)`, "java\tscript:alert(1)", "\x01javascript:alert(1)",
	`data:text/html,<script>alert(1)</script>`, `vbscript:msgbox(1)`, `<iframe src="javascript:alert(1)">`, `<a href="javascript:alert(1)">x</a>`,
	`<body onload=alert(1)>`, `<details open ontoggle=alert(1)>`, `<input autofocus onfocus=alert(1)>`, `<style>*{background:url(//x)}</style>`,
	`<link rel=stylesheet href=//x>`, `<meta http-equiv=refresh content="0;url=//x">`, `<base href=//x/>`, `<form action=//x><button>`,
	`<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`, `<noscript><p title="</noscript><img src=x onerror=alert(1)>">`,
	`<!--><script>alert(1)</script>-->`, `]]><script>alert(1)</script>`, `<textarea></textarea><script>alert(1)</script>`, `</title><script>alert(1)</script>`,
	`{{.T "login.submit"}}`, `{{printf "%s" 1}}`, `${alert(1)}`, `#{alert(1)}`, `<%= 1 %>`, `{0}{1}`, `%3Cscript%3Ealert(1)%3C/script%3E`,
	`&lt;script&gt;alert(1)&lt;/script&gt;`, `&#60;script&#62;`, `\u003cscript\u003e`, `\x3cscript\x3e`, "\x00<script>alert(1)</script>",
	"<scr\x00ipt>alert(1)</scr\x00ipt>", "\u202egnp.<script>", "\u2028alert(1)", "\xff\xfe<script>", `<xss id=x tabindex=1 onfocus=alert(1)>`,
	`<object data=javascript:alert(1)>`, `<embed src=javascript:alert(1)>`, `<video><source onerror=alert(1)>`, `<marquee onstart=alert(1)>`,
	`<keygen autofocus onfocus=alert(1)>`, `"; alert(1); "`, `'-alert(1)-'`, `\"-alert(1)//`, "`${alert(1)}`", `<ｓｃｒｉｐｔ>alert(1)`,
	`//evil.example/`, `/\evil.example`, `https:evil.example`, `a" autofocus x="`,
}

// skeleton is the elements and attribute names of a page.
func skeleton(t *testing.T, name, body string) []string {
	t.Helper()
	var out []string
	for _, e := range tags(t, name, body) {
		names := []string{e.name}
		for attr := range e.attrs {
			names = append(names, attr)
		}
		slices.Sort(names[1:])
		out = append(out, strings.Join(names, " "))
	}
	return out
}

// few leaves the views out that differ in their reason alone.
func few(views map[string]View) map[string]View {
	for _, reason := range reasons[1:] {
		for name := range views {
			if strings.HasSuffix(name, "-"+string(reason)) {
				delete(views, name)
			}
		}
	}
	for _, title := range errorTitles {
		delete(views, title)
	}
	return views
}

// TestT172_HostileDataIsInert puts each payload into every text and address of
// every page. The page must have the same elements and attributes as with
// harmless text, and no address that runs.
func TestT172_HostileDataIsInert(t *testing.T) {
	r := newRenderer(t)
	want := map[string][]string{}
	for name, v := range few(everyView("王小明", "https://a.example/")) {
		want[name] = skeleton(t, name, show(t, r, "/", v).Body.String())
	}
	for _, payload := range payloads {
		for name, v := range few(everyView(payload, payload)) {
			body := show(t, r, "/", v).Body.String()
			got := skeleton(t, name+" with "+payload, body)
			if !slices.Equal(got, want[name]) {
				t.Fatalf("%s: %q changed the page", name, payload)
			}
			for _, e := range tags(t, name, body) {
				for _, attr := range []string{"href", "action", "src"} {
					address := strings.ToLower(strings.TrimSpace(e.attrs[attr]))
					for _, scheme := range []string{"javascript:", "data:", "vbscript:"} {
						if strings.HasPrefix(address, scheme) {
							t.Fatalf("%s: %s=%q", name, attr, address)
						}
					}
				}
			}
		}
	}
}

// TestT005_QueryIsInert puts each payload into every parameter of the query.
func TestT005_QueryIsInert(t *testing.T) {
	r := newRenderer(t)
	for _, payload := range payloads {
		query := url.Values{}
		for _, name := range []string{"error", "error_description", "error_hint", "login_hint", "ui_locales", "state", "client_id", "flow", "lang", "q"} {
			query.Set(name, payload)
		}
		for name, v := range map[string]View{"login": Login{Tab: TabPassword}, "error": Error{Title: ErrorRedirect}, "home": Home{}} {
			plain := skeleton(t, name, show(t, r, "/login", v).Body.String())
			body := show(t, r, "/login?"+query.Encode(), v).Body.String()
			if got := skeleton(t, name, body); !slices.Equal(got, plain) {
				t.Fatalf("%s: %q changed the page", name, payload)
			}
		}
	}
}

// TestSwitchStaysHere asks for addresses that could lead to another host.
func TestSwitchStaysHere(t *testing.T) {
	r := newRenderer(t)
	for _, path := range []string{"//evil.example/", `/\evil.example`, "///evil.example", "/%2f/evil.example", "/%5cevil.example"} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.URL = &url.URL{Path: path}
		if u, err := url.ParseRequestURI(path); err == nil {
			req.URL.Path, req.URL.RawPath = u.Path, u.RawPath
		}
		w := httptest.NewRecorder()
		r.Render(w, req, http.StatusNotFound, Error{Status: http.StatusNotFound})
		for _, e := range tags(t, path, w.Body.String()) {
			if e.name != "a" {
				continue
			}
			if href := e.attrs["href"]; strings.HasPrefix(href, "//") || strings.HasPrefix(href, `/\`) || !strings.HasPrefix(href, "/") && href != "#main" {
				t.Errorf("%s leads to %q", path, href)
			}
		}
	}
}

// TestT172_LongNames renders names of ten thousand characters.
func TestT172_LongNames(t *testing.T) {
	r := newRenderer(t)
	long := strings.Repeat("歐陽上官令狐某某", 1250)
	for name, v := range few(everyView(long, "https://a.example/"+strings.Repeat("a", 10_000))) {
		for _, lang := range languages {
			w := show(t, r, "/?lang="+lang, v)
			if !strings.HasSuffix(strings.TrimSpace(w.Body.String()), "</html>") {
				t.Errorf("%s is cut off", name)
			}
		}
	}
}
