package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
)

// city is two nodes on one database, each believing as long as is allowed.
type city struct {
	*world
	here, there *node
}

type node struct {
	*session.Manager
	store *store.Store
	t     *testing.T
}

func eachCity(t *testing.T, test func(t *testing.T, c *city)) {
	for _, options := range []store.Options{
		storetest.SQLite(t), storetest.PostgreSQL(t),
	} {
		name := "postgres"
		if options.SQLite != "" {
			name = "sqlite"
		}
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, now: noon}
			c := &city{world: w}
			open := func() *node {
				n := &node{t: t, Manager: &session.Manager{Now: func() time.Time { return w.now },
					Idle: time.Hour, Absolute: 12 * time.Hour, Believe: time.Hour}} // cut to 500 ms
				o := options
				o.OnEnd = n.Forget
				var err error
				if n.store, err = store.Open(t.Context(), o); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { n.store.Close() })
				n.Manager.Store = n.store
				return n
			}
			c.here, c.there = open(), open()
			w.Manager, w.store = c.here.Manager, c.here.store
			addPeople(t, w.store)
			test(t, c)
		})
	}
}

// recently is the person of the request's session, as far as the node believes.
func (n *node) recently(cookies ...*http.Cookie) string {
	n.t.Helper()
	c, err := n.Recent(request(cookies...))
	if err != nil {
		n.t.Fatal(err)
	}
	if c == nil {
		return ""
	}
	return c.Person.ID
}

func (n *node) reads(f func()) int64 {
	before := n.store.Stats().Reads
	f()
	return n.store.Stats().Reads - before
}

func TestRecent_SavesReadsForAMoment(t *testing.T) {
	eachCity(t, func(t *testing.T, c *city) {
		cookie := c.begin("p1", idp.MethodPassword)
		look := func() {
			if who := c.here.recently(cookie); who != "p1" {
				t.Errorf("%q is logged in", who)
			}
		}
		look()
		if n := c.here.reads(func() { look(); look() }); n != 0 {
			t.Errorf("%d reads of what was read a moment ago", n)
		}
		c.now = c.now.Add(500 * time.Millisecond)
		if n := c.here.reads(look); n != 1 {
			t.Errorf("%d reads after half a second", n)
		}
		if n := c.here.reads(func() { c.who(cookie) }); n != 1 {
			t.Errorf("Current made %d reads: it believes", n)
		}
		c.here.Believe = 0
		if n := c.here.reads(look); n != 1 {
			t.Errorf("%d reads where nothing is believed", n)
		}
		altered := cookie.Value[:42] + "A"
		if altered == cookie.Value {
			altered = cookie.Value[:42] + "E" // 256 bits end in a letter of 16
		}
		if c.here.recently(&http.Cookie{Name: cookie.Name, Value: altered}) != "" {
			t.Error("another token is taken for this one")
		}
	})
}

// Limits hold to the microsecond, believed or not, and a session in use is noted
// as such.
func TestRecent_LimitsAndTouch(t *testing.T) {
	eachCity(t, func(t *testing.T, c *city) {
		c.here.Idle, c.here.Absolute = 2*time.Minute, 3*time.Minute
		cookie := c.begin("p1", idp.MethodPassword)
		for range 3*60*10 - 1 { // each 100 ms
			c.now = c.now.Add(100 * time.Millisecond)
			if c.here.recently(cookie) != "p1" {
				t.Fatalf("ended after %v of use", c.now.Sub(noon))
			}
		}
		c.now = c.now.Add(100 * time.Millisecond)
		if c.here.recently(cookie) != "" {
			t.Error("lives past its absolute end")
		}
		cookie = c.begin("p1", idp.MethodPassword)
		c.here.Idle = 200 * time.Millisecond
		c.here.recently(cookie)
		c.now = c.now.Add(201 * time.Millisecond)
		if c.here.recently(cookie) != "" {
			t.Error("lives past the idle limit")
		}
	})
}

// Whatever ends or changes a session, or its person, is true at once on the node
// where it happened, and half a second later on every other.
func TestT155_BelievedSessionsEndOnEveryNode(t *testing.T) {
	ends := map[string]func(c *city, cookie *http.Cookie, current *session.Current) error{
		"logged out": func(c *city, cookie *http.Cookie, current *session.Current) error {
			_, err := c.here.End(httptest.NewRecorder(), request(cookie), current)
			return err
		},
		"ended by its person elsewhere": func(c *city, _ *http.Cookie, current *session.Current) error {
			return c.here.EndOther(t.Context(), current.Session.ID)
		},
		"stepped up": func(c *city, cookie *http.Cookie, current *session.Current) error {
			return c.here.StepUp(httptest.NewRecorder(), request(cookie), current, idp.Evidence{Method: idp.MethodCard, At: c.now})
		},
		"another login": func(c *city, cookie *http.Cookie, _ *session.Current) error {
			c.begin("p2", idp.MethodPassword, cookie)
			return nil
		},
		"person disabled": func(c *city, _ *http.Cookie, _ *session.Current) error {
			return c.here.store.SetState(t.Context(), "p1", idp.PersonDisabled, c.now)
		},
		"person closed in their directory": func(c *city, _ *http.Cookie, _ *session.Current) error {
			return c.here.store.ClosePerson(t.Context(), "p1", c.now)
		},
	}
	eachCity(t, func(t *testing.T, c *city) {
		for name, end := range ends {
			if err := c.here.store.SetState(t.Context(), "p1", idp.PersonEnabled, c.now); err != nil {
				t.Fatal(err)
			}
			if err := c.here.store.ReopenPerson(t.Context(), "p1"); err != nil && !errors.Is(err, idp.ErrConflict) {
				t.Fatal(err)
			}
			cookie := c.begin("p1", idp.MethodPassword)
			if c.here.recently(cookie) != "p1" || c.there.recently(cookie) != "p1" {
				t.Fatalf("%s: not logged in before", name)
			}
			current, err := c.here.Recent(request(cookie))
			if err != nil {
				t.Fatal(err)
			}
			if err := end(c, cookie, current); err != nil {
				t.Fatal(err)
			}
			if c.here.recently(cookie) != "" {
				t.Errorf("%s: believed where it ended", name)
			}
			c.now = c.now.Add(500 * time.Millisecond)
			if c.there.recently(cookie) != "" {
				t.Errorf("%s: believed on another node half a second later", name)
			}
		}
	})
}

// A read that an end overtakes is not believed: many at once, with the race
// detector.
func TestRecent_EndDuringReads(t *testing.T) {
	eachCity(t, func(t *testing.T, c *city) {
		for range 20 {
			cookie := c.begin("p1", idp.MethodPassword)
			current, err := c.Current(request(cookie))
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 5 {
						if _, err := c.here.Recent(request(cookie)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			if err := c.here.EndOther(t.Context(), current.Session.ID); err != nil {
				t.Fatal(err)
			}
			if c.here.recently(cookie) != "" {
				t.Fatal("believed after its end")
			}
			wg.Wait()
			if c.here.recently(cookie) != "" {
				t.Fatal("believed again after its end")
			}
		}
	})
}
