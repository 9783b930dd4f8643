package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// The main story: a password login reaches documents, and attendance and mail
// need no other.
func TestPassword_OneLoginOpensThreeSystems(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "")
	b := newScript(t, w)
	p := b.loginByPassword(w.system("documents")+"/", m)
	for _, system := range []string{"documents", "attendance", "mail"} {
		if system != "documents" {
			p = b.get(w.system(system) + "/")
		}
		for _, want := range []string{m.Name, "urn:taipeion:acr:1", "密碼", m.Account} {
			if p.status != http.StatusOK || !strings.HasPrefix(p.url.String(), w.system(system)) || !strings.Contains(p.body, want) {
				t.Errorf("%s: no %q in %s", system, want, p)
			}
		}
	}
}

func TestPassword_AnyNameOfThePersonWillDo(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "")
	for _, spelling := range []string{strings.ToUpper(m.Account), `TPEAD\` + m.Account, m.Account + "@tpead.taipei.example", " " + m.Account + " "} {
		b := newScript(t, w)
		p := b.get(w.system("mail") + "/")
		p = b.submit(p, "/login/password", "account", spelling, "password", m.Password)
		if !strings.Contains(p.body, m.Name) {
			t.Errorf("%q: %s", spelling, p)
		}
	}
}

func TestPassword_WrongOnesAreRefusedAlike(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "")
	var bodies []string
	for _, account := range []string{m.Account, "zz0000"} {
		b := newScript(t, w)
		p := b.submit(b.get(w.system("documents")+"/"), "/login/password", "account", account, "password", "Wrong-1234-word")
		if !strings.Contains(p.body, "帳號密碼錯誤") || strings.Contains(p.body, "Wrong-1234-word") {
			t.Errorf("%s: %s", account, p)
		}
		bodies = append(bodies, p.body)
	}
	if len(bodies[0]) != len(bodies[1]) {
		t.Errorf("pages of %d and %d bytes tell who exists", len(bodies[0]), len(bodies[1]))
	}
}

func TestPassword_FiveFailuresLock(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "")
	b := newScript(t, w)
	p := b.get(w.system("documents") + "/")
	for range 5 {
		p = b.submit(p, "/login/password", "account", m.Account, "password", "Wrong-1234-word")
	}
	if p.status == http.StatusOK && !strings.Contains(p.body, "此帳號鎖定中") {
		p = b.submit(p, "/login/password", "account", m.Account, "password", m.Password)
	}
	if !strings.Contains(p.body, "此帳號鎖定中") || !strings.Contains(p.body, "1999") {
		t.Fatalf("not locked, or nobody to ask: %s", p)
	}
	p = b.submit(p, "/login/password", "account", m.Account, "password", m.Password)
	if !strings.Contains(p.body, "此帳號鎖定中") {
		t.Fatalf("the right password opens a lock: %s", p)
	}
	w.idp(t, "account", "unlock", m.Account, "--reason", "asked by telephone")
	p = b.submit(p, "/login/password", "account", m.Account, "password", m.Password)
	if !strings.Contains(p.body, m.Name) {
		t.Errorf("still locked after the helpdesk opened it: %s", p)
	}
}

func TestLogout_EndsEverySystem(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "")
	b := newScript(t, w)
	p := b.loginByPassword(w.system("documents")+"/", m)
	b.get(w.system("attendance") + "/")
	p = b.submit(p, "/logout")
	if !strings.HasPrefix(p.url.String(), w.system("documents")+"/logged-out") {
		t.Fatalf("after the logout: %s", p)
	}
	for _, system := range []string{"documents", "attendance", "mail"} {
		if p := b.get(w.system(system) + "/"); p.url.Path != "/login" || strings.Contains(p.body, m.Name) {
			t.Errorf("%s lets in after the logout: %s", system, p)
		}
	}
}

func TestT162_TwoPeopleOneAfterAnotherAreNotMixed(t *testing.T) {
	w := theCity(t)
	one, two := w.somebody(t, ""), w.somebody(t, "")
	b := newScript(t, w)
	p := b.loginByPassword(w.system("documents")+"/", one)
	b.get(w.system("mail") + "/")
	b.submit(p, "/logout")
	for _, system := range []string{"documents", "mail"} {
		if system == "documents" {
			p = b.loginByPassword(w.system(system)+"/", two)
		} else {
			p = b.get(w.system(system) + "/")
		}
		if !strings.Contains(p.body, two.Name) || strings.Contains(p.body, one.Name) {
			t.Errorf("%s: %s", system, p)
		}
	}
}

func TestConsent_IsAskedOnceOfAThirdParty(t *testing.T) {
	w := theCity(t)
	m := w.somebody(t, "")
	b := newScript(t, w)
	p := b.loginByPassword(w.system("training")+"/", m)
	if !strings.Contains(p.body, "/login/consent") || !strings.Contains(p.body, "教育訓練網") {
		t.Fatalf("no consent page: %s", p)
	}
	p = b.submit(p, "/login/consent", "choice", "allow")
	if !strings.HasPrefix(p.url.String(), w.system("training")) || !strings.Contains(p.body, m.Name) {
		t.Fatalf("after the consent: %s", p)
	}
	again := newScript(t, w)
	if p := again.loginByPassword(w.system("training")+"/", m); !strings.Contains(p.body, m.Name) {
		t.Errorf("asked again: %s", p)
	}
}

func TestConsent_DeniedIsTheSystemsToSay(t *testing.T) {
	w := theCity(t)
	b := newScript(t, w)
	p := b.loginByPassword(w.system("training")+"/", w.somebody(t, ""))
	p = b.submit(p, "/login/consent", "choice", "deny")
	if !strings.HasPrefix(p.url.String(), w.system("training")+"/callback") || !strings.Contains(p.body, "access_denied") {
		t.Errorf("after the refusal: %s", p)
	}
}
