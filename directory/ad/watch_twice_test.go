package ad_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

// controller is a scripted one with entries of its own.
type controller struct {
	*testenv.LDAPScript
	mu     sync.Mutex
	flags  map[string]int // userAccountControl by name; missing: no such entry
	silent bool
	asked  int
}

func newController(t testing.TB, names ...string) *controller {
	c := &controller{flags: map[string]int{}}
	for _, n := range names {
		c.flags[n] = 512
	}
	c.LDAPScript = script(t, func(call *testenv.LDAPCall) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if call.Op != testenv.LDAPSearch || strings.Contains(call.Filter, "(objectClass=*)") {
			return false
		}
		c.asked++
		if c.silent {
			call.Close()
			return true
		}
		for name, flags := range c.flags {
			if strings.Contains(call.Filter, fmt.Sprintf("%q", name)) {
				e := user(name, name[len(name)-1])
				e["userAccountControl"] = []string{fmt.Sprint(flags)}
				call.Entry("CN="+name+",DC=tpead,DC=test", e)
			}
		}
		call.Done(0, "")
		return true
	})
	return c
}

func (c *controller) set(name string, flags int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flags[name] = flags; flags == 0 {
		delete(c.flags, name)
	}
}

func (c *controller) hush(silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = silent
}

// TestT061_TheSecondLookAsksEachController: who is on one of them has not been
// removed, who is closed on one is closed, and one that does not answer hides nobody.
func TestT061_TheSecondLookAsksEachController(t *testing.T) {
	names := []string{"ab9001", "ab9002", "ab9003"}
	first, second := newController(t, names...), newController(t, names...)
	h := newHouse(t, route(joined(t, patient, first.LDAPScript, second.LDAPScript)))
	for _, name := range names {
		h.add("GEAA", name)
		h.session(name)
	}
	w := h.watch(10)
	look := func(what string, want int) {
		t.Helper()
		if n, err := h.sweep(w); err != nil || n != want {
			t.Errorf("%s: %d ended, %v", what, n, err)
		}
	}
	look("all are there", 0)
	for _, name := range names { // the first controller was restored from a copy of long ago
		first.set(name, 0)
	}
	second.mu.Lock()
	before := second.asked
	second.mu.Unlock()
	look("not found once", 0)
	look("not found again, and on the other one", 0)
	second.mu.Lock()
	if second.asked == before {
		t.Error("the other one was not asked")
	}
	second.mu.Unlock()
	second.set("ab9001", 512|2)
	second.set("ab9002", 0)
	look("removed on the other one too: noted anew", 0)
	look("closed or removed on the other one too", 2)
	if h.alive("ab9001") || h.alive("ab9002") || !h.alive("ab9003") {
		t.Error("the wrong sessions were ended")
	}
	second.hush(true)
	look("noted anew", 0)
	look("of those that answer, none has it", 1)
	if h.alive("ab9003") {
		t.Error("a controller that does not answer hides that somebody was removed")
	}
	// None answers: nothing is concluded.
	h.add("GEAA", "ab9004")
	h.session("ab9004")
	look("noted", 0)
	first.hush(true)
	if n, err := h.sweep(w); !errors.Is(err, directory.ErrUnreachable) || n != 0 || !h.alive("ab9004") {
		t.Errorf("%d ended, %v", n, err)
	}
}

// TestT061_ALeaverIsClosedAtOnce who is disabled and taken out of the group at the
// same time, as is usual; who is moved out of the base is looked for twice.
func TestT061_ALeaverIsClosedAtOnce(t *testing.T) {
	dc := testenv.Samba(t)
	city := open(t, dc, patient)
	ctx, in := t.Context(), fmt.Sprintf("OU=Staff%d,%s", serial.Add(1), dc.Base)
	dc.Tool(t, "ou", "create", in)
	under := func(n *ad.NewAccount) { n.Under = in }
	leaver, moved, stays := person(t, city, under), person(t, city, under), person(t, city, under)
	group, err := city.CreateGroup(ctx, fmt.Sprintf("staff%d", serial.Add(1)), in, leaver.DN, moved.DN, stays.DN)
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t)
	d := open(t, dc, patient, func(o *ad.Options) {
		o.Identities, o.Base, o.Filter = h.store, in, "(memberOf:1.2.840.113556.1.4.1941:="+group.DN+")"
	})
	h.Routes = []directory.Route{route(d)}
	for _, e := range []*ad.Entry{leaver, moved, stays} {
		h.add("GEAA", e.Name)
		h.want(e.Name, rightPassword, "ok")
		h.session(e.Name)
	}
	if err := errors.Join(city.RemoveMember(ctx, group.DN, leaver.DN), city.Disable(ctx, leaver.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := city.Move(ctx, moved.ID, "CN=Users,"+dc.Base); err != nil {
		t.Fatal(err)
	}
	w := h.watch(10)
	if n, err := h.sweep(w); err != nil || n != 1 || h.alive(leaver.Name) || !h.alive(moved.Name) {
		t.Errorf("%d ended, %v", n, err)
	}
	if _, err := city.Move(ctx, moved.ID, in); err != nil { // it was a mistake
		t.Fatal(err)
	}
	if n, err := h.sweep(w); err != nil || n != 0 || !h.alive(moved.Name) {
		t.Errorf("%d ended, %v", n, err)
	}
	if _, err := city.Move(ctx, moved.ID, "CN=Users,"+dc.Base); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if n, err := h.sweep(w); err != nil || n != i || h.alive(moved.Name) != (i == 0) || !h.alive(stays.Name) {
			t.Errorf("look %d: %d ended, %v", i, n, err)
		}
	}
}

// TestT061_AnotherOnesClosedEntry: where an account is known by its
// name only, another agency's disabled entry of that name says nothing.
func TestT061_AnotherOnesClosedEntry(t *testing.T) {
	s := testenv.Slapd(t)
	all := openPlain(t, s, patient)
	e := person(t, all, func(n *ad.NewAccount) { n.Description = "another agency's" })
	if err := all.Disable(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	d := openPlain(t, s, patient, func(o *ad.Options) { o.Filter = "(!(description=another agency's))" })
	a := idp.Account{Name: e.Name, PersonID: "p", Kind: idp.AccountSingle}
	if shut, err := d.Shut(t.Context(), []idp.Account{a}); err != nil || len(shut) != 0 {
		t.Errorf("%v, %v", shut, err)
	}
	if shut, err := all.Shut(t.Context(), []idp.Account{a}); err != nil || len(shut) != 1 {
		t.Errorf("%v, %v", shut, err)
	}
}

// TestT061_AHungController delays the second look by one answer at most.
func TestT061_AHungController(t *testing.T) {
	first, second := newController(t), newController(t)
	proxy := testenv.NewProxy(t, second.Address)
	proxy.Hang(true)
	d := joined(t, func(o *ad.Options) { o.Servers = append(o.Servers, "ldaps://"+proxy.Address) }, first.LDAPScript)
	within(t, 5*time.Second, func() {
		open, shut, err := d.Anywhere(t.Context(), []idp.Account{account("ab9001")})
		if err != nil || len(open)+len(shut) != 0 {
			t.Errorf("%v %v %v", open, shut, err)
		}
	})
}
