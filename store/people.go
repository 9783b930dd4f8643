package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

const (
	accountColumns query = `name, kind, person_id, state <> 'active' OR pending, must_set, given, agency`
	accountByName  query = `SELECT ` + accountColumns + ` FROM accounts WHERE name = $1`
	accountsOf     query = `SELECT ` + accountColumns + ` FROM accounts WHERE person_id = $1 ORDER BY position, name`
	personByID     query = `SELECT ` + personColumns + ` FROM persons p` + agencyJoin + ` WHERE p.id = $1`
	passwordHash   query = `SELECT hash FROM passwords WHERE person_id = $1`
	setState       query = `UPDATE persons SET state = $2, disabled_by = $4, updated_at = $3 WHERE id = $1`
	switchAll      query = `INSERT INTO directory_effects (id, person_id, kind, account, former, state, made_at, due_at, tries, lease, fault)
		SELECT CAST($2 AS TEXT) || '/' || name, person_id, CAST($3 AS TEXT), name, '', 'waiting', CAST($4 AS BIGINT), CAST($4 AS BIGINT), 0, '', ''
		FROM accounts WHERE person_id = $1 AND kind IN ('tpead', 'single') AND (state = 'active' OR CAST($3 AS TEXT) = 'disable')`
	putAgency   query = `INSERT INTO agencies (code, name) VALUES ($1, $2) ON CONFLICT (code) DO UPDATE SET name = excluded.name`
	putPassword query = `INSERT INTO passwords (person_id, hash, updated_at) VALUES ($1, $2, $3)
		ON CONFLICT (person_id) DO UPDATE SET hash = excluded.hash, updated_at = excluded.updated_at`
	removeAccounts query = `DELETE FROM accounts WHERE person_id = $1`
	insertAccount  query = `INSERT INTO accounts (name, kind, person_id, position, agency)
		VALUES ($1, $2, $3, $4, COALESCE((SELECT agency FROM persons WHERE id = $3), ''))`
	// The subject stays what it was, and so does the state of who is disabled only
	// because their directory says so: relying systems know the person by it.
	putPerson query = `INSERT INTO persons (id, subject, name, agency, unit, title, email, phone, address, id_tail, username, state,
			has_password, national_id, national_id_hash, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, agency = excluded.agency, unit = excluded.unit, title = excluded.title,
			email = excluded.email, phone = excluded.phone, address = excluded.address, id_tail = excluded.id_tail,
			username = excluded.username,
			state = CASE WHEN persons.closed_at > 0 AND persons.state = 'enabled' AND excluded.state = 'disabled' THEN persons.state ELSE excluded.state END, has_password = (persons.has_password OR excluded.has_password),
			national_id = COALESCE(excluded.national_id, persons.national_id),
			national_id_hash = COALESCE(excluded.national_id_hash, persons.national_id_hash), updated_at = excluded.updated_at`
)

// Account implements directory.Accounts.
func (s *Store) Account(ctx context.Context, name string) (*idp.Account, error) {
	a := &idp.Account{}
	err := s.read(ctx, func(r runner) error { return r.row(with(accountByName, name), accountInto(a)...) })
	if err != nil {
		return nil, err
	}
	return a, nil
}

func accountInto(a *idp.Account) []any {
	return []any{&a.Name, &a.Kind, &a.PersonID, &a.Closed, &a.MustSet, &a.Given, &a.Agency}
}

// AccountsOf implements directory.Accounts.
func (s *Store) AccountsOf(ctx context.Context, personID string) ([]idp.Account, error) {
	var found []idp.Account
	err := s.read(ctx, func(r runner) error {
		return r.rows(with(accountsOf, personID), func(scan scan) error {
			var a idp.Account
			if err := scan(accountInto(&a)...); err != nil {
				return err
			}
			found = append(found, a)
			return nil
		})
	})
	return found, err
}

// Person implements directory.Accounts.
func (s *Store) Person(ctx context.Context, id string) (*idp.Person, error) {
	p := &idp.Person{}
	if err := s.read(ctx, func(r runner) error { return r.row(with(personByID, id), personInto(p)...) }); err != nil {
		return nil, err
	}
	return p, nil
}

// PasswordHash implements directory.Accounts.
func (s *Store) PasswordHash(ctx context.Context, personID string) (string, error) {
	var hash string
	err := s.read(ctx, func(r runner) error { return r.row(with(passwordHash, personID), &hash) })
	if errors.Is(err, idp.ErrNotFound) {
		return "", nil
	}
	return hash, err
}

// SetState implements directory.Accounts; idp.ErrNotFound for nobody.
func (s *Store) SetState(ctx context.Context, personID string, state idp.PersonState, at time.Time, events ...idp.Event) error {
	by, kind := "", directory.EffectEnable
	if state != idp.PersonEnabled {
		by, kind = "hand", directory.EffectDisable
		if len(events) > 0 && events[0].Actor != "" {
			by = events[0].Actor
		}
	}
	return s.write(ctx, func(r runner) error {
		var was idp.PersonState
		var hash []byte
		if err := r.row(with(stateBefore, personID, []byte{}), &was, &hash); err != nil {
			return translate(err)
		}
		n, err := r.exec(with(setState, personID, string(state), micros(at), by))
		if err != nil {
			return err
		}
		if n == 0 {
			return idp.ErrNotFound
		}
		if _, err := r.exec(with(switchAll, personID, "state/"+directory.NewID(), kind, micros(at))); err != nil {
			return err
		}
		if was != state {
			fields := withReason([]directory.FieldChange{{Field: "state", Old: string(was), New: string(state)}}, events)
			if err := noteChanges(r, personID, kind, at, events, fields); err != nil {
				return err
			}
			if state == idp.PersonEnabled { // what was changed before was told nobody
				if _, err := r.exec(telling(personID, directory.NewID(), at)); err != nil {
					return err
				}
			}
		}
		return keep(r, events)
	})
}

// PutPerson implements directory.Accounts. The accounts given are afterwards
// all that the person has.
func (s *Store) PutPerson(ctx context.Context, rec directory.Record, events ...idp.Event) error {
	p := rec.Person
	var agency any // NULL for none
	list := make([]statement, 0, 4+len(rec.Accounts))
	if p.Agency.Code != "" {
		agency = p.Agency.Code
		list = append(list, with(putAgency, p.Agency.Code, p.Agency.Name))
	}
	list = append(list,
		with(putPerson, p.ID, p.Subject, p.Name, agency, p.Unit, p.Title, p.Email, p.Phone, p.Address, p.IDTail,
			username(rec), string(p.State), rec.PasswordHash != "", rec.NationalID, rec.NationalIDHash, micros(p.UpdatedAt)),
		with(removeAccounts, p.ID))
	for i, a := range rec.Accounts {
		list = append(list, with(insertAccount, a.Name, string(a.Kind), p.ID, int64(i)))
	}
	if rec.PasswordHash != "" {
		list = append(list, with(putPassword, p.ID, rec.PasswordHash, micros(p.UpdatedAt)))
	}
	err := s.write(ctx, func(r runner) error {
		var was before
		if err := was.read(r, p.ID); err != nil {
			return err
		}
		for _, st := range list {
			if _, err := r.exec(st); err != nil {
				return err
			}
		}
		kind, fields := "register", was.changes(rec)
		if was.known {
			kind = string(directory.ChangeUpdate)
		}
		if err := noteChanges(r, p.ID, kind, p.UpdatedAt, events, fields); err != nil {
			return err
		}
		if was.known && describes(fields) {
			if _, err := r.exec(telling(p.ID, directory.NewID(), p.UpdatedAt)); err != nil {
				return err
			}
		}
		return keep(r, events)
	})
	if errors.Is(err, errDuplicate) {
		return idp.ErrConflict
	}
	return err
}

// username is what relying systems see: the single account, else the newest,
// unless the record says it.
func username(rec directory.Record) string {
	if rec.Person.Username != "" {
		return rec.Person.Username
	}
	name := ""
	for _, a := range rec.Accounts {
		if a.Kind == idp.AccountSingle {
			return a.Name
		}
		name = a.Name
	}
	return name
}
