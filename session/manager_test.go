package session_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/store"
	"taipeion.internal/idp/store/storetest"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

type world struct {
	*session.Manager
	t     *testing.T
	store *store.Store
	now   time.Time
}

func eachWorld(t *testing.T, test func(t *testing.T, w *world)) {
	for engine, options := range map[string]func() store.Options{
		"sqlite":   func() store.Options { return storetest.SQLite(t) },
		"postgres": func() store.Options { return storetest.PostgreSQL(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			s, err := store.Open(t.Context(), options())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			w := &world{t: t, store: s, now: noon}
			w.Manager = &session.Manager{Store: s, Now: func() time.Time { return w.now }, Idle: time.Hour, Absolute: 12 * time.Hour}
			addPeople(t, s)
			test(t, w)
		})
	}
}

func addPeople(t *testing.T, s *store.Store) {
	t.Helper()
	for _, id := range []string{"p1", "p2"} {
		p := idp.Person{ID: id, Subject: "sub-" + id, Name: "王大明", State: idp.PersonEnabled, UpdatedAt: noon,
			Agency: idp.Agency{Code: "GEAA", Name: "資訊局"}}
		if err := s.PutPerson(t.Context(), directory.Record{Person: p}); err != nil {
			t.Fatal(err)
		}
	}
}

func request(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "https://idp.test/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

// begin opens a session in the browser that has these cookies and returns its
// cookie.
func (w *world) begin(personID string, m idp.Method, cookies ...*http.Cookie) *http.Cookie {
	w.t.Helper()
	a := httptest.NewRecorder()
	if _, err := w.Begin(a, request(cookies...), personID, idp.Evidence{Method: m, At: w.now}); err != nil {
		w.t.Fatal(err)
	}
	return w.cookie(a)
}

func (w *world) cookie(a *httptest.ResponseRecorder) *http.Cookie {
	w.t.Helper()
	for _, c := range a.Result().Cookies() {
		if c.Name == w.CookieName() {
			return c
		}
	}
	w.t.Fatal("no session cookie was set")
	return nil
}

// who is the person of the request's session, "" for nobody.
func (w *world) who(cookies ...*http.Cookie) string {
	w.t.Helper()
	c, err := w.Current(request(cookies...))
	if err != nil {
		w.t.Fatal(err)
	}
	if c == nil {
		return ""
	}
	return c.Person.ID
}

func TestT149_NewTokenAtEachLoginAndStepUp(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		first := w.begin("p1", idp.MethodPassword)
		current, err := w.Current(request(first))
		if err != nil {
			t.Fatal(err)
		}
		a := httptest.NewRecorder()
		if err := w.StepUp(a, request(first), current, idp.Evidence{Method: idp.MethodCard, At: w.now}); err != nil {
			t.Fatal(err)
		}
		second := w.cookie(a)
		if second.Value == first.Value || w.who(first) != "" || w.who(second) != "p1" {
			t.Errorf("after the step-up: old token %q, new %q", w.who(first), w.who(second))
		}
		again, _ := w.Current(request(second))
		if again.Session.ID != current.Session.ID || len(again.Session.Evidence) != 2 {
			t.Errorf("the session did not go on: %+v", again.Session)
		}
		third := w.begin("p1", idp.MethodPassword, second)
		if w.who(second) != "" || w.who(third) != "p1" {
			t.Error("after a login the old token lives")
		}
		if c, _ := w.Current(request(third)); len(c.Session.Evidence) != 1 {
			t.Errorf("a new login took old evidence over: %+v", c.Session.Evidence)
		}
	})
}

func TestStepUpsRaced(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		cookie := w.begin("p1", idp.MethodPassword)
		var wg sync.WaitGroup
		var won atomic.Int64
		var found []*session.Current
		for range 16 {
			current, err := w.Current(request(cookie))
			if err != nil || current == nil {
				t.Fatal(current, err)
			}
			found = append(found, current)
		}
		for _, current := range found {
			wg.Go(func() {
				if w.StepUp(httptest.NewRecorder(), request(cookie), current, idp.Evidence{Method: idp.MethodCard, At: w.now}) == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d of 16 won", won.Load())
		}
	})
}

func TestT150_CookieAttributes(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		c := w.begin("p1", idp.MethodPassword)
		if c.Name != "__Host-idp-session" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("%+v", c)
		}
		if len(c.Value) != 43 {
			t.Errorf("a value of %d characters", len(c.Value))
		}
	})
}

func TestT151_PlantedCookiesAreIgnored(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.Insecure = true
		mine := w.begin("p1", idp.MethodPassword)
		planted := &http.Cookie{Name: mine.Name, Value: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
		if w.who(planted, &http.Cookie{Name: mine.Name, Value: "x"}, mine) != "p1" {
			t.Error("planted cookies lock the person out")
		}
		after := w.begin("p1", idp.MethodPassword, planted)
		if after.Value == planted.Value {
			t.Error("a planted value was taken over")
		}
	})
}

func TestT152_IdleAndAbsoluteEnds(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		c := w.begin("p1", idp.MethodPassword)
		w.now = noon.Add(59 * time.Minute)
		if w.who(c) != "p1" {
			t.Error("ended before the idle limit")
		}
		for w.now.Before(noon.Add(12 * time.Hour)) {
			if w.who(c) != "p1" {
				t.Fatalf("ended after %v", w.now.Sub(noon))
			}
			w.now = w.now.Add(30 * time.Minute)
		}
		if w.who(c) != "" {
			t.Error("lives past its absolute end")
		}
		w.now = noon
		c = w.begin("p1", idp.MethodPassword)
		w.now = noon.Add(time.Hour + time.Second)
		if w.who(c) != "" {
			t.Error("lives past the idle limit")
		}
	})
}

func TestT155_DisabledPersonsSessionsAreDead(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		c := w.begin("p1", idp.MethodPassword)
		if err := w.store.SetState(t.Context(), "p1", idp.PersonDisabled, w.now); err != nil {
			t.Fatal(err)
		}
		if w.who(c) != "" {
			t.Error("a disabled person's session lives")
		}
	})
}

func TestT162_TwoPeopleInOneBrowser(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		first := w.begin("p1", idp.MethodCard)
		second := w.begin("p2", idp.MethodPassword, first)
		if w.who(first) != "" || w.who(second) != "p2" {
			t.Errorf("first %q, second %q", w.who(first), w.who(second))
		}
		c, _ := w.Current(request(second))
		if len(c.Session.Evidence) != 1 || c.Session.Evidence[0].Method != idp.MethodPassword {
			t.Errorf("evidence of another person: %+v", c.Session.Evidence)
		}
	})
}

func TestEndedSessionIsGone(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		c := w.begin("p1", idp.MethodPassword)
		current, _ := w.Current(request(c))
		a := httptest.NewRecorder()
		if _, err := w.End(a, request(c), current); err != nil {
			t.Fatal(err)
		}
		if w.who(c) != "" || w.cookie(a).MaxAge >= 0 {
			t.Error("the session or its cookie is still there")
		}
	})
}

// What phones approved stays in the session: a report of the first approval ends
// it as one of the last does.
func TestStepUp_KeepsWhatPhonesApproved(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		for _, act := range []string{"first", "second", "last"} {
			cookie := w.begin("p1", idp.MethodPassword)
			for i, one := range []string{"first", "second", "last"} {
				current, err := w.Current(request(cookie))
				if err != nil || current == nil {
					t.Fatal(current, err)
				}
				for range 2 { // the same twice is one
					a := httptest.NewRecorder()
					ev := idp.Evidence{Method: idp.MethodPhone, At: w.now, Device: "phone " + one, Act: one}
					if err := w.StepUp(a, request(cookie), current, ev); err != nil {
						t.Fatal(err)
					}
					cookie = w.cookie(a)
				}
				if n := len(current.Session.Evidence); n != i+2 {
					t.Fatalf("%d pieces of evidence after %d approvals", n, i+1)
				}
			}
			did, err := w.store.ReportAttempt(t.Context(), devicebind.Reported{Act: act, Attempt: []byte(act), DeviceID: "phone " + act, PersonID: "p1"}, w.now, idp.Event{At: w.now})
			if err != nil || did.Sessions != 1 || w.who(cookie) != "" {
				t.Errorf("the %s was reported: %d sessions ended, %v", act, did.Sessions, err)
			}
		}
	})
}
