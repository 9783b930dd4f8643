package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
)

// TestDisablingEndsEverything: a disabled person's session is nobody's from the
// next request on, and the password opens none; enabling lets them log in again.
func TestDisablingEndsEverything(t *testing.T) {
	c := startCity(t)
	person := c.login(t)
	name := c.plan.Staff[0].Single
	o := newOpened(c.config, c.store)
	home := func() int {
		resp, _ := c.send(t, person, http.MethodGet, "/", nil, nil)
		return resp.StatusCode
	}
	if home() != http.StatusOK {
		t.Fatal("not logged in")
	}
	state, err := o.setState(t.Context(), c.gate, name, "disable", "on leave")
	if err != nil || state.Person.State != idp.PersonDisabled {
		t.Fatal(state, err)
	}
	if got := home(); got == http.StatusOK {
		t.Errorf("the session goes on: %d", got)
	}
	if _, err := c.gate.CheckPassword(t.Context(), name, c.plan.Staff[0].Password); !errors.Is(err, idp.Denied{Reason: idp.ReasonDisabled}) {
		t.Errorf("the password: %v", err)
	}
	if _, err := o.setState(t.Context(), c.gate, name, "enable", "back"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.gate.CheckPassword(t.Context(), name, c.plan.Staff[0].Password); err != nil {
		t.Errorf("the password of an enabled person: %v", err)
	}
	if err := c.store.SetState(t.Context(), state.Person.ID, idp.PersonDeparted, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := o.setState(t.Context(), c.gate, name, "enable", "back"); exitCode(err) != exitRefused || advice(err) == "" {
		t.Errorf("who has left: %v", err)
	}
}

// TestAccountUnlock_NameThatNobodyHas: attempts to bind an account that nobody has
// claimed lock its bare name; the helpdesk opens that, too.
func TestAccountUnlock_NameThatNobodyHas(t *testing.T) {
	d := newDesk(t)
	try := func() error {
		_, err := d.gate.CheckPassword(d.Context(), "gs9001", "wrong")
		return err
	}
	for range 5 {
		if try() == nil {
			t.Fatal("a wrong password is right")
		}
	}
	if err := try(); !errors.Is(err, idp.Denied{Reason: idp.ReasonLocked}) {
		t.Fatalf("after five wrong ones: %v", err)
	}
	if said := d.ok("account", "unlock", "GS9001", "--reason", "asked by telephone"); !strings.Contains(said, `"unclaimed": true`) {
		t.Error(said)
	}
	if err := try(); !errors.Is(err, idp.Denied{Reason: idp.ReasonWrong}) {
		t.Errorf("unlocked: %v", err)
	}
	_, never := d.run("account", "unlock", "gs9002", "--reason", "asked by telephone")
	if _, show := d.run("account", "show", "gs9002"); never == exitOK || never != show {
		t.Errorf("a name that nobody tried: exit %d, want %d", never, show)
	}
}
