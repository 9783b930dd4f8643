package devicebind_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/app"
	"taipeion.internal/idp/session"
)

// stop is a way in which a phone becomes unusable.
type stop struct {
	name string
	do   func(w *world, who devicebind.Who, p *app.Phone)
	want idp.Reason
}

var stops = []stop{
	{"disabled", func(w *world, who devicebind.Who, _ *app.Phone) {
		w.must(w.nodes[1].db.SetState(w.ctx, who.Person.ID, idp.PersonDisabled, w.clock()))
	}, devicebind.ReasonPhoneUnusable},
	{"departed", func(w *world, who devicebind.Who, _ *app.Phone) {
		w.must(w.nodes[1].db.SetState(w.ctx, who.Person.ID, idp.PersonDeparted, w.clock()))
	}, devicebind.ReasonPhoneUnusable},
	{"locked", func(w *world, who devicebind.Who, _ *app.Phone) { w.locked[who.Person.ID] = true }, idp.ReasonLocked},
	{"card unbound", func(w *world, who devicebind.Who, _ *app.Phone) {
		w.must(w.nodes[1].db.UnbindCard(w.ctx, "card-"+who.Person.ID, w.clock()))
	}, devicebind.ReasonPhoneUnusable},
	{"suspended", func(w *world, _ devicebind.Who, p *app.Phone) {
		w.must(w.nodes[1].devices.SuspendFor(w.ctx, p.DeviceID, true, "helpdesk", "lost"))
	}, devicebind.ReasonPhoneUnusable},
	{"revoked", func(w *world, _ devicebind.Who, p *app.Phone) {
		w.must(w.nodes[1].devices.RevokeFor(w.ctx, p.DeviceID, "helpdesk", "stolen"))
	}, devicebind.ReasonPhoneUnusable},
	{"unbound by itself", func(w *world, _ devicebind.Who, p *app.Phone) {
		self, err := p.NewSelf(devicebind.SelfUnbind, pin, w.clock())
		w.must(err)
		w.must(w.nodes[1].devices.Unbind(w.ctx, *self))
	}, devicebind.ReasonPhoneUnusable},
}

func TestT137_UnusablePhones(t *testing.T) {
	for _, s := range stops {
		t.Run(s.name, func(t *testing.T) {
			onBoth(t, func(w *world) {
				who := w.person()
				p := w.phone(who)
				n := w.nodes[0]
				waiting := w.page("docs")
				code := n.codes.Make(waiting.flow, pc).Link
				approved := w.approved(p)
				scanned, sc, number := w.scanned(p)
				s.do(w, who, p)
				_, err := w.scan(n, p, code)
				w.denied(err, s.want)
				w.denied(w.decide(n, p, sc, devicebind.VerdictApprove, number), s.want, devicebind.ReasonAttemptOver)
				_, err = n.attempts.Use(w.ctx, approved.flow, approved.browser)
				w.denied(err, s.want, devicebind.ReasonAttemptOver)
				for _, pg := range []page{waiting, scanned} {
					_, err = n.attempts.Use(w.ctx, pg.flow, pg.browser)
					w.denied(err, devicebind.ReasonAttemptOver)
				}
			})
		})
	}
}

func TestT137_SuspensionEndsWithItsReason(t *testing.T) {
	onBoth(t, func(w *world) {
		who := w.person()
		p := w.phone(who)
		w.must(w.nodes[1].db.SetState(w.ctx, who.Person.ID, idp.PersonDisabled, w.clock()))
		w.must(w.nodes[1].db.SetState(w.ctx, who.Person.ID, idp.PersonEnabled, w.clock()))
		w.must(w.nodes[1].devices.SuspendFor(w.ctx, p.DeviceID, true, "helpdesk", "lost"))
		w.must(w.nodes[1].devices.SuspendFor(w.ctx, p.DeviceID, false, "helpdesk", "found"))
		w.approved(p)
	})
}

func TestT137_AnotherPhone(t *testing.T) {
	onBoth(t, func(w *world) {
		n := w.nodes[0]
		mine, other := w.phone(w.person()), w.phone(w.person())
		pg, s, number := w.scanned(mine)
		// Locked to the first: the second gets nothing from the same code.
		_, err := w.scan(n, other, n.codes.Make(pg.flow, pc).Link)
		w.denied(err, devicebind.ReasonAttemptTaken)
		for _, v := range []devicebind.Verdict{devicebind.VerdictApprove, devicebind.VerdictDeny, devicebind.VerdictReport} {
			w.denied(w.decide(n, other, s, v, number), devicebind.ReasonPhoneProof)
		}
		// A phone that nobody bound.
		key, err := app.NewKey(nil)
		w.must(err)
		unbound := &app.Phone{Origin: origin, DeviceID: strings.Repeat("A", 22), Key: key}
		_, err = w.scan(n, unbound, n.codes.Make(pg.flow, pc).Link)
		w.denied(err, devicebind.ReasonPhoneUnusable)
		// A foreign key under a bound phone's name.
		thief := *mine
		thief.Key = key
		w.denied(w.decide(n, &thief, s, devicebind.VerdictApprove, number), devicebind.ReasonPhoneProof)
		w.must(w.decide(n, mine, s, devicebind.VerdictApprove, number))
	})
}

func TestT137_RaceOfPhones(t *testing.T) {
	onBoth(t, func(w *world) {
		phones := make([]*devicebind.ScanRequest, 32)
		pg := w.page("docs")
		code := w.nodes[0].codes.Make(pg.flow, pc).Text
		for i := range phones {
			req, err := w.phone(w.person()).NewScan(code, w.clock())
			w.must(err)
			phones[i] = req
		}
		ok, failed := together(32, func(i int) error {
			_, err := w.nodes[i%2].attempts.Scan(w.ctx, *phones[i])
			return err
		})
		if ok != 1 {
			w.Fatalf("%d phones hold one attempt", ok)
		}
		for _, err := range failed {
			w.denied(err, devicebind.ReasonAttemptTaken)
		}
	})
}

func TestT137_SessionsOfAStoppedPhoneEnd(t *testing.T) {
	onBoth(t, func(w *world) {
		for name, stop := range map[string]func(id string) error{
			"revoked":   func(id string) error { return w.nodes[1].devices.RevokeFor(w.ctx, id, "helpdesk", "stolen") },
			"suspended": func(id string) error { return w.nodes[1].devices.SuspendFor(w.ctx, id, true, "helpdesk", "lost") },
		} {
			who := w.person()
			stopped, other := w.phone(who), w.phone(who)
			w.login(who.Person, idp.Evidence{Method: idp.MethodPhone, Device: stopped.DeviceID, Near: true})
			left := w.login(who.Person, idp.Evidence{Method: idp.MethodPhone, Device: other.DeviceID, Near: true})
			w.must(stop(stopped.DeviceID))
			sessions, err := w.nodes[0].db.PersonSessions(w.ctx, who.Person.ID, w.clock())
			w.must(err)
			found := false
			for _, s := range sessions {
				found = found || s.ID == left.Session.ID
				if s.Evidence[0].Device == stopped.DeviceID {
					w.Fatalf("%s: its session goes on", name)
				}
			}
			if !found || len(sessions) != 2 { // the card's and the other phone's
				w.Fatalf("%s: %d sessions", name, len(sessions))
			}
		}
	})
}

// open keeps a session for an approval, as the login of that page does.
func (w *world) open(n *node, pg page, used *devicebind.Used, id string) error {
	token := sha256.Sum256([]byte(id))
	now := w.clock()
	s := &idp.Session{ID: id, PersonID: used.PersonID, CreatedAt: now, SeenAt: now, EndsAt: now.Add(time.Hour),
		Evidence: []idp.Evidence{{Method: idp.MethodPhone, At: now, Device: used.DeviceID, Near: true}}}
	a := session.Approval{Flow: pg.flow, Browser: pg.browser, PersonID: used.PersonID, Known: token[:]}
	return n.db.CreateByPhone(w.ctx, s, token[:], nil, a, used.Event)
}

// noSession fails where the phone still has one.
func (w *world) noSession(who devicebind.Who, deviceID string) {
	w.Helper()
	list, err := w.nodes[0].db.PersonSessions(w.ctx, who.Person.ID, w.clock())
	w.must(err)
	for _, s := range list {
		if s.Evidence[0].Device == deviceID {
			w.Fatalf("session %s of the phone goes on", s.ID)
		}
	}
}

// notKnown fails where the browser of that session is known as the person's.
func (w *world) notKnown(who devicebind.Who, id string) {
	w.Helper()
	browser := sha256.Sum256([]byte(id))
	if _, err := w.nodes[0].db.KnownBrowser(w.ctx, who.Person.ID, browser[:]); !errors.Is(err, idp.ErrNotFound) {
		w.Fatalf("the browser is known: %v", err)
	}
}

// TestT137_StoppedBetweenApprovalAndSession: the node found everything in order,
// and then another one ended phone, card or person before the session was kept.
func TestT137_StoppedBetweenApprovalAndSession(t *testing.T) {
	for _, s := range stops {
		if s.name == "locked" {
			continue // a lock-out stops what comes later
		}
		t.Run(s.name, func(t *testing.T) {
			onBoth(t, func(w *world) {
				who := w.person()
				p := w.phone(who)
				n, pg := w.nodes[0], w.approved(p)
				used, err := n.attempts.Approved(w.ctx, pg.flow, pg.browser)
				w.must(err)
				s.do(w, who, p)
				err = w.open(n, pg, used, "late")
				if !errors.Is(err, idp.ErrUsed) {
					w.Fatalf("the session is kept: %v", err)
				}
				w.denied(n.attempts.Settle(w.ctx, pg.flow, pg.browser, err), devicebind.ReasonPhoneUnusable, devicebind.ReasonAttemptOver)
				w.noSession(who, p.DeviceID)
				w.notKnown(who, "late")
				// Nor does it raise a session of before.
				now := w.clock()
				old, fresh := w.login(who.Person, idp.Evidence{Method: idp.MethodPassword}), sha256.Sum256([]byte("fresh"))
				hash := sha256.Sum256([]byte(old.Session.ID))
				err = n.db.RenewByPhone(w.ctx, hash[:], fresh[:], []idp.Evidence{{Method: idp.MethodPhone, At: now, Device: p.DeviceID}}, now,
					session.Approval{Flow: pg.flow, Browser: pg.browser, PersonID: used.PersonID})
				if !errors.Is(err, idp.ErrUsed) {
					w.Fatalf("the session is raised: %v", err)
				}
			})
		})
	}
}

// TestT137_RaceOfStopAndSession: whichever comes first, nothing of the phone is
// left after it was stopped.
func TestT137_RaceOfStopAndSession(t *testing.T) {
	onBoth(t, func(w *world) {
		for _, s := range stops {
			if s.name == "locked" || s.name == "disabled" || s.name == "departed" {
				continue // a disabled person's sessions open nothing, and are not ended
			}
			for i := range 6 {
				who := w.person()
				p := w.phone(who)
				n, pg := w.nodes[0], w.approved(p)
				used, err := n.attempts.Approved(w.ctx, pg.flow, pg.browser)
				w.must(err)
				id := w.id("race")
				_, failed := together(2, func(k int) error {
					if k == 0 {
						s.do(w, who, p)
						return nil
					}
					time.Sleep(time.Duration(i) * 300 * time.Microsecond)
					return w.open(n, pg, used, id)
				})
				for _, err := range failed {
					if !errors.Is(err, idp.ErrUsed) {
						w.Fatalf("%s: %v", s.name, err)
					}
				}
				w.noSession(who, p.DeviceID)
				if s.name != "card unbound" { // which says nothing of the browser
					w.notKnown(who, id)
				}
			}
		}
	})
}
