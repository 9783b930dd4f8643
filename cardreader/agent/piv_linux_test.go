package agent

import (
	"testing"
	"time"

	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/cardreader/pkcs11"
	"taipeion.internal/idp/internal/testenv"
	"taipeion.internal/idp/internal/testenv/pivcard"
)

func pivCard(t *testing.T) *pivcard.Card {
	t.Helper()
	c := softCard(t, 3, "林小華")
	return &pivcard.Card{Key: c.Key, Certificate: c.Certificate, PIN: pin}
}

// waitState looks until the readers are as wanted.
func (r *rig) waitState(t *testing.T, window, what string, ok func(State) bool) State {
	t.Helper()
	var s State
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		s = State{}
		r.post("/api/status", map[string]any{"window": window}, &s)
		if ok(s) {
			return s
		}
	}
	t.Fatalf("never saw %s; last %+v\n%s", what, s, r.log)
	return s
}

// The whole stack is real here but the card: reader daemon, driver, OpenSC.
func TestT129_RealReader(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "opensc-tool", "apt-get install opensc")
	slot := testenv.Readers(t)
	r := newPatientRig(t, config("opensc"), limits{look: 50 * time.Millisecond, idle: time.Minute, list: standardLimits.list, sign: standardLimits.sign, keypad: time.Second})
	window, _, p := r.prepare()
	if p.State.Code != pkcs11.KindNoCard {
		t.Fatalf("empty reader: %+v", p.State)
	}
	card := pivCard(t)
	insert := func(t *testing.T) Card {
		t.Helper()
		if err := card.Insert(slot); err != nil {
			t.Fatal(err)
		}
		s := r.waitState(t, window, "the card", func(s State) bool { return len(s.Cards) == 1 })
		return s.Cards[0]
	}
	pull := func(t *testing.T) {
		t.Helper()
		card.Pull()
		r.waitState(t, window, "the removal", func(s State) bool { return s.Code == pkcs11.KindNoCard })
	}
	t.Run("insert and pull", func(t *testing.T) {
		if c := insert(t); c.Holder != "林小華" || c.Keypad {
			t.Errorf("got %+v", c)
		}
		pull(t)
	})
	t.Run("wrong PIN, last try, blocked", func(t *testing.T) {
		c := insert(t)
		defer pull(t)
		if a, _ := r.sign(window, c.ID, "000000"); a.Code != "wrong_pin" || card.TriesLeft() != 2 {
			t.Errorf("first wrong PIN: %q, %d left on the card", a.Code, card.TriesLeft())
		}
		if a, _ := r.sign(window, c.ID, "000000"); a.Code != "wrong_pin" || a.Tries == nil || *a.Tries != 1 || card.TriesLeft() != 1 {
			t.Errorf("second wrong PIN: %+v, %d left on the card", a, card.TriesLeft())
		}
		s := r.waitState(t, window, "the last try", func(s State) bool { return len(s.Cards) == 1 && s.Cards[0].TriesLeft == 1 })
		before := card.Verifies()
		if a, _ := r.sign(window, s.Cards[0].ID, "000000"); a.Code != string(codeLastTry) || card.Verifies() != before {
			t.Errorf("last try without agreement: %+v", a)
		}
		if a, _ := r.sign(window, s.Cards[0].ID, "000000", true); a.Code != "blocked" || card.TriesLeft() != 0 {
			t.Errorf("third wrong PIN: %+v, %d left on the card", a, card.TriesLeft())
		}
		before = card.Verifies()
		if before != 3 {
			t.Errorf("three PINs were typed, %d given to the card", before)
		}
		if a, _ := r.sign(window, s.Cards[0].ID, pin, true); a.Code != "blocked" || card.Verifies() != before {
			t.Errorf("blocked card: %+v, asked %d times", a, card.Verifies()-before)
		}
		card.SetTriesLeft(pivcard.MaxTries)
	})
	t.Run("blocked before", func(t *testing.T) {
		card.SetTriesLeft(0)
		c := insert(t)
		defer pull(t)
		before := card.Verifies()
		if a, _ := r.sign(window, c.ID, pin); c.TriesLeft != 0 || a.Code != "blocked" || card.Verifies() != before {
			t.Errorf("got %+v, %+v", c, a)
		}
		card.SetTriesLeft(pivcard.MaxTries)
	})
	for name, f := range map[string]pivcard.Faults{"pulled at the PIN": {PullAtVerify: true}, "pulled while signing": {PullAtSign: true}} {
		t.Run(name, func(t *testing.T) {
			c := insert(t)
			card.Order(f)
			defer card.Order(pivcard.Faults{})
			before := card.Verifies()
			inTime(t, name, func() {
				if a, _ := r.sign(window, c.ID, pin, true); a.Code != "removed" {
					t.Errorf("got %+v\n%s", a, r.log)
				}
			})
			if n := card.Verifies() - before; n != 1 {
				t.Errorf("the PIN was given %d times", n)
			}
			r.waitState(t, window, "the removal", func(s State) bool { return s.Code == pkcs11.KindNoCard })
		})
	}
	t.Run("wrong key", func(t *testing.T) {
		c := insert(t)
		defer pull(t)
		card.Order(pivcard.Faults{SignKey: cardtest.Key(4)})
		defer card.Order(pivcard.Faults{})
		if a, _ := r.sign(window, c.ID, pin, true); a.Code != "failed" || a.CMS != nil {
			t.Errorf("got %+v", a)
		}
	})
	t.Run("slow, and then well", func(t *testing.T) {
		c := insert(t)
		defer pull(t)
		card.Order(pivcard.Faults{SignDelay: time.Second})
		defer card.Order(pivcard.Faults{})
		if a, status := r.sign(window, c.ID, pin, true); status != 200 {
			t.Errorf("got %d %+v\n%s", status, a, r.log)
		}
	})
}
