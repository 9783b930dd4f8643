package directory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/store/storetest"
)

// outside is a directory that says what it is told to.
type outside struct {
	says   error
	asked  []idp.Account
	locked time.Time
	fails  error
	opened int
}

func (o *outside) Check(_ context.Context, a idp.Account, _ string) error {
	o.asked = append(o.asked, a)
	return o.says
}

func (o *outside) LockedUntil(context.Context, idp.Account) (time.Time, error) {
	return o.locked, o.fails
}

func (o *outside) Unlock(context.Context, idp.Account) error {
	o.opened++
	return o.fails
}

func (w *world) outside(agencies ...string) *outside {
	o := &outside{}
	kinds := []idp.AccountKind{idp.AccountTPEAD, idp.AccountSingle}
	w.Routes = append(w.Routes, directory.Route{Backend: o, Kinds: kinds, Agencies: agencies})
	return o
}

func TestRoutes_WhatADirectorySays(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		o := w.outside()
		failures := func() int {
			s, err := w.State(t.Context(), "ab1234")
			if err != nil {
				t.Fatal(err)
			}
			return s.Failures
		}
		for _, test := range []struct {
			says   error
			want   string
			counts int
		}{
			{nil, "ok", 0},
			{fmt.Errorf("x: %w", directory.ErrNotLooked), "unavailable", 0},
			{fmt.Errorf("%w: %w", directory.ErrNotLooked, idp.ErrOverloaded), "busy", 0},
			{&directory.LockedError{Until: noon.Add(7 * time.Minute)}, "locked until 7m0s", 0},
			{&directory.LockedError{}, "locked until 15m0s", 0},
			{directory.ErrWrong, "wrong", 1},
			{errors.New("no answer"), "unavailable", 2}, // it may have counted
			{fmt.Errorf("x: %w", directory.ErrDisabled), "disabled", 0},
			{directory.ErrMustChange, "disabled", 0},
		} {
			o.says = test.says
			w.want(w.try("ab1234", rightPassword), test.want)
			if n := failures(); n != test.counts {
				t.Errorf("%v: %d failures, want %d", test.says, n, test.counts)
			}
		}
		if _, err := w.CheckPassword(w.context(), "ab1234", rightPassword); !errors.Is(err, directory.ErrMustChange) || errors.Is(err, directory.ErrDisabled) {
			t.Errorf("must change: %v", err)
		}
	})
}

func TestRoutes_WhoIsAsked(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		water, city := w.outside("WATER"), w.outside()
		w.want(w.try("wang.daming", rightPassword), "ok") // a portal account: our own store
		if len(water.asked)+len(city.asked) != 0 {
			t.Error("a portal account went out")
		}
		w.want(w.try("ab1234", "x"), "ok")
		w.want(w.try("geaa-000001", "x"), "ok")
		if len(water.asked) != 0 || len(city.asked) != 2 || city.asked[1].Name != "geaa-000001" {
			t.Errorf("water %v, city %v", water.asked, city.asked)
		}
		// A name that is nobody's goes the same way, as nobody, whatever is said.
		w.want(w.try("zz9999", "x"), "wrong")
		if n := len(city.asked); n != 3 || city.asked[2].PersonID != "" || city.asked[2].Name == "zz9999" {
			t.Errorf("%v", city.asked)
		}
		// So does a locked person's.
		city.says = directory.ErrWrong
		for range 5 {
			w.try("ab1234", "x")
		}
		before := len(city.asked)
		city.says = nil
		w.want(w.try("wang.daming", "x"), "wrong")
		w.want(w.try("geaa-000001", "x"), "wrong")
		for _, a := range city.asked[before:] {
			if a.PersonID != "" {
				t.Errorf("a locked person was looked at: %v", a)
			}
		}
	})
}

func TestRoutes_OneLock(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		o := w.outside()
		o.locked = noon.Add(9 * time.Minute)
		s, err := w.State(t.Context(), "wang.daming")
		if err != nil || !s.LockedUntil.Equal(o.locked) || s.Unasked {
			t.Errorf("%+v, %v", s, err)
		}
		if _, err := w.Unlock(t.Context(), "wang.daming", "helpdesk", "asked"); err != nil || o.opened != 2 { // both of its accounts there
			t.Errorf("%d, %v", o.opened, err)
		}
		for range 5 {
			o.says = directory.ErrWrong
			w.try("ab1234", "x")
		}
		o.fails = idp.ErrUnavailable
		if s, err = w.State(t.Context(), "ab1234"); err != nil || !s.Unasked || s.LockedUntil.IsZero() {
			t.Errorf("%+v, %v", s, err)
		}
		if _, err := w.Unlock(t.Context(), "ab1234", "helpdesk", "asked"); !errors.Is(err, idp.ErrUnavailable) {
			t.Error(err)
		}
		w.want(w.try("ab1234", "x"), "locked until 15m0s") // neither was opened
		o.fails = fmt.Errorf("x: %w", idp.ErrNotFound)
		if _, err := w.Unlock(t.Context(), "ab1234", "helpdesk", "asked"); err != nil {
			t.Error(err)
		}
	})
}

func TestFloor_HoldsRefusalsBack(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.Floor = 200 * time.Millisecond
	took := func(name, password string) time.Duration {
		start := time.Now()
		w.try(name, password)
		return time.Since(start)
	}
	for name, d := range map[string]time.Duration{"wrong": took("ab1234", "x"), "nobody": took("zz9999", "x")} {
		if d < w.Floor {
			t.Errorf("%s after %v", name, d)
		}
	}
	w.Floor = 20 * time.Second // so long that no busy machine is taken for it
	if d := took("ab1234", rightPassword); d >= w.Floor {
		t.Errorf("the right password took %v", d)
	}
	ctx, cancel := context.WithCancel(w.context())
	cancel()
	start := time.Now()
	if _, err := w.CheckPassword(ctx, "ab1234", "x"); err == nil || time.Since(start) >= w.Floor {
		t.Errorf("who hung up is waited for: %v", time.Since(start))
	}
}
