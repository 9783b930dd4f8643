package devicebind_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/devicetest"
)

// options is what tests read of the options that browsers get.
type options struct {
	Challenge string `json:"challenge"`
	RPID      string `json:"rpId"`
	RP        struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	UserVerification       string `json:"userVerification"`
	AuthenticatorSelection struct {
		UserVerification string `json:"userVerification"`
		ResidentKey      string `json:"residentKey"`
	} `json:"authenticatorSelection"`
	Exclude []any `json:"excludeCredentials"`
	Allow   []any `json:"allowCredentials"`
}

func (w *world) options(text []byte) (o options, challenge []byte) {
	w.Helper()
	w.must(json.Unmarshal(text, &o))
	challenge, err := base64.RawURLEncoding.DecodeString(o.Challenge)
	w.must(err)
	return o, challenge
}

// passkey registers a passkey for the person.
func (w *world) passkey(who devicebind.Who) (*devicetest.Authenticator, *devicebind.Passkey) {
	w.Helper()
	p := w.nodes[0].passkeys
	text, err := p.BeginAdd(w.ctx, who)
	w.must(err)
	o, challenge := w.options(text)
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	w.must(err)
	auth := devicetest.New(origin, handle)
	k, err := p.Add(w.ctx, who, "筆電", auth.Create(challenge))
	w.must(err)
	return auth, k
}

// challenge is a fresh one for a browser.
func (w *world) challenge(browser []byte, personID string) []byte {
	w.Helper()
	text, err := w.nodes[0].passkeys.BeginLogin(w.ctx, browser, personID)
	w.must(err)
	_, c := w.options(text)
	return c
}

var browser = []byte("0123456789abcdef0123456789abcdef")

func TestPasskeys_WithAndWithoutName(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		text, err := w.nodes[0].passkeys.BeginAdd(w.ctx, who)
		w.must(err)
		if o, _ := w.options(text); o.RP.ID != "id.example.gov.tw" || o.AuthenticatorSelection.UserVerification != "required" ||
			o.AuthenticatorSelection.ResidentKey != "required" || len(o.User.ID) != 43 {
			w.Fatalf("%s", text)
		}
		auth, k := w.passkey(who)
		text, err = w.nodes[0].passkeys.BeginLogin(w.ctx, browser, "")
		w.must(err)
		if o, _ := w.options(text); o.RPID != "id.example.gov.tw" || o.UserVerification != "required" || o.Allow != nil {
			w.Fatalf("%s", text)
		}
		for _, personID := range []string{"", who.Person.ID} {
			person, used, err := w.nodes[1].passkeys.Login(w.ctx, browser, personID, auth.Get(w.challenge(browser, personID)))
			w.must(err)
			if person.ID != who.Person.ID || string(used.ID) != string(k.ID) {
				w.Fatal(person.ID)
			}
		}
		list, err := w.nodes[0].passkeys.Of(w.ctx, who.Person.ID)
		w.must(err)
		if len(list) != 1 || list[0].Name != "筆電" || list[0].UsedAt.IsZero() || list[0].SignCount != auth.Count {
			w.Fatalf("%+v", list)
		}
		if _, err := w.nodes[0].passkeys.BeginLogin(w.ctx, browser, w.person().Person.ID); !errors.Is(err, idp.ErrNotFound) {
			w.Fatal(err)
		}
		w.must(w.nodes[0].passkeys.Rename(w.ctx, who, k.ID, "新名字"))
		w.must(w.nodes[0].passkeys.Remove(w.ctx, who, k.ID))
		_, _, err = w.nodes[1].passkeys.Login(w.ctx, browser, "", auth.Get(w.challenge(browser, "")))
		w.denied(err, devicebind.ReasonPasskey)
	})
}

func TestPasskeys_SomeNeverCount(t *testing.T) {
	w := newWorld(t, sqliteOptions(t))
	auth, _ := w.passkey(w.person())
	auth.NoCount = true
	for range 3 {
		_, _, err := w.nodes[0].passkeys.Login(w.ctx, browser, "", auth.Get(w.challenge(browser, "")))
		w.must(err)
	}
}

func TestT144_Login(t *testing.T) {
	onBoth(t, func(w *world) {
		who, other := w.person(), w.person()
		auth, _ := w.passkey(who)
		theirs, _ := w.passkey(other)
		p := w.nodes[1].passkeys
		login := func(a *devicetest.Authenticator, c []byte, person string) error {
			_, _, err := p.Login(w.ctx, browser, person, a.Get(c))
			return err
		}
		w.must(login(auth, w.challenge(browser, ""), ""))
		for name, change := range map[string]func(a *devicetest.Authenticator){
			"origin":              func(a *devicetest.Authenticator) { a.Origin = "https://evil.example" },
			"another port":        func(a *devicetest.Authenticator) { a.Origin += ":8443" },
			"rpId hash":           func(a *devicetest.Authenticator) { a.RPID = "gov.tw" },
			"type swapped":        func(a *devicetest.Authenticator) { a.GetType = "webauthn.create" },
			"no UV":               func(a *devicetest.Authenticator) { a.Flags = 1 },
			"no UP":               func(a *devicetest.Authenticator) { a.Flags = 4 },
			"backed up, not able": func(a *devicetest.Authenticator) { a.Flags |= 0x10 },
			"count down":          func(a *devicetest.Authenticator) { a.Count = 0 },
			"trailing":            func(a *devicetest.Authenticator) { a.Trailing = []byte{0} },
			"another's key":       func(a *devicetest.Authenticator) { a.Key = theirs.Key },
			"another's ID":        func(a *devicetest.Authenticator) { a.ID = theirs.ID },
			"unknown ID":          func(a *devicetest.Authenticator) { a.ID = make([]byte, 32) },
			"another's handle":    func(a *devicetest.Authenticator) { a.UserHandle = theirs.UserHandle },
			"no handle":           func(a *devicetest.Authenticator) { a.UserHandle = nil },
		} {
			w.Log(name)
			bad := *auth
			change(&bad)
			w.denied(login(&bad, w.challenge(browser, ""), ""), devicebind.ReasonPasskey)
		}
		// A step-up by somebody else's passkey.
		w.denied(login(theirs, w.challenge(browser, who.Person.ID), who.Person.ID), devicebind.ReasonPasskey)
		w.must(login(auth, w.challenge(browser, ""), ""))
		w.must(w.nodes[0].db.SetState(w.ctx, who.Person.ID, idp.PersonDisabled, w.clock()))
		w.denied(login(auth, w.challenge(browser, ""), ""), idp.ReasonDisabled)
	})
}

func TestT144_Challenges(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		auth, _ := w.passkey(who)
		auth.NoCount, auth.Count = true, 0
		login := func(n int, b, c []byte) error {
			_, _, err := w.nodes[n].passkeys.Login(w.ctx, b, "", auth.Get(c))
			return err
		}
		used := w.challenge(browser, "")
		ok, failed := together(32, func(i int) error { return login(i%2, browser, used) })
		if ok != 1 {
			w.Fatalf("one challenge answered %d times", ok)
		}
		for _, err := range failed {
			w.denied(err, devicebind.ReasonPasskey)
		}
		another := []byte("ffffffffffffffffffffffffffffffff")
		w.denied(login(0, another, w.challenge(browser, "")), devicebind.ReasonPasskey)
		w.denied(login(0, nil, w.challenge(nil, "")), devicebind.ReasonPasskey)
		old := w.challenge(browser, "")
		w.later(devicebind.PasskeyChallengeLife)
		w.denied(login(0, browser, old), devicebind.ReasonPasskey)
		w.denied(login(0, browser, make([]byte, 40)), devicebind.ReasonPasskey)
		w.denied(login(0, browser, []byte("x")), devicebind.ReasonPasskey)
		// One for adding is none for a login.
		fresh := w.login(who.Person, idp.Evidence{Method: idp.MethodCard, Card: "card-" + who.Person.ID})
		text, err := w.nodes[0].passkeys.BeginAdd(w.ctx, fresh)
		w.must(err)
		_, add := w.options(text)
		w.denied(login(0, browser, add), devicebind.ReasonPasskey)
		w.denied(login(0, []byte("session "+fresh.Session.ID+" "+fresh.Person.ID), add), devicebind.ReasonPasskey)
		for _, junk := range []string{"", "{}", "null", `{"id":"AA"}`} {
			_, _, err := w.nodes[0].passkeys.Login(w.ctx, browser, "", []byte(junk))
			w.denied(err, devicebind.ReasonPasskey)
		}
	})
}

func TestT144_Registration(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p := w.nodes[0].passkeys
		begin := func(who devicebind.Who) []byte {
			text, err := p.BeginAdd(w.ctx, who)
			w.must(err)
			_, c := w.options(text)
			return c
		}
		for name, change := range map[string]func(a *devicetest.Authenticator){
			"origin":       func(a *devicetest.Authenticator) { a.Origin = "https://evil.example" },
			"rpId hash":    func(a *devicetest.Authenticator) { a.RPID = "gov.tw" },
			"type swapped": func(a *devicetest.Authenticator) { a.CreateType = "webauthn.get" },
			"no UV":        func(a *devicetest.Authenticator) { a.Flags = 1 },
			"trailing":     func(a *devicetest.Authenticator) { a.Trailing = []byte{0} },
		} {
			w.Log(name)
			bad := devicetest.New(origin, nil)
			change(bad)
			_, err := p.Add(w.ctx, who, "x", bad.Create(begin(who)))
			w.denied(err, devicebind.ReasonPasskey)
		}
		// A challenge of another session, and one that was used.
		_, err := p.Add(w.ctx, who, "x", devicetest.New(origin, nil).Create(begin(w.person())))
		w.denied(err, devicebind.ReasonPasskey)
		challenge := begin(who)
		ok, _ := together(32, func(i int) error {
			_, err := w.nodes[i%2].passkeys.Add(w.ctx, who, "x", devicetest.New(origin, nil).Create(challenge))
			return err
		})
		if ok != 1 {
			w.Fatalf("one challenge added %d passkeys", ok)
		}
		auth, _ := w.passkey(who)
		if _, err := p.Add(w.ctx, who, "x", auth.Create(begin(who))); !errors.Is(err, idp.ErrConflict) {
			w.Fatal(err)
		}
		text, err := p.BeginAdd(w.ctx, who)
		w.must(err)
		if o, _ := w.options(text); len(o.Exclude) != 2 {
			w.Fatalf("%d excluded", len(o.Exclude))
		}
	})
}

func TestPasskeys_OnlyListedModels(t *testing.T) {
	w := newWorld(t, sqliteOptions(t))
	who := w.person()
	p := w.nodes[0].passkeys
	auth := devicetest.New(origin, nil)
	auth.AAGUID = [16]byte{1}
	p.Attestation, p.Models = devicebind.AttestationAllow, [][]byte{auth.AAGUID[:]}
	text, err := p.BeginAdd(w.ctx, who)
	w.must(err)
	_, challenge := w.options(text)
	// It names a listed model, and nobody attests it.
	_, err = p.Add(w.ctx, who, "x", auth.Create(challenge))
	w.denied(err, devicebind.ReasonPasskey)
}

func TestT141_SwappedPasskeys(t *testing.T) {
	onBoth(t, func(w *world) {
		mine, _ := w.passkey(w.person())
		theirs, _ := w.passkey(w.person())
		w.swap("passkeys", "id", mine.ID, theirs.ID)
		_, _, err := w.nodes[0].passkeys.Login(w.ctx, browser, "", mine.Get(w.challenge(browser, "")))
		w.denied(err, devicebind.ReasonPasskey)
		if w.events("passkey.tampered", "alarm") != 1 {
			w.Fatal("no alarm")
		}
	})
}
