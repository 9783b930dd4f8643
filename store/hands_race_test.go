package store

import (
	"context"
	"errors"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// adminChanges are all that an administrator changes of p1, whose card c1 and
// portal account are bound and for whom w1 waits.
func adminChanges(s *Store) map[string]func(ctx context.Context) error {
	by, at := "person:x", noon.Add(time.Minute)
	e := idp.Event{At: at, Kind: "test", Result: "ok", PersonID: "p1", Actor: by, Detail: "r"}
	return map[string]func(ctx context.Context) error{
		"unbind":      func(ctx context.Context) error { return s.Unbind(ctx, "p1-portal", by, "r", at, e) },
		"unbind-card": func(ctx context.Context) error { return s.UnbindCard(ctx, "c1", at, e) },
		"unlock":      func(ctx context.Context) error { return s.Unlock(ctx, []string{"person p1"}, e) },
		"may-unlock":  func(ctx context.Context) error { return s.MayUnlock(ctx, by, "p1") },
		"reset": func(ctx context.Context) error {
			return s.SetPassword(ctx, directory.NewPassword{PersonID: "p1", Reset: true, Actor: by, Sealed: []byte("s"), Hash: "$argon2id$new", Keep: 3, At: at}, e)
		},
		"reset elsewhere": func(ctx context.Context) error {
			return s.BeginPassword(ctx, directory.Intent{ID: "i", PersonID: "p1", Account: "p1-tpead", Secret: []byte("s"), MadeAt: at, DueAt: at, EndsAt: at,
				New: directory.NewPassword{PersonID: "p1", Reset: true, Actor: by, At: at}})
		},
		"correct": func(ctx context.Context) error {
			return s.Correct(ctx, directory.Correction{PersonID: "p1", Name: "改名", Hand: directory.Hand{Actor: by}, Reason: "r", At: at}, e)
		},
		"approve": func(ctx context.Context) error {
			_, err := s.ApproveCard(ctx, directory.Decision{ID: "w1", PersonID: "x", Reason: "r", At: at}, e)
			return err
		},
		"refuse": func(ctx context.Context) error {
			_, err := s.RefuseCard(ctx, directory.Decision{ID: "w1", PersonID: "x", Reason: "r", At: at}, e)
			return err
		},
	}
}

func changeable(t *testing.T, s *Store) {
	t.Helper()
	r := record("p1")
	r.Accounts = append(r.Accounts, idp.Account{Name: "p1-portal", Kind: idp.AccountPortal, PersonID: "p1"})
	must(t, s.PutPerson(t.Context(), r))
	must(t, s.SetPhase(t.Context(), policy.PhaseCoexist, policy.PhaseDirectory, noon))
	must(t, s.Bind(t.Context(), directory.Binding{Portal: "p1-portal", TPEAD: "p1-claimed", PersonID: "p1", How: "self", At: noon}, "test"))
	must(t, s.BindCard(t.Context(), someCard("p1", "c1", "1", "f")))
	addPerson(t, s, "x")
	p, err := s.Person(t.Context(), "p1")
	must(t, err)
	must(t, s.WaitCard(t.Context(), &directory.WaitingCard{ID: "w1", Person: *p, Card: *someCard("p1", "c1", "1", "f"), AskedAt: noon, EndsAt: noon.Add(time.Hour)}))
}

// traces is what the changes leave of p1.
func traces(t *testing.T, s *Store) (found [6]string) {
	t.Helper()
	must(t, s.read(t.Context(), func(r runner) error {
		for i, q := range []query{
			"SELECT CAST(COUNT(*) AS TEXT) FROM bindings", "SELECT CAST(COUNT(*) AS TEXT) FROM cards WHERE unbound_at = 0",
			"SELECT CAST(COUNT(*) AS TEXT) FROM admin_changes", "SELECT CAST(COUNT(*) AS TEXT) FROM password_intents",
			"SELECT name FROM persons WHERE id = 'p1'", "SELECT state FROM waiting_cards",
		} {
			if err := r.row(with(q), &found[i]); err != nil {
				return err
			}
		}
		return nil
	}))
	return found
}

// A role that is taken away, or an administrator who is disabled, while a change
// is on its way: the change sees it, whichever is first to be kept, and leaves
// nothing, not its event either.
func TestT179_TheRoleIsAskedInTheChange(t *testing.T) {
	role := policy.Role{Kind: policy.RolePeople, Agency: "379"}
	for name := range adminChanges(nil) {
		for what, end := range map[string][]statement{
			"revoked":  {with(revokeRole, "x", string(role.Kind), role.Agency)},
			"disabled": {with(setState, "x", "disabled", micros(noon), "hand")},
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				storeTest(t, func(t *testing.T, s *Store) {
					changeable(t, s)
					must(t, s.GrantRole(t.Context(), Granted{Role: role, Person: idp.Person{ID: "x"}, By: "r", At: noon, Reason: "r"}))
					change, former := adminChanges(s)[name], traces(t, s)
					taking, done, take := make(chan struct{}), make(chan error, 1), make(chan error, 1)
					go func() {
						take <- s.write(t.Context(), func(r runner) error {
							for _, st := range end {
								if _, err := r.exec(st); err != nil {
									return err
								}
							}
							close(taking)
							select {
							case <-done: // it did not wait
								return errors.New("the change was faster")
							case <-time.After(150 * time.Millisecond):
								return nil
							}
						})
					}()
					<-taking
					if name == "may-unlock" { // a question, which waits for nobody
						must(t, <-take)
					}
					err := change(t.Context())
					done <- err
					if name != "may-unlock" {
						must(t, <-take)
					}
					if !errors.Is(err, directory.ErrNoRole) && !errors.Is(err, idp.ErrNotFound) {
						t.Errorf("%v", err)
					}
					if now := traces(t, s); now != former {
						t.Errorf("%v, was %v", now, former)
					}
					if events, err := s.Events(t.Context(), EventFilter{PersonID: "p1", Limit: 9}); err != nil || len(events) > 0 {
						t.Errorf("%+v %v", events, err)
					}
				})
			})
		}
		t.Run(name+" with the role", func(t *testing.T) {
			storeTest(t, func(t *testing.T, s *Store) {
				changeable(t, s)
				must(t, s.GrantRole(t.Context(), Granted{Role: role, Person: idp.Person{ID: "x"}, By: "r", At: noon, Reason: "r"}))
				must(t, adminChanges(s)[name](t.Context()))
			})
		})
	}
}
