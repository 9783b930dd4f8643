package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

// trail is what somebody left who got in by an approval that p1 was tricked into:
// the session "s1" added something, which opened "s2", which added a passkey.
type trail struct {
	*testing.T
	s *Store
}

var secondKey = []byte("passkey of s2")

// minute is some minutes after the approval.
func minute(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

func (w trail) acted(session, kind, thing string, m int) devicebind.With {
	return devicebind.With{Events: []idp.Event{{At: minute(m), Kind: kind, Result: "ok", PersonID: "p1", SessionID: session, Detail: thing}}}
}

func (w trail) codes(session string, m int) {
	w.Helper()
	t := &devicebind.TOTP{PersonID: "p1", Pending: []byte("secret " + session), SessionID: session, EndsAt: minute(60)}
	must(w, w.s.PutPending(w.Context(), t))
	must(w, w.s.BindTOTP(w.Context(), t, int64(m), [][]byte{[]byte("r " + session)}, minute(m), w.acted(session, "otp.bind", "", m)))
}

func (w trail) phone(id, session string, m int) {
	w.Helper()
	e := &devicebind.Enrolment{ID: []byte(id), PersonID: "p1", SessionID: session, Presence: devicebind.PresencePIN, Public: []byte("p"), Sealed: []byte("s"),
		CreatedAt: minute(m), EndsAt: minute(m + 3)}
	must(w, w.s.CreateEnrolment(w.Context(), e, devicebind.With{}))
	must(w, w.s.ClaimEnrolment(w.Context(), e, minute(m), devicebind.With{}))
	d := &devicebind.Device{ID: id, PersonID: "p1", Name: "Pixel", Presence: devicebind.PresencePIN, Certificate: []byte("c"), Sealed: []byte("s"),
		BoundAt: minute(m), NotAfter: minute(60)}
	must(w, w.s.FinishEnrolment(w.Context(), e.ID, session, d, minute(m), w.acted(session, "phone.bind", "device "+id, m)))
}

func (w trail) passkey(id []byte, session string, m int) {
	w.Helper()
	k := &devicebind.Passkey{ID: id, PersonID: "p1", Name: "n", Sealed: []byte("x"), CreatedAt: minute(m)}
	must(w, w.s.AddPasskey(w.Context(), k, append([]byte("challenge"), id...), minute(60), w.acted(session, "passkey.add", "passkey "+passkeyName(id), m)))
}

// open opens a session, with a grant that outlives it.
func (w trail) open(id string, evidence ...idp.Evidence) {
	w.Helper()
	openSession(w.T, w.s, id, "p1", evidence...)
	must(w, w.s.CreateGrant(w.Context(), offlineGrant("grant of "+id, id, "p1")))
}

func byCode(m int) []idp.Evidence {
	return []idp.Evidence{{Method: idp.MethodOTP, At: minute(m)}, {Method: idp.MethodPassword, At: minute(m)}}
}

func byPhone(device, act string, m int) idp.Evidence {
	return idp.Evidence{Method: idp.MethodPhone, At: minute(m), Device: device, Act: act}
}

// live are the sessions and the grants that have not ended.
func (w trail) live() (list []string) {
	w.Helper()
	sessions, err := w.s.PersonSessions(w.Context(), "p1", minute(30))
	must(w, err)
	for _, n := range sessions {
		list = append(list, n.ID)
	}
	for _, id := range []string{"s1", "s2", "own"} {
		if g, _, err := w.s.GrantByID(w.Context(), []byte("grant of "+id)); err == nil && g.RevokedAt.IsZero() {
			list = append(list, "grant of "+id)
		}
	}
	slices.Sort(list)
	return list
}

func (w trail) report() devicebind.Reporting {
	w.Helper()
	r := devicebind.Reported{Attempt: []byte("act"), Act: "act", DeviceID: "d0", PersonID: "p1", Used: true}
	done, err := w.s.ReportAttempt(w.Context(), r, minute(30), idp.Event{At: minute(30), Kind: "phone.report", Result: "alarm", PersonID: "p1"})
	must(w, err)
	return done
}

func (w trail) wantLive(want ...string) {
	w.Helper()
	if got := w.live(); !slices.Equal(got, want) {
		w.Errorf("live: %q, want %q", got, want)
	}
}

// wantAdded asserts what the report found, and that the passkey of "s2" is gone.
func (w trail) wantAdded(done devicebind.Reporting, want ...string) {
	w.Helper()
	if want = append(want, "passkey.add "+passkeyName(secondKey)); !slices.Equal(done.Added, want) || !done.Alarm {
		w.Errorf("the report found %q (alarm: %v), want %q", done.Added, done.Alarm, want)
	}
	if _, _, err := w.s.Passkey(w.Context(), secondKey); !errors.Is(err, idp.ErrNotFound) {
		w.Errorf("the passkey that was added by what was added: %v", err)
	}
}

// history are the kinds of what is on the person's record.
func (w trail) history(kind string) (n int) {
	w.Helper()
	list, err := w.s.Events(w.Context(), EventFilter{PersonID: "p1"})
	must(w, err)
	for _, e := range list {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// One-time codes end what they opened when they are removed, as phones and passkeys do.
func TestRemoveTOTP_EndsWhatItOpened(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		w := trail{t, s}
		w.open("s1", byPhone("d0", "act", 0))
		w.codes("s1", 1)
		w.open("s2", byCode(2)...)
		addPerson(t, s, "p2")
		openSession(t, s, "another's", "p2", byCode(2)...)
		must(t, s.RemoveTOTP(t.Context(), "p1", w.acted("s1", "otp.remove", "", 10)))
		w.wantLive("grant of s1", "s1")
		if left, err := s.PersonSessions(t.Context(), "p2", minute(30)); err != nil || len(left) != 1 {
			t.Errorf("another person's: %v %v", left, err)
		}
	})
}

// The codes are removed by their owner, who then reports the login they were bound in.
func TestReport_AfterCodesWereRemoved(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		w := trail{t, s}
		w.open("s1", byPhone("d0", "act", 0))
		w.codes("s1", 1)
		w.open("s2", byCode(2)...)
		w.passkey(secondKey, "s2", 3)
		must(t, s.RemoveTOTP(t.Context(), "p1", w.acted("own", "otp.remove", "", 10)))
		w.wantAdded(w.report(), "otp.bind")
		w.wantLive()
		if n := w.history("otp.remove"); n != 1 {
			t.Errorf("removed %d times, on record", n)
		}
	})
}

// Recovery codes that were made anew in the reported session opened another one: it
// ends, with what was added in it; what the owner's codes opened before stays.
func TestReport_AfterRecoveryCodesWereRenewed(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		w := trail{t, s}
		w.codes("counter", -30)
		w.open("own", byCode(-20)...)
		w.open("s1", byPhone("d0", "act", 0))
		must(t, s.PutRecovery(t.Context(), "p1", [][]byte{[]byte("new")}, w.acted("s1", "otp.recovery", "", 1)))
		w.open("s2", byCode(2)...)
		w.passkey(secondKey, "s2", 3)
		w.wantAdded(w.report(), "otp.recovery")
		w.wantLive("grant of own", "own")
	})
}

// The owner binds codes of her own, by which the others are no more: hers stay, with
// what she opened and added by them.
func TestReport_AfterCodesWereBoundAgain(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		w := trail{t, s}
		w.open("s1", byPhone("d0", "act", 0))
		w.codes("s1", 1)
		w.open("s2", byCode(2)...)
		w.passkey(secondKey, "s2", 3)
		w.codes("counter", 10)
		w.open("own", byCode(12)...)
		own := []byte("own passkey")
		w.passkey(own, "own", 13)
		w.wantAdded(w.report(), "otp.bind")
		w.wantLive("grant of own", "own")
		if _, _, err := s.Passkey(t.Context(), own); err != nil {
			t.Errorf("her own passkey: %v", err)
		}
		if codes, err := s.TOTP(t.Context(), "p1"); err != nil || codes.Sealed == nil || codes.Recovery != 1 {
			t.Errorf("her own codes: %+v %v", codes, err)
		}
		if n := w.history("otp.remove"); n != 0 {
			t.Errorf("codes that were replaced are removed on record")
		}
	})
}

// The phone is revoked, or suspended, by its owner before the report.
func TestReport_AfterAPhoneWasStopped(t *testing.T) {
	for how, stop := range map[string]func(w trail) error{
		"not": func(trail) error { return nil },
		"phone.revoke": func(w trail) error {
			return w.s.RevokeDevice(w.Context(), "d2", "p1", minute(10), w.acted("own", "phone.revoke", "device d2", 10))
		},
		"phone.suspend": func(w trail) error {
			return w.s.SuspendDevice(w.Context(), "d2", minute(10), w.acted("own", "phone.suspend", "device d2", 10))
		},
	} {
		t.Run(how, func(t *testing.T) {
			storeTest(t, func(t *testing.T, s *Store) {
				w := trail{t, s}
				w.open("s1", byPhone("d0", "act", 0))
				w.phone("d2", "s1", 1)
				w.open("s2", byPhone("d2", "act-2", 2))
				w.passkey(secondKey, "s2", 3)
				must(t, stop(w))
				w.wantAdded(w.report(), "phone.bind d2")
				w.wantLive()
				want := 1
				if how == "phone.revoke" {
					want = 0
				}
				if n := w.history("phone.suspend"); n != want {
					t.Errorf("suspended %d times, on record", n)
				}
			})
		})
	}
}

// A passkey was removed that had added another one.
func TestReport_AfterAPasskeyWasRemoved(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		w := trail{t, s}
		first := []byte("passkey of s1")
		w.open("s1", byPhone("d0", "act", 0))
		w.passkey(first, "s1", 1)
		w.open("s2", idp.Evidence{Method: idp.MethodPasskey, At: minute(2), Passkey: passkeyName(first)})
		w.passkey(secondKey, "s2", 3)
		must(t, s.RemovePasskey(t.Context(), first, "p1", minute(10), w.acted("own", "passkey.remove", "passkey "+passkeyName(first), 10)))
		w.wantAdded(w.report(), "passkey.add "+passkeyName(first))
		w.wantLive()
	})
}

// The session that was reported is over, and what it added replaced: that what those
// opened ends now is an alarm none the less.
func TestReport_AlarmsOfWhatWasOpenedByWhatWasAdded(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		w := trail{t, s}
		w.open("s1", byPhone("d0", "act", 0))
		w.codes("s1", 1)
		w.open("s2", byCode(2)...)
		w.codes("counter", 10)
		_, err := s.EndSession(t.Context(), "s1", minute(11))
		must(t, err)
		if done := w.report(); !done.Alarm {
			t.Error("no alarm")
		}
		w.wantLive()
		if done := w.report(); done.Alarm {
			t.Error("an alarm of nothing new")
		}
	})
}
