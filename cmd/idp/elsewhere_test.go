package main

import (
	"crypto/md5"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/demo"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/internal/testenv"
)

const elsewherePassword = "Right-2026!"

// elsewhere is a city whose TPEAD and single accounts are in an Active Directory
// that answers what the test says.
type elsewhere struct {
	*city
	script *testenv.LDAPScript

	mu      sync.Mutex
	entries map[string]uint64 // userAccountControl by name; missing: no such entry
	refuse  map[string]int    // by name: the sub-code of a bind's refusal
}

const elsewhereService = "CN=svc,DC=tpead,DC=test"

// startElsewhere makes the city and its directory, with the accounts in both.
func startElsewhere(t *testing.T, change func(*config.Config), accounts ...string) *elsewhere {
	t.Helper()
	e := &elsewhere{entries: map[string]uint64{}, refuse: map[string]int{}}
	e.script = testenv.ScriptLDAP(t, testenv.LDAPScriptOptions{Handle: e.answer})
	dir := t.TempDir()
	put(t, dir, map[string]string{"ca.pem": string(e.script.CA), "secret": "service"})
	e.city = startCityWith(t, func(c *config.Config) {
		c.Directory.Backends = []config.DirectoryBackend{{
			Name: "tpead", Kind: "active_directory", Servers: []string{"ldaps://" + e.script.Address}, CAFile: filepath.Join(dir, "ca.pem"),
			BindDN: elsewhereService, SecretFile: filepath.Join(dir, "secret"), Base: "DC=tpead,DC=test",
		}}
		c.Directory.Floor = 0
		if change != nil {
			change(c)
		}
	})
	r := directory.Registrar{Accounts: e.store, Names: names(e.config), Key: e.sealer.Hash, Seal: e.sealer.Seal, Now: time.Now}
	for _, name := range accounts {
		e.set(name, 512)
		_, err := r.Put(t.Context(), directory.NewPerson{
			Person: idp.Person{ID: "p-" + name, Name: "王大明"}, Accounts: []idp.Account{{Name: name, Kind: idp.AccountSingle}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func (e *elsewhere) set(name string, control uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.entries[name] = control
	if control == 0 {
		delete(e.entries, name)
	}
}

func elsewhereID(name string) string { sum := md5.Sum([]byte(name)); return string(sum[:]) }

func (e *elsewhere) answer(c *testenv.LDAPCall) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case c.Op == testenv.LDAPBind && c.Name == elsewhereService:
		c.Done(0, "")
	case c.Op == testenv.LDAPBind:
		name, _, _ := strings.Cut(strings.TrimPrefix(c.Name, "CN="), ",")
		sub := e.refuse[name]
		if sub == 0 && c.Password == elsewherePassword {
			c.Done(0, "")
			return
		}
		if sub == 0 {
			sub = 0x52e
		}
		c.Done(49, fmt.Sprintf("80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data %x, v4563\x00", sub))
	case c.Op == testenv.LDAPSearch:
		for name, control := range e.entries {
			if strings.Contains(c.Filter, strconv.Quote(name)) || strings.Contains(c.Filter, fmt.Sprintf("%q", elsewhereID(name))) {
				c.Entry("CN="+name+",DC=tpead,DC=test", map[string][]string{
					"sAMAccountName": {name}, "objectGUID": {elsewhereID(name)}, "userAccountControl": {fmt.Sprint(control)},
					"objectClass": {"top", "person", "organizationalPerson", "user"},
				})
			}
		}
		c.Done(0, "")
	default:
		c.Done(0, "")
	}
}

func (e *elsewhere) visitor(t *testing.T) *visitor { return newVisitor(t, e.base) }

// TestT059_EachSubcodeHasItsPage has the directory say why it refuses, and looks
// at what the person is shown.
func TestT059_EachSubcodeHasItsPage(t *testing.T) {
	pages := map[string]struct {
		sub  int
		page string
	}{
		"ab9001": {0x52e, "帳號密碼錯誤"}, "ab9002": {0x775, "此帳號鎖定中"}, "ab9003": {0x533, "此帳號停用中"}, "ab9004": {0x532, `name="new"`},
		"ab9005": {0x701, "此帳號停用中"}, "ab9006": {0x773, `name="new"`}, "ab9007": {0x525, "帳號密碼錯誤"}, "ab9008": {0x530, "此帳號停用中"},
		"ab9009": {0x531, "此帳號停用中"},
	}
	var accounts []string
	for name := range pages {
		accounts = append(accounts, name)
	}
	e := startElsewhere(t, nil, append(accounts, "ab9000")...)
	for name, want := range pages {
		e.mu.Lock()
		e.refuse[name] = want.sub
		e.mu.Unlock()
		v := e.visitor(t)
		if body := v.let(name, elsewherePassword, false); !strings.Contains(body, want.page) || strings.Contains(body, elsewherePassword) || strings.Contains(body, "LdapErr") {
			t.Errorf("%x: the page lacks %s", want.sub, want.page)
		}
		for _, c := range v.Jar.Cookies(mustURL(t, e.base)) {
			if strings.Contains(c.Name, "session") {
				t.Errorf("%x: a session", want.sub)
			}
		}
	}
	if n := e.script.Binds(elsewhereService); n != len(pages) {
		t.Errorf("%d binds for %d tries", n, len(pages))
	}
	e.visitor(t).let("ab9000", elsewherePassword, true)
	if body := e.visitor(t).let("zz9999", elsewherePassword, false); !strings.Contains(body, "帳號密碼錯誤") {
		t.Error("nobody's name has another page")
	}
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestT053_NoFormSendsAnEmptyPassword posts what is no password to every form
// that takes one: nothing is bound at the directory.
func TestT053_NoFormSendsAnEmptyPassword(t *testing.T) {
	e := startElsewhere(t, nil, "ab9001")
	v := e.visitor(t)
	v.let("ab9001", elsewherePassword, true)
	member, holder := e.plan.Staff[0], e.visitor(t)
	holder.let(member.Portal, member.Password, true) // which our own store looks at
	flow := e.visitor(t)
	handle := flow.flow()
	before := e.script.Binds(elsewhereService)
	forms := []struct {
		who      *visitor
		path     string
		fields   url.Values
		password string // the field
	}{
		{flow, "/login/password", url.Values{"flow": {handle}, "account": {"ab9001"}}, "password"},
		{flow, "/login/change", url.Values{"flow": {handle}, "account": {"ab9001"}, "new": {"Lanterns7&Fog"}, "again": {"Lanterns7&Fog"}}, "old"},
		{v, "/password", url.Values{"new": {"Lanterns7&Fog"}, "again": {"Lanterns7&Fog"}}, "old"},
		{v, "/account/bind", url.Values{"portal": {"ab9001"}, "tpead": {"ab9001"}, "tpead_password": {elsewherePassword}}, "portal_password"},
		{holder, "/account/bind", url.Values{"portal": {member.Portal}, "portal_password": {member.Password}, "tpead": {"ab9001"}}, "tpead_password"},
	}
	for _, form := range forms {
		for name, values := range map[string][]string{
			"empty": {""}, "NUL": {"\x00"}, "with NUL": {"Right\x002026!"}, "spaces": {"  "}, "wide space": {"\u3000"}, "missing": nil, "too long": {strings.Repeat("a", 1025)},
			"twice": {elsewherePassword, elsewherePassword}, "not UTF-8": {"\xff\xfe"},
		} {
			fields := url.Values{form.password: values}
			for k, f := range form.fields {
				fields[k] = f
			}
			resp, _ := form.who.send(form.path, fields)
			if resp.StatusCode >= 500 || resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusSeeOther && form.path != "/password" {
				t.Errorf("%s, %s: %d to %s", form.path, name, resp.StatusCode, resp.Header.Get("Location"))
			}
		}
		array := url.Values{form.password + "[]": {elsewherePassword}}
		for k, f := range form.fields {
			array[k] = f
		}
		form.who.send(form.path, array)
		for _, body := range []string{`{"` + form.password + `":null,"account":"ab9001"}`, `{"` + form.password + `":["` + elsewherePassword + `"]}`, `{"` + form.password + `":0}`, `[]`} {
			resp, err := form.who.Post(e.base+form.path, "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode < 300 && form.path != "/account/bind" && form.path != "/password" || resp.StatusCode >= 500 {
				t.Errorf("%s, JSON %s: %d", form.path, body, resp.StatusCode)
			}
		}
	}
	if n := e.script.Binds(elsewhereService) - before; n != 0 {
		t.Errorf("%d binds reached the directory", n)
	}
	// A password does reach it, from the same forms.
	for i, form := range forms {
		fields := url.Values{form.password: {"Wrong-2026!"}}
		for k, f := range form.fields {
			fields[k] = f
		}
		form.who.send(form.path, fields)
		if n := e.script.Binds(elsewhereService) - before; n != min(i+1, 5) {
			t.Errorf("%s: %d binds", form.path, n)
		}
	}
}

// TestT061_WhoIsClosedThereLosesSessionAndTokens disables one and removes another
// in the directory while they are logged in.
func TestT061_WhoIsClosedThereLosesSessionAndTokens(t *testing.T) {
	e := startElsewhere(t, func(c *config.Config) { c.Directory.Recheck = config.Duration(300 * time.Millisecond) }, "ab9001", "ab9002", "ab9003")
	people := map[string]*tokenHolder{}
	for _, name := range []string{"ab9001", "ab9002", "ab9003"} {
		people[name] = e.holder(t, name)
	}
	e.set("ab9002", 512|2) // disabled
	e.set("ab9003", 0)     // removed
	for end := time.Now().Add(10 * time.Second); people["ab9002"].loggedIn() || people["ab9003"].loggedIn(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("sessions go on")
		}
	}
	for name, h := range people {
		want := map[bool]int{true: http.StatusOK, false: http.StatusBadRequest}[name == "ab9001"]
		if got := h.refresh(); got != want || h.loggedIn() != (name == "ab9001") {
			t.Errorf("%s: refresh %d, logged in %v", name, got, h.loggedIn())
		}
	}
}

// tokenHolder is somebody who is logged in, with a refresh token of a system.
type tokenHolder struct {
	*visitor
	secret, token string
}

func (e *elsewhere) holder(t *testing.T, name string) *tokenHolder {
	t.Helper()
	h := &tokenHolder{visitor: e.visitor(t)}
	for _, c := range e.plan.Clients {
		if c.ID == demo.LoadClient {
			h.secret = c.Secret
		}
	}
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	resp, _ := h.send("/oauth2/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {demo.LoadClient}, "redirect_uri": {demo.LoadRedirect}, "scope": {"openid offline_access"},
		"state": {"s"}, "nonce": {"n"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}.Encode(), nil)
	flow := mustURL(t, resp.Header.Get("Location")).Query().Get("flow")
	resp, _ = h.send("/login/password", url.Values{"flow": {flow}, "account": {name}, "password": {elsewherePassword}})
	for range 5 {
		at := resp.Header.Get("Location")
		if strings.HasPrefix(at, demo.LoadRedirect) || at == "" {
			break
		}
		resp, _ = h.send(at, nil)
	}
	code := mustURL(t, resp.Header.Get("Location")).Query().Get("code")
	body := h.post(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {demo.LoadRedirect}, "code_verifier": {verifier}})
	_, rest, _ := strings.Cut(body, `"refresh_token":"`)
	h.token, _, _ = strings.Cut(rest, `"`)
	if h.token == "" {
		t.Fatalf("no refresh token: %s", body)
	}
	return h
}

func (h *tokenHolder) post(form url.Values) string {
	form.Set("client_id", demo.LoadClient)
	form.Set("client_secret", h.secret)
	_, body := h.send("/oauth2/token", form)
	return body
}

// refresh gives the answer's status.
func (h *tokenHolder) refresh() int {
	resp, _ := h.send("/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {h.token}, "client_id": {demo.LoadClient}, "client_secret": {h.secret},
	})
	return resp.StatusCode
}

func (h *tokenHolder) loggedIn() bool {
	resp, _ := h.send("/", nil)
	return resp.StatusCode == http.StatusOK
}
