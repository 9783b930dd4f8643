package agent

import (
	"testing"
	"time"

	"taipeion.internal/idp/cardreader/pkcs11"
	"taipeion.internal/idp/internal/testenv"
)

// faultyRig is an agent with a card behind a module that fails as told.
func faultyRig(t *testing.T, faults, keypad string) (*rig, *testenv.Faulty) {
	t.Helper()
	hsm := testenv.SoftHSM(t)
	if err := hsm.Provision([]pkcs11.SoftCard{softCard(t, 0, "王大明")}); err != nil {
		t.Fatal(err)
	}
	f := testenv.FaultyModule(t, hsm)
	l := limits{look: time.Second, idle: time.Minute, list: 2 * time.Second, sign: 3 * time.Second, keypad: 4 * time.Second}
	if faults == "hang-sign" {
		l = standardLimits
	}
	return newPatientRig(t, config(f.Module), l, f.Env(faults, keypad)...), f
}

// inTime fails the test if an answer took longer than a person is promised.
func inTime(t *testing.T, what string, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("%s took %v", what, took)
	}
}

func TestT129_FaultsWhileLooking(t *testing.T) {
	t.Parallel()
	for faults, want := range map[string]pkcs11.Kind{
		"no-reader":          pkcs11.KindNoReader,
		"no-card":            pkcs11.KindNoCard,
		"unknown-card":       pkcs11.KindForeign,
		"huge-certificate":   pkcs11.KindForeign,
		"long-certificate":   pkcs11.KindForeign,
		"broken-certificate": pkcs11.KindForeign,
		"long-id":            pkcs11.KindForeign,
		"crash-initialize":   kindCrashed,
		"crash-slots":        kindCrashed,
		"hang-initialize":    pkcs11.KindHung,
		"hang-slots":         pkcs11.KindHung,
		"odd-label print":    "",
	} {
		t.Run(faults, func(t *testing.T) {
			t.Parallel()
			r, _ := faultyRig(t, faults, "")
			inTime(t, faults, func() {
				_, _, p := r.prepare()
				if p.State.Code != want {
					t.Errorf("got %q, want %q", p.State.Code, want)
				}
			})
			// The agent lives, and answers at once while it waits to restart.
			start := time.Now()
			r.open()
			if time.Since(start) > time.Second {
				t.Error("the agent is slow after it")
			}
		})
	}
}

func TestT129_FaultsWhileSigning(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		faults, pin string
		want        pkcs11.Kind // "" for a signature
		tries       int
		logins      int
	}{
		{"hang-login", pin, pkcs11.KindHung, -1, 1},
		{"hang-sign", pin, pkcs11.KindHung, -1, 1},
		{"crash-login", pin, kindCrashed, -1, 1},
		{"crash-sign", pin, kindCrashed, -1, 1},
		{"removed", pin, pkcs11.KindRemoved, -1, 1},
		{"long-signature", pin, pkcs11.KindFailed, -1, 1},
		{"short-signature", pin, pkcs11.KindFailed, -1, 1},
		{"wrong-signature", pin, pkcs11.KindFailed, -1, 1},
		{"vendor-two", "000000", pkcs11.KindWrongPIN, 2, 1},
		{"vendor-one", "000000", pkcs11.KindWrongPIN, 1, 1},
		{"vendor-signed", "000000", pkcs11.KindWrongPIN, 1, 1},
		{"locks", "000000", pkcs11.KindBlocked, 0, 1},
		{"locked", pin, pkcs11.KindBlocked, 0, 0},
		{"final", pin, codeLastTry, 1, 0},
		{"cancelled keypad", "", pkcs11.KindCancelled, -1, 1},
		{"keypad", pin, pkcs11.KindPINFormat, -1, 0}, // never a typed PIN where a keypad is
		{"keypad", "", "", -1, 1},
		{"null-query", pin, "", -1, 1},
		{"raw-only", pin, "", -1, 1},
		{"print", pin, "", -1, 1},
	} {
		t.Run(c.faults+" "+c.pin, func(t *testing.T) {
			t.Parallel()
			r, f := faultyRig(t, c.faults, pin)
			window, _, p := r.prepare()
			if len(p.State.Cards) != 1 {
				t.Fatalf("state %+v", p.State)
			}
			inTime(t, c.faults, func() {
				a, status := r.sign(window, p.State.Cards[0].ID, c.pin)
				if pkcs11.Kind(a.Code) != c.want || (status == 200) != (c.want == "") {
					t.Errorf("got %d %q, want %q\n%s", status, a.Code, c.want, r.log)
				}
				if (a.Tries == nil) != (c.tries < 0) || a.Tries != nil && *a.Tries != c.tries {
					t.Errorf("tries left: got %v, want %d", a.Tries, c.tries)
				}
			})
			if n := f.Calls(t, "login"); n != c.logins {
				t.Errorf("the PIN was presented %d times, want %d", n, c.logins)
			}
		})
	}
}

func TestT129_LastTryNeedsTheHoldersWill(t *testing.T) {
	r, f := faultyRig(t, "vendor-one", "")
	window, _, p := r.prepare()
	card := p.State.Cards[0].ID
	if a, _ := r.sign(window, card, "000000"); a.Code != "wrong_pin" || a.Tries == nil || *a.Tries != 1 {
		t.Fatalf("got %+v", a)
	}
	// This token has no flag for it: the agent remembers what the answer told,
	// for other windows too.
	window, _, p = r.prepare()
	if p.State.Cards[0].TriesLeft != 1 {
		t.Errorf("the next window shows %d tries", p.State.Cards[0].TriesLeft)
	}
	if a, _ := r.sign(window, card, pin); a.Code != string(codeLastTry) {
		t.Errorf("without agreement: %q", a.Code)
	}
	if n := f.Calls(t, "login"); n != 1 {
		t.Errorf("the card was asked %d times", n)
	}
	if a, status := r.sign(window, card, pin, true); status != 200 {
		t.Errorf("with agreement: %d %q", status, a.Code)
	}
	if _, _, p = r.prepare(); p.State.Cards[0].TriesLeft != pkcs11.Unknown {
		t.Errorf("after success: %d tries", p.State.Cards[0].TriesLeft)
	}
}

func TestT129_OtherModulesGoOn(t *testing.T) {
	hsm := testenv.SoftHSM(t)
	if err := hsm.Provision([]pkcs11.SoftCard{softCard(t, 0, "王大明")}); err != nil {
		t.Fatal(err)
	}
	f := testenv.FaultyModule(t, hsm)
	r := newPatientRig(t, config(f.Module, hsm.Path()), limits{look: time.Second, idle: time.Minute, list: time.Second, sign: 3 * time.Second, keypad: time.Second}, f.Env("hang-slots", "")...)
	window, _, p := r.prepare()
	if len(p.State.Cards) != 1 {
		t.Fatalf("state %+v", p.State)
	}
	if a, status := r.sign(window, p.State.Cards[0].ID, pin); status != 200 {
		t.Errorf("sign: %d %q", status, a.Code)
	}
}

func TestStopsInTheMiddleOfACall(t *testing.T) {
	hsm := testenv.SoftHSM(t)
	if err := hsm.Provision([]pkcs11.SoftCard{softCard(t, 0, "王大明")}); err != nil {
		t.Fatal(err)
	}
	f := testenv.FaultyModule(t, hsm)
	rs := &readers{find: func() []string { return []string{f.Module} }, command: moduleCommand(t, f.Env("hang-slots", "")...), limits: standardLimits}
	done := make(chan State)
	go func() { done <- rs.state(true) }()
	for rs.all()[0].running.Load() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	start := time.Now()
	rs.close()
	<-done
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestIdleModulesRest(t *testing.T) {
	hsm := testenv.SoftHSM(t)
	l := standardLimits
	l.look, l.idle = 0, 50*time.Millisecond
	rs := &readers{find: func() []string { return []string{hsm.Path()} }, command: moduleCommand(t, hsm.Env()), limits: l}
	defer rs.close()
	for range 2 { // it comes back after a rest
		if s := rs.state(true); s.Component != "ok" {
			t.Fatalf("state %+v", s)
		}
		for end := time.Now().Add(5 * time.Second); rs.all()[0].running.Load() != nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the process does not rest")
			}
		}
	}
}
