package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// historyOfPerson is what is in a person's history, oldest first, a line for each change.
func historyOfPerson(t *testing.T, s *Store, personID string) []string {
	t.Helper()
	entries, err := s.History(t.Context(), personID, 100)
	must(t, err)
	var lines []string
	for i := len(entries) - 1; i >= 0; i-- {
		line := entries[i].Actor + " " + entries[i].Kind + ":"
		for _, f := range entries[i].Fields {
			line += fmt.Sprintf(" %s %s>%s", f.Field, f.Old, f.New)
		}
		lines = append(lines, line)
	}
	return lines
}

// expect holds what is new in a person's history against what it should be.
func expect(t *testing.T, s *Store, personID string, former []string, want ...string) []string {
	t.Helper()
	now := historyOfPerson(t, s, personID)
	if got, all := strings.Join(now[len(former):], "\n"), strings.Join(want, "\n"); got != all {
		t.Errorf("new in the history:\n%s\nwant:\n%s", got, all)
	}
	return now
}

// Each step of these tests is a second later, so that the history has an order.
type steps struct{ time.Time }

func (c *steps) next() time.Time { c.Time = c.Add(time.Second); return c.Time }

func someCard(personID, id, serial, fingerprint string) *idp.Card {
	return &idp.Card{ID: id, PersonID: personID, IssuerKeyID: "k", SubjectSerial: serial, Fingerprint: fingerprint, Name: "王小明",
		NotAfter: noon.Add(time.Hour), BoundAt: noon}
}

func TestHistory_OfCards(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		ctx, now := t.Context(), &steps{noon}
		openSession(t, s, "s", "p1")
		event := func(kind, actor, detail string) idp.Event {
			return idp.Event{At: now.next(), Kind: kind, Result: "ok", PersonID: "p1", Actor: actor, Detail: detail, SessionID: "s"}
		}
		bind := func(id, fingerprint, kind string) {
			t.Helper()
			e := event(kind, "", "card "+id)
			c := someCard("p1", id, "1", fingerprint)
			c.BoundAt = e.At
			must(t, s.BindCard(ctx, c, e))
		}
		seen := historyOfPerson(t, s, "p1")
		bind("c1", "f1", "card.bind")
		seen = expect(t, s, "p1", seen, "person:p1 card.bind: card >王小明 (c1)")
		bind("c2", "f1", "card.bind") // the same card once more changes nothing
		seen = expect(t, s, "p1", seen)
		bind("c2", "f2", "card.renew")
		seen = expect(t, s, "p1", seen, "person:p1 card.renew: card 王小明 (c1)>王小明 (c1)")
		e := event("card.unbind", "operator:alice", "lost")
		must(t, s.UnbindCard(ctx, "c1", e.At, e))
		seen = expect(t, s, "p1", seen, "operator:alice card.unbind: card 王小明 (c1)> reason >lost")
		if err := s.UnbindCard(ctx, "c1", e.At, e); !errors.Is(err, idp.ErrNotFound) {
			t.Error(err)
		}
		e = event("card.bind", "", "card c3")
		c := someCard("p1", "c3", "3", "f3")
		c.BoundAt = e.At
		must(t, s.BindFirst(ctx, c, e))
		e = idp.Event{At: now.next(), Kind: "card.revoked", Result: "ok", PersonID: "p1"}
		must(t, s.UnbindCard(ctx, "c3", e.At, e))
		seen = expect(t, s, "p1", seen, "person:p1 card.bind: card >王小明 (c3)", "system card.revoked: card 王小明 (c3)>")
		// Another person's card is refused, and leaves nothing.
		addPerson(t, s, "p2")
		must(t, s.BindCard(ctx, someCard("p2", "c4", "4", "f4")))
		if err := s.BindCard(ctx, someCard("p1", "c5", "4", "f4"), event("card.bind", "", "")); !errors.Is(err, idp.ErrConflict) {
			t.Error(err)
		}
		seen = expect(t, s, "p1", seen)
		// A second administrator's approval.
		must(t, s.GrantRole(ctx, Granted{Role: policy.Role{Kind: policy.RoleHelpdesk}, Person: idp.Person{ID: "p2"}, At: now.next()}))
		p, err := s.Person(ctx, "p1")
		must(t, err)
		must(t, s.WaitCard(ctx, &directory.WaitingCard{ID: "w", Person: *p, Card: *someCard("p1", "c6", "6", "f6"), AskedAt: now.next(), EndsAt: now.Add(time.Hour)}))
		e = event("card.approve", "person:p2", "was here")
		e.PersonID = ""
		_, err = s.ApproveCard(ctx, directory.Decision{ID: "w", PersonID: "p2", Reason: "was here", At: e.At}, e)
		must(t, err)
		expect(t, s, "p1", seen, "person:p2 card.approve: card >王小明 (c6) reason >was here")
	})
}

func TestHistory_OfRolesAndEntries(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		ctx, now := t.Context(), &steps{noon}
		role := policy.Role{Kind: policy.RolePeople, Agency: "379"}
		event := func(kind, detail string) idp.Event {
			return idp.Event{At: now.next(), Kind: kind, Result: "ok", PersonID: "p1", Actor: "operator:alice", Detail: detail}
		}
		seen := historyOfPerson(t, s, "p1")
		g := Granted{Role: role, Person: idp.Person{ID: "p1"}, By: "operator:alice", At: now.next(), Reason: "applied for: 42"}
		must(t, s.GrantRole(ctx, g, event("admin.grant", "people 379: applied for: 42")))
		seen = expect(t, s, "p1", seen, "operator:alice admin.grant: role >people 379 reason >applied for: 42")
		if err := s.GrantRole(ctx, g, event("admin.grant", "people 379: again")); !errors.Is(err, idp.ErrConflict) {
			t.Error(err)
		}
		must(t, s.RevokeRole(ctx, "p1", role, event("admin.revoke", "people 379: moved")))
		if err := s.RevokeRole(ctx, "p1", role, event("admin.revoke", "people 379: again")); !errors.Is(err, idp.ErrNotFound) {
			t.Error(err)
		}
		seen = expect(t, s, "p1", seen, "operator:alice admin.revoke: role people 379> reason >moved")
		must(t, s.KeepIdentity(ctx, "ad", idp.Account{Name: "p1-tpead", PersonID: "p1"}, "guid-1", noon))
		must(t, s.ForgetIdentity(ctx, "p1-tpead", event("account.forget_entry", "made anew")))
		if err := s.ForgetIdentity(ctx, "nobody-there", event("account.forget_entry", "x")); !errors.Is(err, idp.ErrNotFound) {
			t.Error(err)
		}
		expect(t, s, "p1", seen, "operator:alice account.forget_entry: entry p1-tpead ad guid-1> reason >made anew")
	})
}

// What a person logs in with, and nothing of what is secret in it.
func TestHistory_OfPhonesCodesPasskeysAndPasswords(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		ctx, now := t.Context(), &steps{noon}
		own := func(kind, detail string) devicebind.With {
			return devicebind.With{Events: []idp.Event{{At: now.next(), Kind: kind, Result: "ok", PersonID: "p1", SessionID: "s", Detail: detail}}}
		}
		by := func(kind, detail string) devicebind.With {
			w := own(kind, detail)
			w.Events[0].Actor, w.Events[0].SessionID = "operator:alice", ""
			return w
		}
		seen := historyOfPerson(t, s, "p1")
		must(t, s.all(ctx, []statement{with(insertDevice, "d1", "p1", "", "Pixel", "android", "pin", []byte("c"), []byte("s"), micros(noon), micros(noon.Add(time.Hour)), int64(0))}))
		must(t, s.SuspendDevice(ctx, "d1", now.Time, by("phone.suspend", "device d1: lost: on a bus")))
		must(t, s.SuspendDevice(ctx, "d1", time.Time{}, by("phone.resume", "device d1: found")))
		must(t, s.RenameDevice(ctx, "d1", "p1", "Pixel 9", own("phone.rename", "device d1"))) // a label: an event alone
		must(t, s.RevokeDevice(ctx, "d1", "p1", now.Time, own("phone.revoke", "device d1")))
		if err := s.RevokeDevice(ctx, "d1", "p1", now.Time, own("phone.revoke", "device d1")); !errors.Is(err, idp.ErrNotFound) {
			t.Error(err)
		}
		seen = expect(t, s, "p1", seen, "operator:alice phone.suspend: device >Pixel (d1) reason >lost: on a bus", "operator:alice phone.resume: device >Pixel (d1) reason >found",
			"person:p1 phone.revoke: device Pixel 9 (d1)>")

		totp := &devicebind.TOTP{PersonID: "p1", SessionID: "s", Pending: []byte("pending"), EndsAt: now.Add(time.Hour)}
		must(t, s.PutPending(ctx, totp))
		must(t, s.BindTOTP(ctx, totp, 1, [][]byte{[]byte("h1"), []byte("h2")}, now.next(), own("otp.bind", "")))
		must(t, s.PutRecovery(ctx, "p1", [][]byte{[]byte("h3")}, own("otp.recovery", "")))
		must(t, s.UseRecovery(ctx, "p1", []byte("h3"), own("otp.recover", ""))) // a login: an event alone
		must(t, s.RemoveTOTP(ctx, "p1", by("otp.remove", "phone lost")))
		seen = expect(t, s, "p1", seen, "person:p1 otp.bind: codes >bound", "person:p1 otp.recovery: recovery >1", "operator:alice otp.remove: codes bound> reason >phone lost")

		key := &devicebind.Passkey{ID: []byte{1, 2, 3}, PersonID: "p1", Name: "YubiKey", Sealed: []byte("s"), CreatedAt: now.Time}
		must(t, s.AddPasskey(ctx, key, []byte("challenge"), now.Add(time.Hour), own("passkey.add", "passkey AQID")))
		if err := s.AddPasskey(ctx, key, []byte("challenge2"), now.Add(time.Hour), own("passkey.add", "passkey AQID")); !errors.Is(err, idp.ErrConflict) {
			t.Error(err)
		}
		must(t, s.RemovePasskey(ctx, key.ID, "", now.next(), by("passkey.remove", "left in a taxi")))
		seen = expect(t, s, "p1", seen, "person:p1 passkey.add: passkey >YubiKey (AQID)", "operator:alice passkey.remove: passkey YubiKey (AQID)> reason >left in a taxi")

		set := func(reset bool, actor, kind, detail string) {
			t.Helper()
			st, err := s.PasswordStanding(ctx, "p1")
			must(t, err)
			n := directory.NewPassword{PersonID: "p1", Since: st.ChangedAt, Hash: "$argon2id$secret", Sealed: []byte("x"), Keep: 3, Reset: reset, Actor: actor,
				At: now.next(), Accounts: []string{"p1-tpead", "p1"}}
			must(t, s.SetPassword(ctx, n, idp.Event{At: n.At, Kind: kind, Result: "ok", PersonID: "p1", Actor: actor, Detail: detail}))
		}
		set(false, "", "password.change", "")
		set(true, "operator:alice", "password.reset", "came to the counter")
		seen = expect(t, s, "p1", seen, "person:p1 password.change: password >p1-tpead p1", "operator:alice password.reset: password >p1-tpead p1 reason >came to the counter")
		if all := strings.Join(seen, "\n"); strings.Contains(all, "argon2") || strings.Contains(all, "secret") {
			t.Errorf("a secret:\n%s", all)
		}
		must(t, s.SayWithout(ctx, "p1", now.next(), idp.Event{At: now.Time, Kind: "account.without", Result: "ok", PersonID: "p1"}))
		must(t, s.SayWithout(ctx, "p1", now.next(), idp.Event{At: now.Time, Kind: "account.without", Result: "ok", PersonID: "p1"}))
		must(t, s.Unlock(ctx, []string{"person p1"}, idp.Event{At: now.next(), Kind: "account.unlock", Result: "ok", PersonID: "p1", Actor: "operator:alice", Detail: "asked"}))
		expect(t, s, "p1", seen, "person:p1 account.without: bound >-")
	})
}

// What is taken back because its person reported the login it was added in.
func TestHistory_OfWhatAReportTakesBack(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		openSession(t, s, "s", "p1", idp.Evidence{Method: idp.MethodPhone, At: noon, Device: "d0", Act: "act"})
		added := func(kind, detail string) devicebind.With {
			return devicebind.With{Events: []idp.Event{{At: noon, Kind: kind, Result: "ok", PersonID: "p1", SessionID: "s", Detail: detail}}}
		}
		e := &devicebind.Enrolment{ID: []byte("e"), PersonID: "p1", SessionID: "s", Presence: devicebind.PresencePIN, Public: []byte("p"), Sealed: []byte("s"),
			CreatedAt: noon, EndsAt: noon.Add(time.Minute)}
		must(t, s.CreateEnrolment(ctx, e, devicebind.With{}))
		must(t, s.ClaimEnrolment(ctx, e, noon, devicebind.With{}))
		d := &devicebind.Device{ID: "d1", PersonID: "p1", Name: "Pixel", Presence: devicebind.PresencePIN, Certificate: []byte("c"), Sealed: []byte("s"), BoundAt: noon.Add(time.Second),
			NotAfter: noon.Add(time.Hour)}
		seen := historyOfPerson(t, s, "p1")
		must(t, s.FinishEnrolment(ctx, e.ID, "s", d, noon, added("phone.bind", "device d1")))
		seen = expect(t, s, "p1", seen, "person:p1 phone.bind: device >Pixel (d1)")
		_, err := s.ReportAttempt(ctx, devicebind.Reported{Attempt: []byte("act"), Act: "act", DeviceID: "d0", PersonID: "p1", Used: true}, noon.Add(time.Minute),
			idp.Event{At: noon.Add(time.Minute), Kind: "phone.report", PersonID: "p1"})
		must(t, err)
		expect(t, s, "p1", seen, "system phone.suspend: device >d1")
	})
}
