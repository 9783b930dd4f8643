package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/app"
	"taipeion.internal/idp/devicebind/devicetest"
	"taipeion.internal/idp/store"
)

// desk runs the helpdesk's commands on the city's configuration.
type desk struct {
	*testing.T
	*city
	who devicebind.Who
}

// newDesk is a city whose settings name a mail server, and a member of staff who
// has just logged in by card.
func newDesk(t *testing.T) *desk {
	t.Helper()
	return newDeskWith(t, func(*config.Config) {})
}

// newDeskWith is newDesk with settings of the node changed.
func newDeskWith(t *testing.T, change func(*config.Config)) *desk {
	t.Helper()
	c := startCityWith(t, change)
	file, err := os.OpenFile(c.plan.ConfigPath(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteString("\nmail:\n  server: localhost:1\n  from: idp@example.gov.tw\n  security: none\n")
	if err != nil || file.Close() != nil {
		t.Fatal(err)
	}
	d := &desk{T: t, city: c}
	account, err := c.store.Account(t.Context(), c.plan.Staff[0].Single)
	d.must(err)
	person, err := c.store.Person(t.Context(), account.PersonID)
	d.must(err)
	cards, err := c.store.CardsOf(t.Context(), person.ID)
	d.must(err)
	evidence := idp.Evidence{Method: idp.MethodCard, At: time.Now()}
	if len(cards) > 0 {
		evidence.Card = cards[0].ID
	}
	now := time.Now()
	d.who = devicebind.Who{Person: person, Session: &idp.Session{
		ID: "session", PersonID: person.ID, Evidence: []idp.Evidence{evidence}, CreatedAt: now, SeenAt: now, EndsAt: now.Add(time.Hour),
	}}
	d.must(c.store.CreateSession(t.Context(), d.who.Session, []byte("token"), nil))
	return d
}

func (d *desk) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// run is a command's output and exit code.
func (d *desk) run(args ...string) (said string, code int) {
	d.Helper()
	c, out := newCLI(), &bytes.Buffer{}
	root := c.root()
	root.SetOut(out)
	root.SetArgs(append([]string{args[0], args[1], "--config", d.plan.ConfigPath(), "--json"}, args[2:]...))
	err := root.ExecuteContext(d.Context())
	if err != nil && !c.started {
		err = usage(err)
	}
	if err != nil {
		if text := err.Error() + advice(err); strings.Contains(text, "%!") {
			d.Errorf("error %s", text)
		}
		return err.Error(), exitCode(err)
	}
	return out.String(), exitOK
}

func (d *desk) ok(args ...string) string {
	d.Helper()
	said, code := d.run(args...)
	if code != exitOK {
		d.Fatalf("idp %s: exit %d: %s", strings.Join(args, " "), code, said)
	}
	return said
}

func (d *desk) exits(want int, args ...string) {
	d.Helper()
	if said, code := d.run(args...); code != want {
		d.Errorf("idp %s: exit %d, want %d: %s", strings.Join(args, " "), code, want, said)
	}
}

// phone binds one.
func (d *desk) phone() string { return d.newPhone().DeviceID }

func (d *desk) newPhone() *app.Phone {
	d.Helper()
	ctx := idp.WithOrigin(d.Context(), idp.Origin{City: true})
	e := d.factors.enroller
	started, err := e.Begin(ctx, d.who)
	d.must(err)
	link, err := app.ParseLink(started.Link)
	d.must(err)
	key, err := app.NewKey(nil)
	d.must(err)
	phone := &app.Phone{Origin: link.Origin, DeviceID: link.ID, Name: "手機", Key: key}
	claim, err := app.NewClaim(link, phone, "Android", "294716")
	d.must(err)
	_, err = e.Claim(ctx, link.ID, *claim)
	d.must(err)
	_, err = e.Confirm(ctx, d.who, link.ID)
	d.must(err)
	return phone
}

// told takes the mails that wait.
func (d *desk) told() (subjects []string) {
	d.Helper()
	list, err := d.store.TakeMessages(d.Context(), time.Now().String(), time.Now(), time.Now().Add(time.Hour), 100)
	d.must(err)
	for _, m := range list {
		if m.To != d.who.Person.Email {
			d.Errorf("mail to %q", m.To)
		}
		subjects = append(subjects, m.Subject)
	}
	return subjects
}

// recorded asserts that the newest event of the kind is an operator's, with the
// reason.
func (d *desk) recorded(kind, reason string) {
	d.Helper()
	events, err := d.store.Events(d.Context(), store.EventFilter{PersonID: d.who.Person.ID})
	d.must(err)
	for _, e := range events {
		if e.Kind == kind {
			if !strings.HasPrefix(e.Actor, "operator:") || e.Result != "ok" || !strings.Contains(e.Detail, reason) {
				d.Errorf("on record: %+v", e)
			}
			return
		}
	}
	d.Errorf("%s is not on record", kind)
}

func TestHelpdesk_Phones(t *testing.T) {
	d := newDesk(t)
	if d.who.Session.Evidence[0].Card == "" {
		t.Fatal("the first member of staff has no card")
	}
	id, account := d.phone(), d.plan.Staff[0].Single
	standing := func(want string, why ...string) {
		t.Helper()
		var list []shownDevice
		d.must(json.Unmarshal([]byte(d.ok("device", "list", strings.ToUpper(account))), &list))
		if len(list) != 1 || list[0].Standing != want || strings.Join(list[0].Why, "") != strings.Join(why, "") {
			t.Fatalf("listed %+v, want %s", list, want)
		}
	}
	standing("active")
	d.told()
	d.ok("device", "rename", "--reason", " asked by telephone ", "--", id, "公務機")
	d.recorded("phone.rename", "asked by telephone")
	d.ok("device", "suspend", "--reason", "in a taxi", "--", id)
	d.recorded("phone.suspend", "in a taxi")
	standing("suspended", "suspended by an operator")
	d.exits(exitConflict, "device", "suspend", "--reason", "again", "--", id)
	d.ok("device", "resume", "--reason", "found", "--", id)
	d.recorded("phone.resume", "found")
	d.exits(exitConflict, "device", "resume", "--reason", "again", "--", id)
	standing("active")
	if shown := d.ok("account", "show", account); !strings.Contains(shown, id) || !strings.Contains(shown, "公務機") || !strings.Contains(shown, `"cards"`) {
		t.Errorf("account show: %s", shown)
	}
	d.ok("device", "revoke", "--reason", "sold", "--", id)
	d.recorded("phone.revoke", "sold")
	if told := d.told(); len(told) != 4 {
		t.Errorf("told %q", told)
	}
	for _, verb := range []string{"suspend", "resume", "revoke"} {
		d.exits(exitNotFound, "device", verb, "--reason", "x", "--", id)
		d.exits(exitNotFound, "device", verb, "--reason", "x", "AAAAAAAAAAAAAAAAAAAAAA")
		d.exits(exitUsage, "device", verb, "--reason", " ", "--", id)
		d.exits(exitUsage, "device", verb, "--", id)
	}
	d.exits(exitNotFound, "device", "list", "nobody")
	other := d.phone()
	d.exits(exitUsage, "device", "rename", "--reason", "x", "--", other, "two\nlines")
	d.exits(exitUsage, "device", "rename", "--reason", "x", "--", other)
}

func TestHelpdesk_CodesAndPasskeys(t *testing.T) {
	d := newDesk(t)
	account := d.plan.Staff[0].Single
	if said := d.ok("otp", "show", account); !strings.Contains(said, `"bound": false`) {
		t.Errorf("otp show: %s", said)
	}
	d.exits(exitNotFound, "otp", "remove", account, "--reason", "x")
	offer, err := d.factors.otp.Begin(d.Context(), d.who)
	d.must(err)
	code, err := totp.GenerateCode(offer.Secret, time.Now())
	d.must(err)
	recovery, err := d.factors.otp.Confirm(d.Context(), d.who, code)
	d.must(err)
	said := d.ok("otp", "show", account)
	if !strings.Contains(said, `"bound": true`) || !strings.Contains(said, `"recovery_codes_left": 10`) || strings.Contains(said, recovery[0]) || strings.Contains(said, offer.Secret) {
		t.Errorf("otp show: %s", said)
	}
	d.told()
	d.exits(exitUsage, "otp", "remove", account, "--reason", "")
	d.ok("otp", "remove", account, "--reason", "new telephone")
	d.recorded("otp.remove", "new telephone")

	a, challenge := d.authenticator()
	key, err := d.factors.passkeys.Add(d.Context(), d.who, "筆電", a.Create(challenge))
	d.must(err)
	id := base64.RawURLEncoding.EncodeToString(key.ID)
	if said := d.ok("passkey", "list", account); !strings.Contains(said, id) || !strings.Contains(said, "筆電") {
		t.Errorf("passkey list: %s", said)
	}
	d.exits(exitUsage, "passkey", "remove", "--reason", "x", "--", "no id!")
	d.exits(exitUsage, "passkey", "remove", "--", id)
	d.ok("passkey", "remove", "--reason", "stolen", "--", id)
	d.recorded("passkey.remove", "stolen")
	d.exits(exitNotFound, "passkey", "remove", "--reason", "stolen", "--", id)
	if said := d.ok("passkey", "list", account); strings.TrimSpace(said) != "[]" {
		t.Errorf("passkey list: %s", said)
	}
	if told := d.told(); len(told) != 2 { // the codes, the passkey
		t.Errorf("told %q", told)
	}
}

// authenticator is one that is asked to make a passkey.
func (d *desk) authenticator() (a *devicetest.Authenticator, challenge []byte) {
	d.Helper()
	options, err := d.factors.passkeys.BeginAdd(d.Context(), d.who)
	d.must(err)
	var asked struct {
		Challenge string `json:"challenge"`
		User      struct {
			ID string `json:"id"`
		} `json:"user"`
	}
	d.must(json.Unmarshal(options, &asked))
	challenge, err = base64.RawURLEncoding.DecodeString(asked.Challenge)
	d.must(err)
	handle, err := base64.RawURLEncoding.DecodeString(asked.User.ID)
	d.must(err)
	return devicetest.New(d.plan.Issuer, handle), challenge
}

// The models that the configuration lists are the ones that are taken.
func TestPasskeys_ModelsOfTheConfiguration(t *testing.T) {
	maker, other := devicetest.NewMaker("Maker"), devicetest.NewMaker("Maker")
	roots := filepath.Join(t.TempDir(), "roots.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: maker.Root.Raw})
	if err := os.WriteFile(roots, text, 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDeskWith(t, func(c *config.Config) {
		c.Passkeys.Attestation, c.Passkeys.Models, c.Passkeys.Roots = "direct", []string{"01020300-0000-0000-0000-000000000000"}, []string{roots}
	})
	model := [16]byte{1, 2, 3}
	a, challenge := d.authenticator()
	a.AAGUID = model
	_, err := d.factors.passkeys.Add(d.Context(), d.who, "x", other.Create(a, model, challenge))
	if no := (idp.Denied{}); !errors.As(err, &no) || no.Reason != devicebind.ReasonPasskey {
		t.Errorf("another maker: %v", err)
	}
	a, challenge = d.authenticator()
	a.AAGUID = model
	if _, err := d.factors.passkeys.Add(d.Context(), d.who, "x", maker.Create(a, model, challenge)); err != nil {
		t.Error(err)
	}
}

// Who mistyped their one-time codes is locked for a quarter of an hour: the
// helpdesk sees it and unlocks it, as after wrong passwords.
func TestT143_TheHelpdeskUnlocksCodes(t *testing.T) {
	d := newDesk(t)
	account := d.plan.Staff[0].Single
	otp := d.factors.otp
	offer, err := otp.Begin(d.Context(), d.who)
	d.must(err)
	code, err := totp.GenerateCode(offer.Secret, time.Now())
	d.must(err)
	recovery, err := otp.Confirm(d.Context(), d.who, code)
	d.must(err)
	locked := func() bool { return strings.Contains(d.ok("account", "show", account), `"locked": true`) }
	if locked() {
		t.Fatalf("locked: %s", d.ok("account", "show", account))
	}
	for range 5 {
		if err := otp.Verify(d.Context(), d.who.Person.ID, "aaaaa-aaaaa"); err == nil {
			t.Fatal("a wrong code is right")
		}
	}
	if err := otp.Verify(d.Context(), d.who.Person.ID, recovery[0]); !errors.Is(err, idp.Denied{Reason: idp.ReasonLocked}) {
		t.Fatalf("after five wrong ones: %v", err)
	}
	if !locked() {
		t.Error("the helpdesk sees no lock")
	}
	d.ok("account", "unlock", account, "--reason", "mistyped")
	if locked() {
		t.Error("still locked")
	}
	d.must(otp.Verify(d.Context(), d.who.Person.ID, recovery[0]))
}

// Where the city has a lock stop everything, a locked person's phone is refused:
// when it scans, and when the lock came between its approval and the login.
func TestT137_ALockStopsPhonesWhereTheCitySaysSo(t *testing.T) {
	for _, all := range []bool{true, false} {
		d := newDeskWith(t, func(c *config.Config) { c.Lockout.All = all })
		phone, attempts := d.newPhone(), d.factors.attempts
		handle, now := sha256.Sum256([]byte("flow")), time.Now()
		d.must(d.store.CreateFlow(t.Context(), &idp.Flow{Handle: handle[:], Browser: handle[:], Ask: idp.Ask{ClientID: "documents", At: now}, CreatedAt: now, EndsAt: now.Add(time.Hour)}))
		scan := func(at time.Time) (*devicebind.Scanned, error) {
			req, err := phone.NewScan(d.factors.codes.Make(handle[:], devicebind.PC{}).Text, at)
			d.must(err)
			return attempts.Scan(t.Context(), *req)
		}
		seen, err := scan(now)
		d.must(err)
		view, err := attempts.Look(t.Context(), handle[:], handle[:])
		d.must(err)
		req, err := phone.NewDecision(seen, devicebind.VerdictApprove, view.Number, "294716", time.Now())
		d.must(err)
		d.must(attempts.Decide(t.Context(), *req))
		for range 5 {
			if _, err := d.gate.CheckPassword(t.Context(), d.plan.Staff[0].Single, "Wrong-1234-word"); err == nil {
				t.Fatal("a wrong password is right")
			}
		}
		_, err = attempts.Approved(t.Context(), handle[:], handle[:])
		if locked := errors.Is(err, idp.Denied{Reason: idp.ReasonLocked}); locked != all || !all && err != nil {
			t.Errorf("all %v: the approval: %v", all, err)
		}
		if _, err = attempts.Use(t.Context(), handle[:], handle[:]); (err != nil) != all {
			t.Errorf("all %v: used: %v", all, err)
		}
		_, err = scan(now.Add(time.Second))
		if locked := errors.Is(err, idp.Denied{Reason: idp.ReasonLocked}); locked != all {
			t.Errorf("all %v: a scan: %v", all, err)
		}
	}
}
