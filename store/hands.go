package store

import (
	"context"
	"errors"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	// holdRoles has whoever takes a role away wait until the change is kept, or waits
	// for them and finds none.
	holdRoles query = `UPDATE roles SET granted_at = granted_at WHERE person_id = $1`
	mayAct    query = `SELECT 1 FROM persons p WHERE p.id = $2 AND p.id <> $1 AND ` + mayChange

	addOperator query = `INSERT INTO operators (account, person_id, since) SELECT CAST($1 AS TEXT), id, CAST($3 AS BIGINT) FROM persons WHERE id = $2
		ON CONFLICT (account) DO NOTHING`
	operatorOf   query = `SELECT person_id FROM operators WHERE account = $1`
	dropOperator query = `DELETE FROM operators WHERE account = $1 RETURNING person_id`
	allOperators query = `SELECT o.account, o.since, ` + personColumns + ` FROM operators o JOIN persons p ON p.id = o.person_id` + agencyJoin + ` ORDER BY o.account`
)

// byRole is in each change of a person that somebody else makes: if that is an
// administrator they need a role that reaches the person, in this transaction
// and whatever a page saw before; directory.ErrNoRole. Nobody is an administrator
// of themself. Operators without a name, and the product itself, are not asked.
func byRole(r runner, actor, personID string) error {
	administrator, ok := strings.CutPrefix(actor, directory.ActorOf(""))
	if !ok {
		return nil
	}
	for _, hold := range []query{holdPerson, holdRoles} {
		if _, err := r.exec(with(hold, administrator)); err != nil {
			return err
		}
	}
	var one int64
	err := r.row(with(mayAct, administrator, personID), &one)
	if errors.Is(translate(err), idp.ErrNotFound) {
		return directory.ErrNoRole
	}
	return err
}

// byHand is byRole, and has the operating-system account that typed it stand for
// the administrator from now on; directory.ErrOperator if it stands for another.
func (s *Store) byHand(r runner, hand directory.Hand, personID string, at time.Time) error {
	if err := byRole(r, hand.Actor, personID); err != nil {
		return err
	}
	administrator, ok := strings.CutPrefix(hand.Actor, directory.ActorOf(""))
	if !ok || hand.Operator == "" {
		return nil
	}
	return s.standFor(r, hand.Operator, administrator, at)
}

func (s *Store) standFor(r runner, operator, administrator string, at time.Time) error {
	n, err := r.exec(with(addOperator, operator, administrator, micros(at)))
	if err != nil {
		return err
	}
	if n == 0 {
		known := ""
		if err := r.row(with(operatorOf, operator), &known); err != nil {
			return err
		}
		if known != administrator {
			return directory.ErrOperator
		}
		return nil
	}
	// Who did not know that somebody acts for them is told.
	first := []idp.Event{{At: at, Kind: "admin.operator", Result: "ok", PersonID: administrator, Actor: operator}}
	if err := noteHeld(r, held{person: administrator, at: at, field: "operator", now: operator}, first); err != nil {
		return err
	}
	return s.keepTold(r, operator, first)
}

// Operator is an operating-system account and whom it stands for.
type Operator struct {
	Account string
	Person  idp.Person
	Since   time.Time
}

// Operators lists them.
func (s *Store) Operators(ctx context.Context) ([]Operator, error) {
	var found []Operator
	err := s.read(ctx, func(r runner) error {
		found = nil
		return r.rows(with(allOperators), func(scan scan) error {
			var o Operator
			if err := scan(append([]any{&o.Account, moment{&o.Since}}, personInto(&o.Person)...)...); err != nil {
				return err
			}
			found = append(found, o)
			return nil
		})
	})
	return found, err
}

// ReleaseOperator has an operating-system account stand for nobody;
// idp.ErrNotFound if it does not. What it typed before stays its own.
// directory.ErrOperator: nobody releases their own.
func (s *Store) ReleaseOperator(ctx context.Context, account, by string, events ...idp.Event) error {
	if account == by {
		return directory.ErrOperator
	}
	return s.write(ctx, func(r runner) error {
		gone := held{kind: "admin.release", at: s.atOf(events), by: by, about: account, field: "operator", old: account}
		if err := r.row(with(dropOperator, account), &gone.person); err != nil {
			return err
		}
		if err := noteHeld(r, gone, events); err != nil {
			return err
		}
		return s.keepTold(r, account, about(gone.person, "", events))
	})
}

// MayUnlock implements directory.Accounts.
func (s *Store) MayUnlock(ctx context.Context, actor, personID string) error {
	administrator, ok := strings.CutPrefix(actor, directory.ActorOf(""))
	if !ok {
		return nil
	}
	return s.read(ctx, func(r runner) error {
		var one int64
		err := r.row(with(mayAct, administrator, personID), &one)
		if errors.Is(translate(err), idp.ErrNotFound) {
			return directory.ErrNoRole
		}
		return err
	})
}
