package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/outbox"
)

// wayIn is one way to add something to what a person can log in with.
type wayIn struct {
	kind  string
	ready func(s *Store, e *raced) error // what was there before
	add   func(s *Store, e *raced, w devicebind.With) error
	left  query // finds it, of the person $1, where it may still be used
}

// raced is a person with a session that a phone's approval opened.
type raced struct {
	ctx             context.Context
	person, session string
	id              []byte
	found           []string // by the report
}

func (e *raced) totp() *devicebind.TOTP {
	return &devicebind.TOTP{PersonID: e.person, Pending: []byte("secret"), SessionID: e.session, EndsAt: noon.Add(time.Hour)}
}

func (e *raced) enrolment() *devicebind.Enrolment {
	return &devicebind.Enrolment{ID: e.id, PersonID: e.person, SessionID: e.session, CreatedAt: noon, EndsAt: noon.Add(3 * time.Minute), NotAfter: noon.Add(time.Hour)}
}

func pendingTOTP(s *Store, e *raced) error { return s.PutPending(e.ctx, e.totp()) }

var addings = []wayIn{
	{
		kind: "passkey.add",
		add: func(s *Store, e *raced, w devicebind.With) error {
			k := &devicebind.Passkey{ID: e.id, PersonID: e.person, Name: "n", Sealed: []byte("x"), CreatedAt: noon}
			return s.AddPasskey(e.ctx, k, append([]byte("c"), e.id...), noon.Add(time.Minute), w)
		},
		left: `SELECT 1 FROM passkeys WHERE person_id = $1`,
	},
	{
		kind: "otp.bind", ready: pendingTOTP,
		add: func(s *Store, e *raced, w devicebind.With) error {
			return s.BindTOTP(e.ctx, e.totp(), 7, [][]byte{[]byte("r")}, noon, w)
		},
		left: `SELECT 1 FROM totp WHERE person_id = $1 AND sealed IS NOT NULL`,
	},
	{
		kind: "otp.recovery",
		ready: func(s *Store, e *raced) error {
			if err := pendingTOTP(s, e); err != nil {
				return err
			}
			return s.BindTOTP(e.ctx, e.totp(), 7, nil, noon.Add(-time.Hour), devicebind.With{})
		},
		add: func(s *Store, e *raced, w devicebind.With) error {
			return s.PutRecovery(e.ctx, e.person, [][]byte{[]byte("r")}, w)
		},
		left: `SELECT 1 FROM recovery_codes WHERE person_id = $1`,
	},
	{
		kind: "phone.bind",
		ready: func(s *Store, e *raced) error {
			n := e.enrolment()
			if err := s.CreateEnrolment(e.ctx, n, devicebind.With{}); err != nil {
				return err
			}
			return s.ClaimEnrolment(e.ctx, n, noon, devicebind.With{})
		},
		add: func(s *Store, e *raced, w devicebind.With) error {
			d := &devicebind.Device{ID: passkeyName(e.id), PersonID: e.person, Name: "n", Presence: devicebind.PresencePIN, BoundAt: noon, NotAfter: noon.Add(time.Hour),
				Certificate: []byte("c"), Sealed: []byte("x")}
			return s.FinishEnrolment(e.ctx, e.id, e.session, d, noon, w)
		},
		left: `SELECT 1 FROM devices WHERE person_id = $1 AND suspended_at = 0`,
	},
	{
		// A card stays, since it needs its person: that it was bound is found.
		kind: "card.bind",
		add: func(s *Store, e *raced, w devicebind.With) error {
			c := &idp.Card{ID: "card-" + e.person, PersonID: e.person, IssuerKeyID: "aki", SubjectSerial: e.person, NotAfter: noon.Add(time.Hour), BoundAt: noon}
			return s.BindFirst(e.ctx, c, w.Events...)
		},
		left: `SELECT 1 FROM cards WHERE person_id = $1`,
	},
	{
		// Accounts need their person likewise.
		kind: "account.claim",
		add: func(s *Store, e *raced, w devicebind.With) error {
			return s.Claim(e.ctx, e.person, "claimed-"+e.person, noon, w.Events...)
		},
		left: `SELECT 1 FROM accounts WHERE person_id = $1 AND claimed`,
	},
	{
		kind: "account.bind",
		ready: func(s *Store, e *raced) error {
			r := record(e.person)
			r.Accounts = append(r.Accounts, idp.Account{Name: "portal-" + e.person, Kind: idp.AccountPortal, PersonID: e.person})
			return s.PutPerson(e.ctx, r)
		},
		add: func(s *Store, e *raced, w devicebind.With) error {
			b := directory.Binding{Portal: "portal-" + e.person, TPEAD: e.person + "-tpead", PersonID: e.person, How: "self", At: noon, Session: e.session}
			return s.Bind(e.ctx, b, e.person, w.Events...)
		},
		left: `SELECT 1 FROM bindings WHERE person_id = $1`,
	},
}

// stays tells whether it needs its person, so that a report only finds it.
func (a wayIn) stays() bool { return a.kind == "card.bind" || strings.HasPrefix(a.kind, "account.") }

// start makes a person, with a session that the approval "act-<person>" opened.
func (a wayIn) start(t *testing.T, s *Store, person string) *raced {
	t.Helper()
	e := &raced{ctx: t.Context(), person: person, session: "s-" + person, id: []byte(person + "0123456789abcdef")[:16]}
	addPerson(t, s, person)
	n := aSession(e.session)
	n.PersonID, n.Evidence = person, []idp.Evidence{{Method: idp.MethodPhone, At: noon, Device: "d-" + person, Act: "act-" + person}}
	must(t, s.CreateSession(t.Context(), n, []byte("token "+person), nil))
	if a.ready != nil {
		must(t, a.ready(s, e))
	}
	return e
}

func (e *raced) report(s *Store) error {
	ev := idp.Event{At: noon, Kind: "phone.report", Result: "alarm", PersonID: e.person}
	done, err := s.ReportAttempt(e.ctx, devicebind.Reported{Attempt: []byte("-"), Act: "act-" + e.person, DeviceID: "d-" + e.person, PersonID: e.person, Used: true}, noon, ev)
	e.found = done.Added
	return err
}

func (e *raced) with(kind, thing string) devicebind.With {
	ev := idp.Event{At: noon, Kind: kind, Result: "ok", PersonID: e.person, SessionID: e.session, Detail: thing}
	return devicebind.With{Events: []idp.Event{ev}, Mail: []outbox.Message{outbox.NewMail("p@gov.taipei", kind, "text", noon)}, Session: e.session}
}

func (a wayIn) addTo(s *Store, e *raced) error {
	what := map[string]string{"passkey.add": "passkey " + passkeyName(e.id), "phone.bind": "device " + passkeyName(e.id), "card.bind": "card card-" + e.person}[a.kind]
	return a.add(s, e, e.with(a.kind, what))
}

// gone asserts that nothing is left that was added, and that an addition which was
// refused left nothing on record.
func (a wayIn) gone(t *testing.T, s *Store, e *raced, added error) {
	t.Helper()
	if added != nil && !errors.Is(added, idp.ErrUsed) && !errors.Is(added, idp.Denied{Reason: devicebind.ReasonFactorFresh}) {
		t.Fatalf("%s: %v", a.kind, added)
	}
	var one int64
	err := s.read(t.Context(), func(r runner) error { return r.row(with(a.left, e.person), &one) })
	if found := len(e.found) == 1 && strings.HasPrefix(e.found[0], a.kind); found != (added == nil) {
		t.Errorf("%s: the report found %q (added: %v)", a.kind, e.found, added)
	}
	if !errors.Is(err, idp.ErrNotFound) && !a.stays() {
		t.Errorf("%s outlives the report that its session was somebody else's (added: %v)", a.kind, added)
	}
	list, err := s.Events(t.Context(), EventFilter{PersonID: e.person})
	must(t, err)
	for _, ev := range list {
		if ev.Kind == a.kind && added != nil {
			t.Errorf("%s is on record, and was refused", a.kind)
		}
	}
}

// TestT147_NothingIsAddedInAReportedSession: the request that adds was admitted
// before the report, and keeps what it adds after it.
func TestT147_NothingIsAddedInAReportedSession(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		here, there := d.open(t), d.open(t)
		for i, a := range addings {
			e := a.start(t, here, fmt.Sprint("late", i))
			must(t, e.report(there))
			err := a.addTo(here, e)
			if err == nil {
				t.Errorf("%s: added", a.kind)
			}
			a.gone(t, here, e, err)
		}
	})
}

// TestT147_RaceOfReportAndAddition: at once, many times, on two nodes.
func TestT147_RaceOfReportAndAddition(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		here, there := d.open(t), d.open(t)
		for i, a := range addings {
			for round := range 8 {
				e := a.start(t, here, fmt.Sprintf("race%d-%d", i, round))
				errs := together(2, func(k int) error {
					if k == 0 {
						return a.addTo(here, e)
					}
					time.Sleep(time.Duration(round) * 150 * time.Microsecond)
					return e.report(there)
				})
				must(t, errs[1])
				a.gone(t, here, e, errs[0])
			}
		}
	})
}

// TestT147_ReportInTheMidstOfAnAddition: the addition has done everything but to
// keep its mail when the report comes. Only PostgreSQL has two writers at once.
func TestT147_ReportInTheMidstOfAnAddition(t *testing.T) {
	d := freshPostgres(t)
	here, there := d.open(t), d.open(t)
	third, err := pgx.Connect(t.Context(), d.options.PostgreSQL)
	must(t, err)
	defer third.Close(context.Background())
	waiting := func() (n int) {
		must(t, third.QueryRow(t.Context(), "SELECT COUNT(*) FROM pg_locks WHERE NOT granted").Scan(&n))
		return n
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("not so: " + what)
			}
		}
	}
	here.TellBy(func(e idp.Event, p *idp.Person, _ string) []outbox.Message {
		return []outbox.Message{outbox.NewMail(p.Email, e.Kind, "text", e.At)}
	})
	for i, a := range addings {
		e := a.start(t, here, fmt.Sprint("midst", i))
		tx, err := third.Begin(t.Context())
		must(t, err)
		_, err = tx.Exec(t.Context(), "LOCK TABLE outbox IN SHARE MODE")
		must(t, err)
		added, reported := make(chan error, 1), make(chan error, 1)
		go func() { added <- a.addTo(here, e) }()
		until("the addition waits to keep its mail", func() bool { return waiting() == 1 })
		go func() { reported <- e.report(there) }()
		until("the report is through, or waits", func() bool { return len(reported) == 1 || waiting() == 2 })
		must(t, tx.Commit(t.Context()))
		must(t, <-reported)
		a.gone(t, here, e, <-added)
	}
}

// An account that was bound or claimed in the session is a way in as well: it stays,
// and is named.
func TestReport_NamesAccounts(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		for _, kind := range []string{"account.bind", "account.claim"} {
			e := wayIn{}.start(t, s, kind)
			must(t, s.Record(t.Context(), idp.Event{At: noon, Kind: kind, Result: "ok", PersonID: e.person, SessionID: e.session, Detail: "an account"}))
			must(t, e.report(s))
			if len(e.found) != 1 || e.found[0] != kind {
				t.Errorf("%s: the report found %q", kind, e.found)
			}
		}
	})
}
