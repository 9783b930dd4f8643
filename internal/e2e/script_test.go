package e2e

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// script is a browser without scripts: it follows redirects, keeps cookies,
// and sends the forms that it sees.
type script struct {
	t      *testing.T
	world  *world
	client *http.Client
}

// sight is where the script has come to.
type sight struct {
	url    *url.URL
	status int
	header http.Header
	body   string
}

func (p *sight) String() string {
	return fmt.Sprintf("%s: status %d\n%.3000s", p.url, p.status, p.body)
}

func newScript(t *testing.T, w *world) *script {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &script{t: t, world: w, client: &http.Client{Jar: jar}}
}

// stopAt makes redirects to addresses with the prefix the end of the way.
func (s *script) stopAt(prefix string) {
	s.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), prefix) {
			return http.ErrUseLastResponse
		}
		if len(via) > 15 {
			return fmt.Errorf("too many redirects, now to %s", r.URL.Path)
		}
		return nil
	}
}

func (s *script) get(address string) *sight {
	s.t.Helper()
	return s.do(http.MethodGet, address, nil)
}

func (s *script) do(method, address string, form url.Values) *sight {
	s.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, address, body)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Accept-Language", "zh-TW")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", req.URL.Scheme+"://"+req.URL.Host)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return &sight{url: resp.Request.URL, status: resp.StatusCode, header: resp.Header, body: string(raw)}
}

var (
	formTag  = regexp.MustCompile(`(?s)<form\b([^>]*)>(.*?)</form>`)
	inputTag = regexp.MustCompile(`<(?:input|button)\b([^>]*)>`)
	attr     = regexp.MustCompile(`([a-z-]+)="([^"]*)"`)
)

func attributes(tag string) map[string]string {
	all := map[string]string{}
	for _, m := range attr.FindAllStringSubmatch(tag, -1) {
		all[m[1]] = html.UnescapeString(m[2])
	}
	return all
}

// submit fills in and sends the page's form with that action; fields are given
// as name, value, name, value.
func (s *script) submit(p *sight, action string, fields ...string) *sight {
	s.t.Helper()
	for _, m := range formTag.FindAllStringSubmatch(p.body, -1) {
		form := attributes(m[1])
		if !strings.HasSuffix(form["action"], action) {
			continue
		}
		values := url.Values{}
		for _, input := range inputTag.FindAllStringSubmatch(m[2], -1) {
			if a := attributes(input[1]); a["type"] == "hidden" {
				values.Set(a["name"], a["value"])
			}
		}
		for i := 0; i+1 < len(fields); i += 2 {
			values.Set(fields[i], fields[i+1])
		}
		to, err := p.url.Parse(form["action"])
		if err != nil {
			s.t.Fatal(err)
		}
		return s.do(strings.ToUpper(form["method"]), to.String(), values)
	}
	s.t.Fatalf("no form for %s on %s", action, p)
	return nil
}

// loginByPassword goes to the address, which must show the login page, and
// logs in.
func (s *script) loginByPassword(address string, m member) *sight {
	s.t.Helper()
	p := s.get(address)
	if p.url.Path != "/login" || !strings.HasPrefix(p.url.String(), s.world.Issuer) {
		s.t.Fatalf("no login page: %s", p)
	}
	return s.submit(p, "/login/password", "account", m.Account, "password", m.Password)
}
