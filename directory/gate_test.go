package directory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/store"
)

func TestT069_FiveFailuresLock(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for range 4 {
			w.want(w.try("ab1234", "wrong"), "wrong")
		}
		w.want(w.try("ab1234", "wrong"), "locked until 15m0s")
		w.pass(time.Minute)
		w.want(w.try("ab1234", rightPassword), "locked until 15m0s")
		if n := w.looks.n.Load(); n != 5 {
			t.Errorf("%d looks", n)
		}
	})
}

func TestT070_TheLockOpensByItself(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for range 5 {
			w.try("ab1234", "wrong")
		}
		w.at(14*time.Minute + 59*time.Second)
		w.want(w.try("ab1234", rightPassword), "locked until 15m0s")
		w.at(15*time.Minute + time.Second)
		w.want(w.try("ab1234", rightPassword), "ok")
		for range 4 {
			w.want(w.try("ab1234", "wrong"), "wrong") // success cleared the count
		}
		w.want(w.try("ab1234", rightPassword), "ok")
	})
}

func TestT070_OldFailuresDoNotAddUp(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.want(w.try("ab1234", "wrong"), "wrong")
		w.at(14 * time.Minute)
		for range 3 {
			w.want(w.try("ab1234", "wrong"), "wrong")
		}
		w.at(16 * time.Minute) // the first is older than the window
		w.want(w.try("ab1234", "wrong"), "wrong")
		w.want(w.try("ab1234", "wrong"), "locked until 31m0s")
	})
}

func TestT072_ParallelTriesGetFiveLooks(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		first, second := w.Gate, w.node(w.open())
		before := w.looks
		first.Accounts.(*looks).n.Store(0)
		var wg sync.WaitGroup
		var ok atomic.Int64
		for i := range 500 {
			node, password := first, "wrong"
			if i%2 == 1 {
				node = second
			}
			if i == 250 {
				password = rightPassword
			}
			wg.Go(func() {
				if outcome(node.CheckPassword(w.context(), "ab1234", password)) == "ok" {
					ok.Add(1)
				}
			})
		}
		wg.Wait()
		total := before.n.Load() + first.Accounts.(*looks).n.Load()
		// The right one clears the count if it was among the first: at most
		// four before it, itself, and five after it.
		if most := 5 + 5*ok.Load(); total > most {
			t.Errorf("%d looks with %d successes", total, ok.Load())
		}
		w.Gate = second
		if got := w.try("ab1234", rightPassword); !strings.HasPrefix(got, "locked") {
			t.Errorf("after 499 failures: %s", got)
		}
	})
}

func TestT071_AllSpellingsShareACounter(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for _, name := range []string{"ab1234", "AB1234", "wang.daming", `TPEAD\geaa-000001`, "ａｂ1234@tpead.gov.taipei"} {
			w.want(w.try(name, "wrong"), "wrong")
		}
		looked := w.looks.n.Load()
		for _, name := range []string{"ab1234", "wang.daming", "GEAA-000001"} {
			// Locked, but no spelling alone was tried five times: nobody learns
			// that these names are one person's.
			w.want(w.try(name, rightPassword), "wrong")
		}
		if n := w.looks.n.Load(); n != 5 || looked != 5 {
			t.Errorf("%d looks, then %d", looked, n)
		}
	})
}

func TestT073_OtherSpellingsOfALockedPersonSayWrong(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for range 5 {
			w.try("wang.daming", "wrong")
		}
		w.want(w.try("wang.daming", rightPassword), "locked until 15m0s")
		w.want(w.try("ab1234", rightPassword), "wrong")
		if n := w.looks.n.Load(); n != 5 {
			t.Errorf("%d looks", n)
		}
	})
}

// Nor does another way to write the name that locked: of a person's name and of
// nobody's alike.
func TestT073_OnlyTheSpellingThatLockedSaysLocked(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for _, name := range []string{"ab1234", "zz9999"} {
			before := w.looks.n.Load()
			others := []string{strings.ToUpper(name), `TPEAD\` + name, name + "@tpead.gov.taipei", " " + name, "ａｂ１２３４"}
			if name == "zz9999" {
				others[4] = "ｚｚ９９９９"
			}
			for range 5 {
				w.try(name, "wrong")
			}
			for _, other := range others {
				for range 6 { // not counted: it locks for no other spelling
					w.want(w.try(other, rightPassword), "wrong")
				}
			}
			w.want(w.try(name, rightPassword), "locked until 15m0s")
			if n := w.looks.n.Load() - before; name == "ab1234" && n != 5 {
				t.Errorf("%d looks", n)
			}
		}
		w.at(15*time.Minute + time.Second)
		w.want(w.try("AB1234", rightPassword), "ok")
		w.want(w.try("ab1234", rightPassword), "ok")
	})
}

func TestT075_UnknownNamesLockAlike(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		var known, unknown []string
		for range 7 {
			known = append(known, w.try("ab1234", "wrong"))
			unknown = append(unknown, w.try("zz9999", "wrong"))
			w.pass(time.Second)
		}
		// The second name was tried at the same times.
		if strings.Join(known, "|") != strings.Join(unknown, "|") {
			t.Errorf("known:   %q\nunknown: %q", known, unknown)
		}
		w.want(known[6], "locked until 15m4s")
	})
}

func TestLockedTriesDoNotExtendTheLock(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for range 5 {
			w.try("ab1234", "wrong")
		}
		for m := range 14 {
			w.at(time.Duration(m+1) * time.Minute)
			w.want(w.try("ab1234", "wrong"), "locked until 15m0s")
		}
		w.at(15*time.Minute + time.Second)
		w.want(w.try("ab1234", rightPassword), "ok")
	})
}

func TestDisabledShowsOnlyAfterTheRightPassword(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		if err := w.Gate.Accounts.SetState(t.Context(), "p1", idp.PersonDisabled, w.clock()); err != nil {
			t.Fatal(err)
		}
		w.want(w.try("ab1234", "wrong"), "wrong")
		w.want(w.try("ab1234", rightPassword), "disabled")
	})
}

// TestDisabledWhileThePasswordIsLookedAt: a directory may take its time to say that a
// password is right.
func TestDisabledWhileThePasswordIsLookedAt(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.looks.before = func() {
			if err := w.looks.SetState(t.Context(), "p1", idp.PersonDisabled, w.clock()); err != nil {
				t.Error(err)
			}
		}
		w.want(w.try("ab1234", rightPassword), "disabled")
	})
}

func TestT053_EmptyPasswordsAreNeverLookedAt(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for range 3 {
			for _, password := range []string{"", "\x00", "   ", "\u3000", "a\x00b", "\xff", strings.Repeat("x", 1025)} {
				w.want(w.try("ab1234", password), "wrong")
			}
			for _, name := range []string{"", " ", "ab1234\x00", strings.Repeat("a", 2000)} {
				w.want(w.try(name, rightPassword), "wrong")
			}
		}
		if n := w.looks.n.Load(); n != 0 {
			t.Errorf("%d looks", n)
		}
		w.want(w.try("ab1234", rightPassword), "ok") // and none was counted
	})
}

func TestMailboxIsNoLoginName(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) { w.want(w.try("wang.daming.mail", rightPassword), "wrong") })
}

func TestT080_CountsOutliveTheNode(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for i := range 5 {
			w.Gate = w.node(w.open()) // another node each time
			if got := w.try("ab1234", "wrong"); (got != "wrong") != (i == 4) {
				t.Fatalf("try %d: %s", i+1, got)
			}
		}
		w.Gate = w.node(w.open())
		w.want(w.try("ab1234", rightPassword), "locked until 15m0s")
	})
}

func TestT081_NoCounterNoLogin(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.open()
		g := w.node(s)
		s.Close()
		w.want(outcome(g.CheckPassword(w.context(), "ab1234", rightPassword)), "unavailable")
		if n := w.looks.n.Load(); n != 0 {
			t.Errorf("%d looks", n)
		}
	})
}

func TestTheTryIsGivenBackWhenNobodyLooked(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.looks.fail.Store(true)
		for range 20 {
			w.want(w.try("ab1234", rightPassword), "unavailable")
		}
		w.looks.fail.Store(false)
		for range 4 {
			w.want(w.try("ab1234", "wrong"), "wrong")
		}
		w.want(w.try("ab1234", rightPassword), "ok")
	})
}

// TestUnlockName_OpensANameThatNobodyHas locks a name that is only in a directory yet,
// as attempts to bind it do: the helpdesk opens it, on record.
func TestUnlockName_OpensANameThatNobodyHas(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for range 5 {
			w.try("GS9001", "wrong")
		}
		w.want(w.try("GS9001", "wrong"), "locked until 15m0s")
		open := func(name, reason string) error { return w.UnlockName(t.Context(), name, "helpdesk", reason) }
		if err := open("gs9001", " "); !errors.Is(err, directory.ErrReason) {
			t.Fatalf("without a reason: %v", err)
		}
		if err := open("gs9001@tpead.gov.taipei", "asked by telephone"); err != nil {
			t.Fatal(err)
		}
		w.want(w.try("GS9001", "wrong"), "wrong")
		if err := open("gs9002", "mistyped"); !errors.Is(err, idp.ErrNotFound) {
			t.Errorf("a name that nobody tried: %v", err)
		}
		if err := open("wang.daming", "a person's"); !errors.Is(err, idp.ErrConflict) {
			t.Errorf("a person's name: %v", err)
		}
		if err := w.UnlockName(t.Context(), "gs9001", directory.ActorOf("p1"), "asked"); !errors.Is(err, directory.ErrNoRole) {
			t.Errorf("by an administrator, whom no agency's role allows it: %v", err)
		}
		events, err := w.Gate.Tries.(*store.Store).Events(t.Context(), store.EventFilter{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, e := range events {
			if e.Kind == "account.unlock" && e.Actor == "helpdesk" && e.PersonID == "" && e.Detail == "gs9001: asked by telephone" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d records of it in %d events", n, len(events))
		}
	})
}

func TestT083_UnlockNeedsAReasonAndIsOnRecord(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for range 5 {
			w.try("wang.daming", "wrong")
		}
		if _, err := w.Unlock(t.Context(), "ab1234", "helpdesk", "  "); !errors.Is(err, directory.ErrReason) {
			t.Fatalf("without a reason: %v", err)
		}
		state, err := w.State(t.Context(), "ab1234")
		if err != nil || state.Failures != 5 || !state.LockedUntil.Equal(noon.Add(15*time.Minute)) {
			t.Fatalf("%+v, %v", state, err)
		}
		if _, err := w.Unlock(t.Context(), "ab1234", "helpdesk", "asked by telephone"); err != nil {
			t.Fatal(err)
		}
		w.want(w.try("wang.daming", rightPassword), "ok")
		if _, err := w.Unlock(t.Context(), "nobody", "helpdesk", "x"); !errors.Is(err, idp.ErrNotFound) {
			t.Fatalf("nobody: %v", err)
		}
		events, err := w.Gate.Tries.(*store.Store).Events(t.Context(), store.EventFilter{PersonID: "p1", Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, e := range events {
			found = found || e.Kind == "account.unlock" && e.Actor == "helpdesk" && e.Detail == "asked by telephone"
		}
		if !found {
			t.Errorf("no record of the unlock in %d events", len(events))
		}
	})
}

// TestHangingUpLeavesTheSameTrace ends the request the moment its try is
// counted: the source and the record know of it all the same.
func TestHangingUpLeavesTheSameTrace(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.Sources = directory.Sources{Names: 3, Gateway: 100, Window: 15 * time.Minute}
		throttled := 0
		for i := range 10 {
			ctx, hangUp := context.WithCancel(w.context())
			w.looks.before = hangUp
			if outcome(w.CheckPassword(ctx, fmt.Sprintf("name%d", i), "Summer-2026!")) == "throttled" {
				throttled++
			}
			hangUp()
		}
		w.looks.before = nil
		if throttled != 7 {
			t.Errorf("%d of 10 names were throttled", throttled)
		}
		ctx, hangUp := context.WithCancel(from("10.7.7.7"))
		w.looks.before = hangUp
		w.CheckPassword(ctx, "ab1234", "wrong")
		events, err := w.Gate.Tries.(*store.Store).Events(t.Context(), store.EventFilter{PersonID: "p1", Limit: 10})
		if err != nil || len(events) != 1 || events[0].Result != "wrong" {
			t.Errorf("on record: %+v, %v", events, err)
		}
	})
}

func TestSuccessClearsEverySpelling(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for range 4 {
			w.want(w.try("wang.daming", "wrong"), "wrong")
		}
		w.want(w.try("ab1234", rightPassword), "ok")
		w.want(w.try("wang.daming", "wrong"), "wrong")
		w.want(w.try("wang.daming", rightPassword), "ok")
	})
}
