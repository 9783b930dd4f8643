package ad_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

// straysOf lists what only directories have, by account.
func straysOf(t testing.TB, h *house) (map[string]directory.Stray, directory.StrayCount) {
	t.Helper()
	found := map[string]directory.Stray{}
	s := directory.Strays{Gate: h.Gate, Owners: h.store}
	n, err := s.Find(t.Context(), func(s directory.Stray) error {
		if _, twice := found[s.Account]; twice {
			t.Errorf("%s is listed twice", s.Account)
		}
		found[s.Account] = s
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, n
}

// TestSamba_AccountsThatOnlyTheDomainHas goes through a container in pages of three.
func TestSamba_AccountsThatOnlyTheDomainHas(t *testing.T) {
	dc := testenv.Samba(t)
	place := fmt.Sprintf("OU=Strays%d,%s", serial.Add(1), dc.Base)
	dc.Tool(t, "ou", "create", place)
	dc.Tool(t, "ou", "create", "OU=Services,"+place)
	h := newHouse(t)
	d := open(t, dc, func(o *ad.Options) {
		o.Base, o.ServiceBase, o.Identities, o.Filter = place, "OU=Services,"+place, h.store, "(!(description=left out))"
		patient(o)
	})
	ad.SetPage(d, 3)
	h.Routes = []directory.Route{route(d)}
	ctx, in := t.Context(), func(n *ad.NewAccount) { n.Under = place }
	byName, renamed, replaced, forgotten := person(t, d, in), person(t, d, in), person(t, d, in), person(t, d, in)
	h.add("GEAA", byName.Name)
	for _, e := range []*ad.Entry{renamed, replaced} {
		h.add("GEAA", e.Name)
		h.want(e.Name, rightPassword, "ok") // and so it is remembered
	}
	if _, err := d.Rename(ctx, renamed.ID, "zy0001"); err != nil { // there, and not yet here
		t.Fatal(err)
	}
	if err := d.Delete(ctx, replaced.ID); err != nil {
		t.Fatal(err)
	}
	anew := person(t, d, in, func(n *ad.NewAccount) { n.Name = replaced.Name })
	check(t, open(t, dc), forgotten.Name, rightPassword, "ok") // of nobody here
	closed := person(t, d, in, func(n *ad.NewAccount) { n.Disabled = true })
	person(t, d, in, func(n *ad.NewAccount) { n.Description = "left out" })
	service := person(t, d, func(n *ad.NewAccount) { n.Service = true })
	dc.Tool(t, "computer", "create", "pcstray", "--computerou="+place[:len(place)-len(dc.Base)-1])
	found, n := straysOf(t, h)
	for name, want := range map[string]struct {
		open, service, used bool
		namesake            string
	}{
		forgotten.Name: {open: true, used: true}, closed.Name: {}, anew.Name: {open: true, namesake: "is another entry"}, service.Name: {open: true, service: true},
	} {
		s, ok := found[name]
		if !ok || s.Open != want.open || s.Service != want.service || s.Namesake != want.namesake || s.Directory != "tpead" || s.Name != "王大明" {
			t.Errorf("%s: %+v, %v", name, s, ok)
		}
		if since := time.Since(s.CreatedAt); since < -time.Minute || since > time.Hour {
			t.Errorf("%s was made %v ago", name, since)
		}
		if since := time.Since(s.LastLoginAt); want.used != (since < time.Hour) || want.used == s.LastLoginAt.IsZero() {
			t.Errorf("%s logged in at %v", name, s.LastLoginAt)
		}
	}
	if len(found) != 4 || n != (directory.StrayCount{Entries: 6, People: 3, Services: 1}) {
		t.Errorf("%+v in %+v", n, found)
	}
}

// TestSlapd_AccountsThatOnlyItHas is longer than a page is.
func TestSlapd_AccountsThatOnlyItHas(t *testing.T) {
	s := testenv.Slapd(t)
	h := newHouse(t)
	d := openPlain(t, s, func(o *ad.Options) { o.Identities = h.store })
	ad.SetPage(d, 40)
	h.Routes = []directory.Route{route(d, "WATER")}
	var theirs []string
	for i := range 130 {
		e := person(t, d)
		switch i % 4 {
		case 0:
			h.add("WATER", e.Name)
		case 1:
			h.add("GEAA", e.Name) // is looked for elsewhere
			theirs = append(theirs, e.Name)
		default:
			theirs = append(theirs, e.Name)
		}
	}
	if err := d.Disable(t.Context(), must(d.Find(t.Context(), theirs[3])).ID); err != nil {
		t.Fatal(err)
	}
	found, n := straysOf(t, h)
	if n.Entries != 130 || n.People != len(theirs) || len(found) != len(theirs) {
		t.Errorf("%+v, %d listed, want %d", n, len(found), len(theirs))
	}
	for i, name := range theirs {
		got, ok := found[name]
		if !ok || got.Open != (i != 3) || got.CreatedAt.IsZero() || (got.Namesake != "") != (i%3 == 0) {
			t.Errorf("%d: %+v", i, got)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// many answers a search with pages of 500 out of so many entries.
func many(c *testenv.LDAPCall, all int) {
	from := 0
	if c.Cookie != "" {
		_, _ = fmt.Sscan(c.Cookie, &from)
	}
	for i := from; i < min(from+500, all); i++ {
		e := user(fmt.Sprintf("ab%05d", i), 0)
		e["objectGUID"] = []string{string(binary.BigEndian.AppendUint64(make([]byte, 8), uint64(i)))}
		e["displayName"] = []string{string(bytes.Repeat([]byte("王"), 20))}
		c.Entry(fmt.Sprintf("CN=ab%05d,DC=tpead,DC=test", i), e)
	}
	if from+500 >= all {
		c.DonePage("")
		return
	}
	c.DonePage(fmt.Sprint(from + 500))
}

// TestStrays_ACitysDirectory goes through 80,000 entries, of which one page is in
// memory; another directory that does not answer hides none of them.
func TestStrays_ACitysDirectory(t *testing.T) {
	const all = 80_000
	s := script(t, func(c *testenv.LDAPCall) bool {
		if c.Op == testenv.LDAPSearch {
			many(c, all)
		}
		return c.Op == testenv.LDAPSearch
	})
	h := newHouse(t)
	away := joined(t, func(o *ad.Options) { o.Name, o.Servers = "away", []string{"ldaps://127.0.0.1:1"} }, s)
	h.Routes = []directory.Route{route(away, "WATER"), route(joined(t, patient, s))}
	h.add("GEAA", "ab00000")
	h.add("GEAA", fmt.Sprintf("ab%05d", all-1))
	seen, told, bounded := 0, 0, heapStays(t, 48<<20)
	strays := directory.Strays{Gate: h.Gate, Owners: h.store, Progress: func(_ string, n int) { told = n }}
	n, err := strays.Find(t.Context(), func(got directory.Stray) error {
		bounded()
		if seen++; got.Account != fmt.Sprintf("ab%05d", seen) {
			return fmt.Errorf("%s is not stray %d", got.Account, seen)
		}
		return nil
	})
	if !errors.Is(err, directory.ErrUnreachable) || seen != all-2 || n.People != seen || n.Entries != all || told != all {
		t.Errorf("%d strays, %+v, told of %d: %v", seen, n, told, err)
	}
	stop := errors.New("enough")
	if _, err := strays.Find(t.Context(), func(directory.Stray) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestStrays_WhatDirectoriesDo: entries that can't be read are counted, and pages
// that don't go on are an end.
func TestStrays_WhatDirectoriesDo(t *testing.T) {
	pages := 0
	endless := false
	s := script(t, func(c *testenv.LDAPCall) bool {
		if c.Op != testenv.LDAPSearch {
			return false
		}
		if pages++; pages > 50 {
			t.Error("it goes on and on")
			c.Close()
			return true
		}
		if endless {
			c.DonePage("again")
			return true
		}
		bad := user("ab9", 9)
		bad["objectGUID"] = []string{"short"}
		c.Entry("CN=ab9,DC=tpead,DC=test", bad)
		c.Entry(userDN, user("ab1234", 1))
		c.DonePage("")
		return true
	})
	h := newHouse(t, route(joined(t, nil, s)))
	if found, n := straysOf(t, h); n != (directory.StrayCount{Entries: 2, People: 1, Unread: 1}) || !found["ab1234"].Open {
		t.Errorf("%+v %+v", n, found)
	}
	calls := s.Calls()
	if last := calls[len(calls)-1]; slices.Contains(last.Attributes, "memberOf") || !slices.Contains(last.Attributes, "lastLogonTimestamp") {
		t.Errorf("asked for %q", last.Attributes)
	}
	endless = true
	strays := directory.Strays{Gate: h.Gate, Owners: h.store}
	if _, err := strays.Find(t.Context(), func(directory.Stray) error { return nil }); err == nil {
		t.Error("endless pages are no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := strays.Find(ctx, func(directory.Stray) error { return nil }); !errors.Is(err, context.Canceled) && !errors.Is(err, idp.ErrUnavailable) {
		t.Error(err)
	}
}
