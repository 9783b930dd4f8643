package bench

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

var hiddenFlow = regexp.MustCompile(`name="flow"[^>]*value="([^"]*)"|value="([^"]*)"[^>]*name="flow"`)

// login goes the whole way of a person with a password, as a browser without
// scripts does, and keeps the cookie of the session.
func (w *worker) login(scope string, u user) (*tokens, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	browser := *w
	client := *w.client
	client.Jar = jar
	browser.client = &client
	state, nonce, verifier := randomText(), randomText(), randomText()
	page, to, err := browser.follow(http.MethodGet, w.authorizeURL(scope, state, nonce, verifier), nil)
	if err != nil {
		return nil, err
	}
	if to == "" {
		found := hiddenFlow.FindStringSubmatch(page)
		if found == nil {
			return nil, errors.New("login: the page has no form")
		}
		form := url.Values{"flow": {html.UnescapeString(found[1] + found[2])}, "account": {u.account}, "password": {u.password}}
		if _, to, err = browser.follow(http.MethodPost, w.base+"/login/password", form); err != nil {
			return nil, err
		}
	}
	if to == "" {
		return nil, fmt.Errorf("login: %s was not let in", u.account)
	}
	got, err := w.exchange(to, state, nonce, verifier)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(w.base)
	if err != nil {
		return nil, err
	}
	w.cookie = ""
	for _, c := range jar.Cookies(base) {
		if strings.HasSuffix(c.Name, "idp-session") {
			w.cookie = c.Name + "=" + c.Value
		}
	}
	if w.cookie == "" {
		return nil, errors.New("login: no session cookie")
	}
	return got, nil
}

// follow requests and follows redirects, up to a page or to the redirect that
// leads to the client.
func (w *worker) follow(method, address string, form url.Values) (page, to string, err error) {
	for range 8 {
		req, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
		if err != nil {
			return "", "", err
		}
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Origin", w.base)
		}
		resp, body, err := w.do(req)
		if err != nil {
			return "", "", err
		}
		location := resp.Header.Get("Location")
		switch {
		case strings.HasPrefix(location, redirectURI+"?"):
			return "", location, nil
		case location == "" && resp.StatusCode == http.StatusOK:
			return string(body), "", nil
		case location == "":
			return "", "", fmt.Errorf("login: %s: status %d", req.URL.Path, resp.StatusCode)
		}
		next, err := req.URL.Parse(location)
		if err != nil {
			return "", "", err
		}
		method, address, form = http.MethodGet, next.String(), nil
	}
	return "", "", errors.New("login: too many redirects")
}
