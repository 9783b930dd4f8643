package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/sync"
)

const (
	standings query = `SELECT id, COALESCE(national_id_hash, $1), id_tail, updated_at, persons.name, COALESCE(agency, ''), unit, title, email, phone,
		address, state, shared, source, disabled_by, COALESCE(c.name, 0) > 0, COALESCE(c.identity, 0) > 0 FROM persons
		LEFT JOIN (SELECT person_id, MAX(CASE WHEN what = 'name' THEN 1 ELSE 0 END) AS name, MAX(CASE WHEN what = 'national_id' THEN 1 ELSE 0 END) AS identity
			FROM admin_changes WHERE what <> 'password' AND EXISTS (SELECT 1 FROM settings WHERE key = 'phase' AND value <> 'coexist')
			GROUP BY person_id) c ON c.person_id = persons.id`
	holdings  query = `SELECT person_id, name, kind, state FROM accounts ORDER BY position, name`
	allPosts  query = `SELECT person_id, agency, unit, title, source FROM posts ORDER BY position`
	allUnits  query = `SELECT code, name, '', parent FROM agencies UNION ALL SELECT agency, '', name, parent FROM units`
	allBound  query = `SELECT portal, tpead FROM bindings`
	retired   query = `SELECT name FROM used_names u WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.name = u.name)`
	putUnit   query = `INSERT INTO units (agency, name, parent) VALUES ($1, $2, $3) ON CONFLICT (agency, name) DO UPDATE SET parent = excluded.parent`
	putBranch query = `INSERT INTO agencies (code, name, parent) VALUES ($1, $2, $3)
		ON CONFLICT (code) DO UPDATE SET name = excluded.name, parent = excluded.parent`

	addFed query = `INSERT INTO persons (id, subject, name, agency, unit, title, email, phone, address, id_tail, username, state,
			has_password, national_id, national_id_hash, updated_at, source, shared)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, FALSE, $13, $14, $15, $16, $17)`
	updateFed query = `UPDATE persons SET name = $3, agency = $4, unit = $5, title = $6, email = $7, phone = $8, address = $9, state = $10,
			source = $11, shared = $12, updated_at = $13 WHERE id = $1 AND updated_at = $2`
	updateIdentity query = `UPDATE persons SET national_id = $2, national_id_hash = $3, id_tail = $4 WHERE id = $1`
	noteChange     query = `INSERT INTO history (person_id, id, at, actor, kind, changes) VALUES ($1, $2, $3, $4, $5, $6)`
	// Without the person as written just now there is no person_id, which the
	// table refuses: the whole transaction is undone.
	noteChangeIf query = `INSERT INTO history (person_id, id, at, actor, kind, changes)
		VALUES ((SELECT id FROM persons WHERE id = $1 AND updated_at = $3), $2, $3, $4, $5, $6)`
	changeDone query = `UPDATE sync_changes SET state = 'done' WHERE run_id = $1 AND seq = $2`
	changeFail query = `UPDATE sync_changes SET state = 'failed', reason = $3 WHERE run_id = $1 AND seq = $2 AND state = 'waiting'`

	keepHolding query = `UPDATE accounts SET position = $3, state = $4 WHERE name = $1 AND person_id = $2`
	// A name that is another's meets the primary key.
	newHolding query = `INSERT INTO accounts (name, kind, person_id, position, state, agency)
		SELECT $1, $2, $3, CAST($4 AS BIGINT), $5, COALESCE((SELECT agency FROM persons WHERE id = $3), '') WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE name = $1 AND person_id = $3)`
	turnHolding query = `INSERT INTO directory_effects (person_id, id, kind, account, former, state, made_at, due_at, tries, lease, fault)
		SELECT $1, $2, CAST($3 AS TEXT), $4, '', 'waiting', CAST($5 AS BIGINT), CAST($5 AS BIGINT), 0, '', ''
		FROM accounts a JOIN persons p ON p.id = a.person_id
		WHERE a.name = $4 AND a.person_id = $1 AND a.state = $6 AND p.state = 'enabled'`
	leaveShared query = `UPDATE persons SET state = 'departed', updated_at = $2
		WHERE shared AND id IN (SELECT person_id FROM accounts WHERE name = $1)`
	endSharedSessions query = `UPDATE sessions SET ended_at = $2 WHERE ended_at = 0 AND person_id IN (SELECT p.id FROM persons p
		JOIN accounts a ON a.person_id = p.id WHERE a.name = $1 AND p.shared)`
	endSharedGrants query = `UPDATE grants SET revoked_at = $2 WHERE revoked_at = 0 AND person_id IN (SELECT p.id FROM persons p
		JOIN accounts a ON a.person_id = p.id WHERE a.name = $1 AND p.shared)`
	moveHolding query = `UPDATE accounts SET person_id = $2 WHERE name = $1
		AND person_id IN (SELECT id FROM persons WHERE shared)`
	removePosts query = `DELETE FROM posts WHERE person_id = $1`
	addPost     query = `INSERT INTO posts (person_id, position, agency, unit, title, source) VALUES ($1, $2, $3, $4, $5, $6)`
	// The name by which systems know the person follows, if it is that account.
	moveUsername query = `UPDATE persons SET username = $3 WHERE id = $1 AND username = $2`
	moveBinding  query = `UPDATE bindings SET portal = $3 WHERE portal = $2 AND person_id = $1`
	addBinding   query = `INSERT INTO bindings (portal, tpead, person_id, how, bound_at) VALUES ($1, $2, $3, $4, $5)`
	useName      query = `INSERT INTO used_names (name, given_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`
)

// Standings implements sync.People.
func (s *Store) Standings(ctx context.Context, yield func(*directory.Standing) error) error {
	var g *gathering
	err := s.read(ctx, func(r runner) error {
		g = &gathering{byID: map[string]*directory.Standing{}, shared: map[string]string{}}
		if err := r.rows(with(standings, []byte{}), g.person); err != nil {
			return err
		}
		if err := r.rows(with(holdings), g.account); err != nil {
			return err
		}
		return r.rows(with(allPosts), g.post)
	})
	if err != nil {
		return err
	}
	for i, p := range g.order {
		g.order[i] = nil
		if err := yield(p); err != nil {
			return err
		}
	}
	return nil
}

// gathering puts people together from three tables.
type gathering struct {
	order  []*directory.Standing
	byID   map[string]*directory.Standing
	shared map[string]string // texts that many people have, kept once
}

func (g *gathering) intern(text *string) {
	if kept, ok := g.shared[*text]; ok {
		*text = kept
	} else {
		g.shared[*text] = *text
	}
}

func (g *gathering) person(scan scan) error {
	p := &directory.Standing{}
	var hash []byte
	if err := scan(&p.ID, &hash, &p.IDTail, moment{&p.UpdatedAt}, &p.Name, &p.Agency, &p.Unit, &p.Title, &p.Email, &p.Phone,
		&p.Address, &p.State, &p.Shared, &p.Source, &p.DisabledBy, &p.NameByHand, &p.IdentityByHand); err != nil {
		return err
	}
	p.IDHash = string(hash)
	for _, text := range []*string{&p.Agency, &p.Unit, &p.Title, &p.Address, &p.Source, &p.DisabledBy, (*string)(&p.State)} {
		g.intern(text)
	}
	g.order, g.byID[p.ID] = append(g.order, p), p
	return nil
}

func (g *gathering) account(scan scan) error {
	var id, state string
	var h directory.Holding
	if err := scan(&id, &h.Name, &h.Kind, &state); err != nil {
		return err
	}
	g.intern((*string)(&h.Kind))
	h.Closed = state == closed
	if p := g.byID[id]; p != nil {
		p.Accounts = append(p.Accounts, h)
	}
	return nil
}

func (g *gathering) post(scan scan) error {
	var id string
	var post directory.Post
	if err := scan(&id, &post.Agency, &post.Unit, &post.Title, &post.Source); err != nil {
		return err
	}
	if p := g.byID[id]; p != nil {
		p.Posts = append(p.Posts, post)
	}
	return nil
}

// closed is an account's state that is no longer to be logged in by.
const closed = "disabled"

func accountState(isClosed bool) string {
	if isClosed {
		return closed
	}
	return "active"
}

// Units implements sync.People.
func (s *Store) Units(ctx context.Context) ([]directory.Unit, error) {
	var found []directory.Unit
	err := s.read(ctx, func(r runner) error {
		found = nil
		return r.rows(with(allUnits), func(scan scan) error {
			var u directory.Unit
			if err := scan(&u.Agency, &u.AgencyName, &u.Name, &u.Parent); err != nil {
				return err
			}
			found = append(found, u)
			return nil
		})
	})
	return found, err
}

// Names implements sync.People.
func (s *Store) Names(ctx context.Context) (bound map[string]string, gone map[string]bool, err error) {
	err = s.read(ctx, func(r runner) error {
		bound, gone = map[string]string{}, map[string]bool{}
		if err := r.rows(with(allBound), func(scan scan) error {
			var portal, tpead string
			err := scan(&portal, &tpead)
			bound[portal] = tpead
			return err
		}); err != nil {
			return err
		}
		return r.rows(with(retired), func(scan scan) error {
			var name string
			err := scan(&name)
			gone[name] = true
			return err
		})
	})
	return bound, gone, err
}

// Apply implements sync.People.
func (s *Store) Apply(ctx context.Context, run *sync.Run, c *directory.Change, at time.Time) error {
	var list []statement
	switch {
	case c.Unit != nil && c.Unit.Name != "":
		list = []statement{with(putUnit, c.Unit.Agency, c.Unit.Name, c.Unit.Parent)}
	case c.Unit != nil:
		list = []statement{with(updateAgency, c.Unit.Agency, directory.EffectUpdate, "agency/"+historyID(run.ID, c.Seq), micros(at), c.Unit.AgencyName),
			with(putBranch, c.Unit.Agency, c.Unit.AgencyName, c.Unit.Parent)}
	case c.Kind == directory.ChangeAdd:
		list = adding(run, c, at)
	default:
		list = updating(run, c, at)
	}
	list = append(list, with(changeDone, run.ID, c.Seq))
	err := s.all(ctx, list)
	switch {
	case errors.Is(err, errDuplicate):
		return fmt.Errorf("%w: %w", idp.ErrConflict, err)
	case missing(err):
		return fmt.Errorf("%w: %w", sync.ErrStale, err)
	}
	return err
}

// missing tells whether a NOT NULL column got nothing.
func missing(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code() == sqlite3.SQLITE_CONSTRAINT_NOTNULL
	}
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "23502" // not_null_violation
}

func adding(run *sync.Run, c *directory.Change, at time.Time) []statement {
	p, id := c.To, c.Identity
	if id == nil {
		id = &directory.Identity{}
	}
	username := ""
	if len(p.Accounts) > 0 {
		username = p.Accounts[0].Name
	}
	list := []statement{with(addFed, c.PersonID, directory.NewID(), p.Name, p.Agency, p.Unit, p.Title, p.Email, p.Phone, p.Address, id.Tail,
		username, string(p.State), id.Sealed, id.Hash, micros(at), p.Source, p.Shared)}
	list = append(list, moving(c, at)...)
	for i, a := range p.Accounts {
		state := accountState(a.Closed)
		if slices.Contains(c.Moved, a.Name) {
			list = append(list, with(keepHolding, a.Name, c.PersonID, int64(i), state))
		}
		list = append(list, with(newHolding, a.Name, string(a.Kind), c.PersonID, int64(i), state))
	}
	list = append(list, postsOf(c)...)
	list = append(list, bindings(c, at)...)
	return append(list, with(noteChange, c.PersonID, historyID(run.ID, c.Seq), micros(at), "sync:"+run.Source, string(c.Kind), text(c.Fields)))
}

func historyID(run string, seq int64) string { return fmt.Sprintf("%s/%d", run, seq) }

func updating(run *sync.Run, c *directory.Change, at time.Time) []statement {
	p := c.To
	var agency any // NULL for none
	if p.Agency != "" {
		agency = p.Agency
	}
	list := []statement{
		with(updateFed, c.PersonID, micros(c.Base), p.Name, agency, p.Unit, p.Title, p.Email, p.Phone, p.Address, string(p.State),
			p.Source, p.Shared, micros(at)),
		with(noteChangeIf, c.PersonID, historyID(run.ID, c.Seq), micros(at), "sync:"+run.Source, string(c.Kind), text(c.Fields)),
	}
	if c.Identity != nil {
		list = append(list, with(updateIdentity, c.PersonID, c.Identity.Sealed, c.Identity.Hash, c.Identity.Tail),
			with(endPersonSessions, c.PersonID, micros(at)), with(endPersonGrants, c.PersonID, micros(at)))
	}
	list = append(list, moving(c, at)...)
	told := false // once, of all that changed
	for _, f := range c.Fields {
		switch f.Field {
		case "name", "agency", "unit", "title":
			told = true
		case "accounts":
			for i, a := range p.Accounts {
				state := accountState(a.Closed)
				list = append(list, turning(run, c, a, at)...)
				list = append(list, with(keepHolding, a.Name, c.PersonID, int64(i), state),
					with(newHolding, a.Name, string(a.Kind), c.PersonID, int64(i), state))
			}
		case "posts":
			list = append(append(list, with(removePosts, c.PersonID)), postsOf(c)...)
		}
	}
	// With whom is enabled also what was changed before.
	if (told || c.Kind == directory.ChangeEnable) && p.State == idp.PersonEnabled {
		list = append(list, telling(c.PersonID, historyID(run.ID, c.Seq), at))
	}
	return append(append(list, bindings(c, at)...), switching(run, c, at)...)
}

// moving takes accounts over from a shared one, whose sessions end: they were
// nobody's, and are not the person's.
func moving(c *directory.Change, at time.Time) (list []statement) {
	for _, name := range c.Moved {
		list = append(list, with(endSharedSessions, name, micros(at)), with(endSharedGrants, name, micros(at)),
			with(noteLeft, name, "leave/"+directory.NewID(), micros(at), "sync", leftFields), with(leaveShared, name, micros(at)), with(moveHolding, name, c.PersonID))
	}
	return list
}

// switching has the person's directory told that they were disabled or enabled.
func switching(run *sync.Run, c *directory.Change, at time.Time) (list []statement) {
	if c.Kind != directory.ChangeDisable && c.Kind != directory.ChangeEnable {
		return nil
	}
	for _, a := range c.To.Accounts {
		if a.Kind == idp.AccountTPEAD || a.Kind == idp.AccountSingle {
			if a.Closed && c.Kind == directory.ChangeEnable {
				continue // it stays closed, whatever its person is
			}
			list = append(list, with(addEffect, c.PersonID, historyID(run.ID, c.Seq)+"/"+a.Name, string(c.Kind), a.Name, "", micros(at)))
		}
	}
	return list
}

// turning has the directory told of one account that is closed or opened while its
// person goes on.
func turning(run *sync.Run, c *directory.Change, a directory.Holding, at time.Time) []statement {
	if c.Kind != directory.ChangeUpdate || a.Kind != idp.AccountTPEAD && a.Kind != idp.AccountSingle {
		return nil
	}
	kind := directory.EffectEnable
	if a.Closed {
		kind = directory.EffectDisable
	}
	return []statement{with(turnHolding, c.PersonID, historyID(run.ID, c.Seq)+"/"+a.Name, kind, a.Name, micros(at), accountState(!a.Closed))}
}

func postsOf(c *directory.Change) (list []statement) {
	for i, p := range c.To.Posts {
		list = append(list, with(addPost, c.PersonID, int64(i+1), p.Agency, p.Unit, p.Title, p.Source))
	}
	return list
}

func bindings(c *directory.Change, at time.Time) (list []statement) {
	for _, r := range c.Renamed {
		list = append(list, with(moveUsername, c.PersonID, r[0], r[1]), with(moveBinding, c.PersonID, r[0], r[1]))
	}
	for _, b := range c.Bind {
		list = append(list, with(addBinding, b[0], b[1], c.PersonID, "feed", micros(at)), with(useName, b[1], micros(at)))
	}
	return list
}

// FailChange implements sync.People.
func (s *Store) FailChange(ctx context.Context, runID string, seq int64, reason string) error {
	_, err := s.one(ctx, with(changeFail, runID, seq, reason))
	return err
}
