package ad_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
)

// house is a gate over a store of its own and any directories.
type house struct {
	*directory.Gate
	t     testing.TB
	store *store.Store
	later time.Duration // how far its watches' clocks are ahead
}

func key(context string, data []byte) []byte {
	m := hmac.New(sha256.New, []byte("test key/"+context))
	m.Write(data)
	return m.Sum(nil)
}

func newHouse(t testing.TB, routes ...directory.Route) *house {
	t.Helper()
	s, err := store.Open(t.Context(), storetest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &house{t: t, store: s, Gate: &directory.Gate{
		Accounts: s, Tries: s, Hasher: directory.NewHasher(directory.HasherOptions{Memory: 64, Time: 1, Waiting: 1000, Wait: time.Minute}),
		Names: policy.Names{Domains: []string{"TPEAD"}, Suffixes: []string{"tpead.test"}}, Rules: policy.CityLockout(), Key: key,
		Record: s.Record, Now: time.Now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Routes: routes,
	}}
}

func route(d directory.Backend, agencies ...string) directory.Route {
	return directory.Route{Backend: d, Kinds: []idp.AccountKind{idp.AccountTPEAD, idp.AccountSingle}, Agencies: agencies}
}

func (h *house) add(agency string, names ...string) {
	h.t.Helper()
	r := directory.Registrar{Accounts: h.store, Names: h.Names, Key: key, Now: time.Now, Seal: func(b []byte, _ string) []byte { return b }}
	n := directory.NewPerson{Person: idp.Person{ID: "p-" + names[0], Name: "王大明", Agency: idp.Agency{Code: agency, Name: agency}}}
	for i, name := range names {
		kind := idp.AccountSingle
		if i > 0 {
			kind = idp.AccountTPEAD
		}
		n.Accounts = append(n.Accounts, idp.Account{Name: name, Kind: kind})
	}
	if _, err := r.Put(h.t.Context(), n); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) try(name, password string) string {
	p, err := h.CheckPassword(h.t.Context(), name, password)
	var refusal *directory.Refusal
	switch {
	case err == nil && p != nil:
		return "ok"
	case errors.As(err, &refusal):
		return string(refusal.Reason)
	}
	return err.Error()
}

func (h *house) want(name, password, want string) {
	h.t.Helper()
	if got := h.try(name, password); got != want {
		h.t.Errorf("%s: %s, want %s", name, got, want)
	}
}

func count(t testing.TB, d *ad.Directory, name string) int {
	t.Helper()
	e, err := d.Find(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return e.BadPassword
}

func TestT078_TheDirectoryNeverCountsMoreThanFive(t *testing.T) {
	dc := testenv.Samba(t)
	// The controllers' own rule is more patient here: whatever holds at five is ours.
	dc.Tool(t, "domain", "passwordsettings", "set", "--account-lockout-threshold=50")
	defer dc.Tool(t, "domain", "passwordsettings", "set", "--account-lockout-threshold=5")
	first, second := testenv.NewProxy(t, dc.LDAPS), testenv.NewProxy(t, dc.LDAPS)
	servers := func(o *ad.Options) { o.Servers = []string{"ldaps://" + first.Address, "ldaps://" + second.Address} }
	d := open(t, dc, servers)
	e := person(t, d)
	h := newHouse(t, route(d))
	h.add("GEAA", e.Name, "geaa-"+e.Name)
	var wg sync.WaitGroup
	for i := range 60 {
		name := []string{e.Name, strings.ToUpper(e.Name), `TPEAD\` + e.Name, e.Name + "@tpead.test", "geaa-" + e.Name}[i%5]
		wg.Go(func() { h.try(name, "Wrong-2026!") })
	}
	wg.Wait()
	if n := count(t, d, e.Name); n > 5 || n < 3 {
		t.Errorf("the directory counted %d", n)
	}
	// Which spelling locked it is told so, and no other; none is let in.
	if got := h.try(e.Name, rightPassword); got != "locked" && got != "wrong" {
		t.Errorf("the right one: %s", got)
	}
	if state, err := h.State(t.Context(), e.Name); err != nil || !state.LockedUntil.After(time.Now()) {
		t.Errorf("%+v %v", state, err)
	}
	// With our own lock gone before the directory forgot: not one bind more.
	clean := newHouse(t, route(d))
	clean.add("GEAA", e.Name)
	before := count(t, d, e.Name)
	for range 8 {
		clean.try(e.Name, "Wrong-2026!")
	}
	if n := count(t, d, e.Name); n > 5 || n < before {
		t.Errorf("the directory counted %d, then %d", before, n)
	}
	// With the controllers failing in the middle, too.
	other := person(t, d)
	h.add("GEAA", other.Name)
	stop := make(chan struct{})
	var trouble sync.WaitGroup
	trouble.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(60 * time.Millisecond):
				first.Kill()
				_ = first.Start()
			}
		}
	})
	for range 20 {
		h.try(other.Name, "Wrong-2026!")
	}
	close(stop)
	trouble.Wait()
	if n := count(t, open(t, dc), other.Name); n > 5 {
		t.Errorf("the directory counted %d", n)
	}
}

func TestT078_OneAttemptIsOneBind(t *testing.T) {
	lose := func(c *testenv.LDAPCall) bool {
		if c.Op == testenv.LDAPBind {
			c.Close()
		}
		return c.Op == testenv.LDAPBind
	}
	first, second := script(t, lose), script(t, lose)
	h := newHouse(t, route(joined(t, nil, first, second)))
	h.add("GEAA", "ab1234")
	h.want("ab1234", "Wrong-2026!", "unavailable")
	if n := first.Binds(serviceDN) + second.Binds(serviceDN); n != 1 {
		t.Errorf("%d binds", n)
	}
}

func TestThePersonsLockIsOne(t *testing.T) {
	dc := testenv.Samba(t)
	d := open(t, dc)
	e := person(t, d)
	h := newHouse(t, route(d))
	h.add("GEAA", e.Name)
	h.want(e.Name, rightPassword, "ok")
	for range 5 { // at the staff PC, not here
		check(t, d, e.Name, "Wrong-2026!", "wrong")
	}
	_, err := h.CheckPassword(t.Context(), e.Name, rightPassword)
	var refusal *directory.Refusal
	if !errors.As(err, &refusal) || refusal.Reason != idp.ReasonLocked || time.Until(refusal.Until) < 14*time.Minute || time.Until(refusal.Until) > 15*time.Minute+time.Second {
		t.Fatalf("%v", err)
	}
	state, err := h.State(t.Context(), e.Name)
	if err != nil || time.Until(state.LockedUntil) < 14*time.Minute || state.Failures != 0 || state.Unasked {
		t.Errorf("%+v, %v", state, err)
	}
	if _, err := h.Unlock(t.Context(), e.Name, "helpdesk", "asked by telephone"); err != nil {
		t.Fatal(err)
	}
	h.want(e.Name, rightPassword, "ok")
	for range 4 {
		h.want(e.Name, "Wrong-2026!", "wrong")
	}
	h.want(e.Name, "Wrong-2026!", "locked") // both are locked now
	if found, err := d.Find(t.Context(), e.Name); err != nil || !found.Locked {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := h.Unlock(t.Context(), e.Name, "helpdesk", "asked by telephone"); err != nil {
		t.Fatal(err)
	}
	h.want(e.Name, rightPassword, "ok")
	if n := count(t, d, e.Name); n != 0 {
		t.Errorf("after success the directory counts %d", n)
	}
}

func TestUnlockOpensNothingWithoutTheDirectory(t *testing.T) {
	s := script(t, func(c *testenv.LDAPCall) bool { c.Close(); return true })
	h := newHouse(t, route(joined(t, nil, s)))
	h.add("GEAA", "ab1234")
	state, err := h.State(t.Context(), "ab1234")
	if err == nil && !state.Unasked {
		t.Errorf("%+v", state)
	}
	dead := joined(t, func(o *ad.Options) { o.Servers = []string{"ldaps://127.0.0.1:1"} }, s)
	h.Routes = []directory.Route{route(dead)}
	if _, err := h.Unlock(t.Context(), "ab1234", "helpdesk", "asked"); !errors.Is(err, idp.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

func TestT060_ClosedAccountsGetNoSession(t *testing.T) {
	dc := testenv.Samba(t)
	d := open(t, dc)
	h := newHouse(t, route(d))
	texts := map[string]bool{}
	for name, change := range map[string]func(e *ad.Entry){
		"must change": func(e *ad.Entry) { ad.SetAttribute(t.Context(), t, d, e.DN, "pwdLastSet", "0") },
		"disabled": func(e *ad.Entry) {
			if err := d.Disable(t.Context(), e.ID); err != nil {
				t.Fatal(err)
			}
		},
		"expired": func(e *ad.Entry) { ad.SetAttribute(t.Context(), t, d, e.DN, "accountExpires", "132000000000000000") },
		"hours":   func(e *ad.Entry) { ad.SetAttribute(t.Context(), t, d, e.DN, "logonHours", strings.Repeat("\x00", 21)) },
	} {
		e := person(t, d)
		change(e)
		h.add("GEAA", e.Name)
		h.want(e.Name, "Wrong-2026!", "wrong")
		_, err := h.CheckPassword(t.Context(), e.Name, rightPassword)
		var refusal *directory.Refusal
		if !errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		texts[string(refusal.Reason)] = true
		if got := errors.Is(err, directory.ErrMustChange); got != (name == "must change") {
			t.Errorf("%s: must change: %v", name, got)
		}
	}
	if len(texts) != 1 {
		t.Errorf("outside they differ: %v", texts)
	}
}

func TestT066_SpellingsReachOneEntry(t *testing.T) {
	dc := testenv.Samba(t)
	d := open(t, dc)
	e := person(t, d)
	h := newHouse(t, route(d))
	h.add("GEAA", e.Name)
	n := e.Name
	wide := strings.Map(func(r rune) rune { return r - '!' + '！' }, n)
	for _, name := range []string{n, strings.ToUpper(n), `TPEAD\` + n, n + "@tpead.test", n + " ", n + ".", wide} {
		p, err := h.CheckPassword(t.Context(), name, rightPassword)
		if err != nil || p.ID != "p-"+n {
			t.Errorf("%q: %v, %v", name, p, err)
		}
	}
	for _, name := range []string{`OTHER\` + n, n + "@other.test", n + "\u0301", strings.Replace(n, "a", "á", 1), n + "$", "cn=" + n} {
		h.want(name, rightPassword, "wrong")
	}
}

func TestT063_CountsNothingWhileAllAreDown(t *testing.T) {
	dc := testenv.Samba(t)
	proxy := testenv.NewProxy(t, dc.LDAPS)
	d := open(t, dc, func(o *ad.Options) { o.Servers = []string{"ldaps://" + proxy.Address} })
	e := person(t, d)
	h := newHouse(t, route(d))
	h.add("GEAA", e.Name)
	proxy.Kill()
	for range 10 {
		within(t, 5*time.Second, func() { h.want(e.Name, rightPassword, "unavailable") })
		within(t, 5*time.Second, func() { h.want("zz9999", rightPassword, "unavailable") }) // tells nothing
	}
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, func() { h.want(e.Name, rightPassword, "ok") })
}

func TestDirectoriesSideBySide(t *testing.T) {
	one, two := script(t, plainly), script(t, func(c *testenv.LDAPCall) bool {
		if c.Op == testenv.LDAPBind {
			c.Done(0, "")
		}
		return c.Op == testenv.LDAPBind
	})
	h := newHouse(t, route(joined(t, nil, two), "WATER"), route(joined(t, nil, one)))
	h.add("WATER", "ab1234")
	h.want("ab1234", "anything else", "ok")
	h.add("GEAA", "ab1234")
	h.want("ab1234", "anything else", "wrong")
	h.want("ab1234", rightPassword, "ok")
}

func TestT064_OthersGoOnBesideASlowDirectory(t *testing.T) {
	stop := make(chan struct{})
	s := script(t, func(c *testenv.LDAPCall) bool {
		select {
		case <-stop:
		case <-time.After(30 * time.Second):
		}
		c.Close()
		return true
	})
	d := joined(t, func(o *ad.Options) { o.Answer, o.Login = 2*time.Second, 5*time.Second }, s)
	h := newHouse(t, route(d))
	h.add("GEAA", "ab1234")
	r := directory.Registrar{Accounts: h.store, Names: h.Names, Key: key, Now: time.Now, Seal: func(b []byte, _ string) []byte { return b }}
	hash, err := h.Hasher.Hash(t.Context(), rightPassword)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Put(t.Context(), directory.NewPerson{
		Person: idp.Person{ID: "p-portal", Name: "李小明"}, PasswordHash: hash, Accounts: []idp.Account{{Name: "li", Kind: idp.AccountPortal}},
	})
	if err != nil {
		t.Fatal(err)
	}
	// What a card's login asks the gate, and a password that is looked at here.
	p95 := func() time.Duration {
		var took []time.Duration
		for range 60 {
			start := time.Now()
			h.want("li", rightPassword, "ok")
			if _, err := h.PersonLocked(t.Context(), "p-portal"); err != nil {
				t.Error(err)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		return took[len(took)*95/100]
	}
	calm := p95()
	var wg sync.WaitGroup
	began := time.Now()
	for range 500 {
		wg.Go(func() { h.try("ab1234", rightPassword) })
	}
	time.Sleep(300 * time.Millisecond) // all are counted, and wait
	busy := p95()
	for range 2 { // whatever else this machine does is not meant
		if busy > 2*calm {
			busy = min(busy, p95())
		}
	}
	wg.Wait()
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("500 logins failed only after %v", took)
	}
	close(stop)
	t.Logf("p95 %v, beside 500 that wait %v", calm, busy)
	if busy > 2*calm+20*time.Millisecond {
		t.Errorf("p95 %v, beside 500 that wait %v", calm, busy)
	}
}
