package store

import (
	"bytes"
	"errors"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/oidc"
)

func newPassword(number byte, since, at time.Time) directory.NewPassword {
	return directory.NewPassword{
		PersonID: "p1", Hash: "$argon2id$new" + string('0'+number), Sealed: []byte{number}, Keep: 3, Session: "kept", Since: since, At: at,
		Deliveries: []directory.Delivery{{
			ID: "d" + string('0'+number), Target: "mail", Account: "wang", Secret: []byte{number}, EndsAt: at.Add(24 * time.Hour),
		}},
	}
}

func TestT240_HistoryKeepsTheLastThree(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		since := time.Time{}
		for number := byte(1); number <= 5; number++ {
			at := noon.Add(time.Duration(number) * time.Hour)
			must(t, s.SetPassword(t.Context(), newPassword(number, since, at), idp.Event{At: at, Kind: "password.change", PersonID: "p1"}))
			since = at
		}
		st, err := s.PasswordStanding(t.Context(), "p1")
		must(t, err)
		if !bytes.Equal(bytes.Join(st.History, nil), []byte{5, 4, 3}) || !st.ChangedAt.Equal(since) || st.MustChange || !st.ResetAt.IsZero() {
			t.Fatalf("%+v", st)
		}
		if hash, err := s.PasswordHash(t.Context(), "p1"); err != nil || hash != "$argon2id$new5" {
			t.Fatal(hash, err)
		}
		nobody, err := s.PasswordStanding(t.Context(), "nobody")
		if err != nil || len(nobody.History) != 0 || !nobody.ChangedAt.IsZero() {
			t.Fatalf("%+v, %v", nobody, err)
		}
		// An administrator's reset stays known after its owner changed it.
		reset := newPassword(6, since, noon.Add(6*time.Hour))
		reset.Reset, reset.MustChange, reset.EndsAt = true, true, noon.Add(30*time.Hour)
		must(t, s.SetPassword(t.Context(), reset))
		must(t, s.SetPassword(t.Context(), newPassword(7, reset.At, noon.Add(7*time.Hour))))
		st, err = s.PasswordStanding(t.Context(), "p1")
		must(t, err)
		if !st.ResetAt.Equal(reset.At) || st.MustChange || !st.EndsAt.IsZero() {
			t.Fatalf("%+v", st)
		}
	})
}

func TestPasswordChangesAtOnceDontBothHappen(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		since := time.Time{}
		for round := range 2 {
			at := noon.Add(time.Duration(round) * time.Hour)
			errs := together(8, func(i int) error {
				return s.SetPassword(t.Context(), newPassword(byte(8*round+i), since, at))
			})
			done, failed := split(errs)
			if done != 1 {
				t.Fatalf("%d of 8 at once", done)
			}
			for _, err := range failed {
				if !errors.Is(err, idp.ErrConflict) {
					t.Fatal(err)
				}
			}
			since = at
		}
	})
}

// TestT147_ChangeEndsOtherSessionsAndRefreshTokens keeps the session at hand,
// and nothing that could go on without it.
func TestT147_ChangeEndsOtherSessionsAndRefreshTokens(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		addPerson(t, s, "p2")
		for id, person := range map[string]string{"kept": "p1", "other": "p1", "foreign": "p2"} {
			must(t, s.CreateSession(t.Context(), &idp.Session{ID: id, PersonID: person, CreatedAt: noon, SeenAt: noon, EndsAt: noon.Add(time.Hour)}, []byte(id), nil))
			for i, scopes := range []string{"openid", "openid offline_access"} {
				key := []byte(id + scopes)
				must(t, s.CreateGrant(t.Context(), &oidc.Grant{
					ID: key, Kind: "authorization_code", ClientID: "c", PersonID: person, SessionID: id, Scopes: scopes,
					AccessHash: append([]byte{byte(i)}, key...), AccessEndsAt: noon.Add(time.Hour), Generation: 1, EndsAt: noon.Add(time.Hour), CreatedAt: noon,
				}))
			}
		}
		must(t, s.SetPassword(t.Context(), newPassword(1, time.Time{}, noon.Add(time.Minute))))
		for id, lives := range map[string]bool{"kept": true, "other": false, "foreign": true} {
			_, _, err := s.Session(t.Context(), []byte(id))
			if (err == nil) != lives {
				t.Errorf("session %s: %v", id, err)
			}
		}
		for key, lives := range map[string]bool{
			"keptopenid": true, "keptopenid offline_access": false, "otheropenid": false, "otheropenid offline_access": false,
			"foreignopenid": true, "foreignopenid offline_access": true,
		} {
			g, _, err := s.GrantByID(t.Context(), []byte(key))
			must(t, err)
			if g.RevokedAt.IsZero() != lives {
				t.Errorf("grant %s: revoked at %v", key, g.RevokedAt)
			}
		}
	})
}

func TestDeliveriesAreLeasedReplacedAndWiped(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		must(t, s.SetPassword(t.Context(), newPassword(1, time.Time{}, noon)))
		now := noon.Add(time.Second)
		taken, err := s.TakeDeliveries(t.Context(), "a", now, now.Add(time.Minute), 10)
		must(t, err)
		if len(taken) != 1 || taken[0].Tries != 1 || !bytes.Equal(taken[0].Secret, []byte{1}) || taken[0].Account != "wang" {
			t.Fatalf("%+v", taken)
		}
		if again, err := s.TakeDeliveries(t.Context(), "b", now, now.Add(time.Minute), 10); err != nil || len(again) != 0 {
			t.Fatalf("%+v, %v", again, err)
		}
		// A newer password waits for the older one that is under way.
		must(t, s.SetPassword(t.Context(), newPassword(2, noon, now)))
		if early, err := s.TakeDeliveries(t.Context(), "b", now, now.Add(time.Minute), 10); err != nil || len(early) != 0 {
			t.Fatalf("%+v, %v", early, err)
		}
		if err := s.SettleDelivery(t.Context(), "d1", "a", directory.DeliveryDone, time.Time{}, ""); !errors.Is(err, idp.ErrConflict) {
			t.Fatal(err)
		}
		later := now.Add(time.Minute)
		taken, err = s.TakeDeliveries(t.Context(), "b", later, later.Add(time.Minute), 10)
		must(t, err)
		if len(taken) != 1 || taken[0].ID != "d2" {
			t.Fatalf("%+v", taken)
		}
		must(t, s.SettleDelivery(t.Context(), "d2", "b", directory.DeliveryWaiting, later, "away"))
		// Nothing is taken past its end, and the sweep wipes it.
		end := now.Add(24 * time.Hour)
		if late, err := s.TakeDeliveries(t.Context(), "c", end, end.Add(time.Minute), 10); err != nil || len(late) != 0 {
			t.Fatalf("%+v, %v", late, err)
		}
		if n, err := s.WipeDeliveries(t.Context(), end); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		var secrets int64
		must(t, s.read(t.Context(), func(r runner) error {
			return r.row(with("SELECT COUNT(*) FROM password_deliveries WHERE secret IS NOT NULL"), &secrets)
		}))
		if secrets != 0 {
			t.Errorf("%d secrets are left", secrets)
		}
		all, err := s.DeliveriesOf(t.Context(), "p1", 10)
		must(t, err)
		if len(all) != 2 || all[0].State != directory.DeliveryFailed || all[0].Fault != "away" || all[1].State != directory.DeliveryReplaced {
			t.Fatalf("%+v", all)
		}
	})
}

// A node of the former version knows no time of the directory's, and leaves the last.
func TestPasswordStanding_TheDirectorysTimeOfAnotherPassword(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		must(t, s.SetPassword(ctx, directory.NewPassword{PersonID: "p1", At: noon, Keep: 3, MustChange: true, Reset: true, ToldAt: noon.Add(-time.Hour)}))
		st, err := s.PasswordStanding(ctx, "p1")
		if err != nil || !st.ToldAt.Equal(noon.Add(-time.Hour)) {
			t.Fatal(st, err)
		}
		_, err = s.one(ctx, with(query("UPDATE password_standing SET changed_at = $1"), micros(noon.Add(time.Minute))))
		must(t, err)
		if st, err = s.PasswordStanding(ctx, "p1"); err != nil || !st.ToldAt.IsZero() {
			t.Error(st, err)
		}
	})
}
