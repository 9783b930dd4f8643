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
	b := &bench{slot: testenv.Readers(t), card: pivCard(t)}
	b.rig = newPatientRig(t, config("opensc"), limits{
		look: 50 * time.Millisecond, idle: time.Minute, list: standardLimits.list, sign: standardLimits.sign, keypad: time.Second,
	})
	var p reply
	if b.window, _, p = b.rig.prepare(); p.State.Code != pkcs11.KindNoCard {
		t.Fatalf("empty reader: %+v", p.State)
	}
	t.Run("insert and pull", func(t *testing.T) {
		if c := b.insert(t); c.Holder != "林小華" || c.Keypad {
			t.Errorf("got %+v", c)
		}
		b.pull(t)
	})
	t.Run("wrong PIN, last try, blocked", b.wrongPINs)
	t.Run("blocked before", b.blocked)
	t.Run("pulled at the PIN", func(t *testing.T) { b.pulled(t, pivcard.Faults{PullAtVerify: true}) })
	t.Run("pulled while signing", func(t *testing.T) { b.pulled(t, pivcard.Faults{PullAtSign: true}) })
	t.Run("wrong key", func(t *testing.T) {
		if a, _ := b.signWith(t, pivcard.Faults{SignKey: cardtest.Key(4)}); a.Code != "failed" || a.CMS != nil {
			t.Errorf("got %+v", a)
		}
	})
	t.Run("slow, and then well", func(t *testing.T) {
		if a, status := b.signWith(t, pivcard.Faults{SignDelay: time.Second}); status != 200 {
			t.Errorf("got %d %+v\n%s", status, a, b.rig.log)
		}
	})
}

// bench is an agent with one window, and a card beside the reader.
type bench struct {
	rig    *rig
	window string
	slot   string
	card   *pivcard.Card
}

func (b *bench) insert(t *testing.T) Card {
	t.Helper()
	if err := b.card.Insert(b.slot); err != nil {
		t.Fatal(err)
	}
	return b.rig.waitState(t, b.window, "the card", func(s State) bool { return len(s.Cards) == 1 }).Cards[0]
}

func (b *bench) pull(t *testing.T) {
	t.Helper()
	b.card.Pull()
	b.rig.waitState(t, b.window, "the removal", func(s State) bool { return s.Code == pkcs11.KindNoCard })
}

// signWith signs while the card fails so.
func (b *bench) signWith(t *testing.T, f pivcard.Faults) (reply, int) {
	t.Helper()
	c := b.insert(t)
	defer b.pull(t)
	b.card.Order(f)
	defer b.card.Order(pivcard.Faults{})
	return b.rig.sign(b.window, c.ID, pin, true)
}

func (b *bench) wrongPINs(t *testing.T) {
	c := b.insert(t)
	defer b.pull(t)
	defer b.card.SetTriesLeft(pivcard.MaxTries)
	if a, _ := b.rig.sign(b.window, c.ID, "000000"); a.Code != "wrong_pin" || b.card.TriesLeft() != 2 {
		t.Errorf("first wrong PIN: %q, %d left on the card", a.Code, b.card.TriesLeft())
	}
	if a, _ := b.rig.sign(b.window, c.ID, "000000"); a.Code != "wrong_pin" || a.Tries == nil || *a.Tries != 1 || b.card.TriesLeft() != 1 {
		t.Errorf("second wrong PIN: %+v, %d left on the card", a, b.card.TriesLeft())
	}
	b.rig.waitState(t, b.window, "the last try", func(s State) bool { return len(s.Cards) == 1 && s.Cards[0].TriesLeft == 1 })
	if a, _ := b.rig.sign(b.window, c.ID, "000000"); a.Code != string(codeLastTry) || b.card.Verifies() != 2 {
		t.Errorf("last try without agreement: %+v", a)
	}
	if a, _ := b.rig.sign(b.window, c.ID, "000000", true); a.Code != "blocked" || b.card.TriesLeft() != 0 {
		t.Errorf("third wrong PIN: %+v, %d left on the card", a, b.card.TriesLeft())
	}
	if n := b.card.Verifies(); n != 3 {
		t.Errorf("three PINs were typed, %d given to the card", n)
	}
	if a, _ := b.rig.sign(b.window, c.ID, pin, true); a.Code != "blocked" || b.card.Verifies() != 3 {
		t.Errorf("blocked card: %+v, asked %d times", a, b.card.Verifies()-3)
	}
}

func (b *bench) blocked(t *testing.T) {
	b.card.SetTriesLeft(0)
	defer b.card.SetTriesLeft(pivcard.MaxTries)
	c := b.insert(t)
	defer b.pull(t)
	before := b.card.Verifies()
	if a, _ := b.rig.sign(b.window, c.ID, pin); c.TriesLeft != 0 || a.Code != "blocked" || b.card.Verifies() != before {
		t.Errorf("got %+v, %+v", c, a)
	}
}

func (b *bench) pulled(t *testing.T, f pivcard.Faults) {
	c := b.insert(t)
	b.card.Order(f)
	defer b.card.Order(pivcard.Faults{})
	before := b.card.Verifies()
	inTime(t, "pulling", func() {
		if a, _ := b.rig.sign(b.window, c.ID, pin, true); a.Code != "removed" {
			t.Errorf("got %+v\n%s", a, b.rig.log)
		}
	})
	if n := b.card.Verifies() - before; n != 1 {
		t.Errorf("the PIN was given %d times", n)
	}
	b.rig.waitState(t, b.window, "the removal", func(s State) bool { return s.Code == pkcs11.KindNoCard })
}
