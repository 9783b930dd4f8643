package directory

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/policy"
)

// check holds a new password against the rules that need no look at old ones.
func (p *Passwords) check(ctx context.Context, person *idp.Person, password string) error {
	names, err := p.Own(ctx, person)
	if err != nil {
		return err
	}
	faults := p.Rules.Check(password, names)
	if len(faults) == 0 && p.Leaked != nil {
		leaked, err := p.Leaked.Has(password)
		if err != nil {
			return fmt.Errorf("look into the list of leaked passwords: %w: %w", idp.ErrUnavailable, err)
		}
		if leaked {
			faults = append(faults, policy.FaultLeaked)
		}
	}
	if len(faults) > 0 {
		return &policy.FaultsError{Faults: faults}
	}
	return nil
}

// used tells whether it is the present password or one of the last.
func (p *Passwords) used(ctx context.Context, personID, old, password string, standing *PasswordStanding) (bool, error) {
	if old != "" && old == password {
		return true, nil
	}
	if p.Rules.History == 0 {
		return false, nil
	}
	present, err := p.Gate.Accounts.PasswordHash(ctx, personID)
	if err != nil {
		return false, fmt.Errorf("read password hash: %w", err)
	}
	hashes := []string{present}
	for i, sealed := range standing.History {
		if i == p.Rules.History {
			break
		}
		hash, err := p.Open(sealed, historyContext(personID))
		if err != nil {
			return false, fmt.Errorf("open password history: %w", err)
		}
		hashes = append(hashes, string(hash))
	}
	for i, hash := range hashes {
		if hash == "" || i > 0 && hash == present {
			continue
		}
		if same, err := p.Gate.Hasher.Verify(ctx, hash, password); err != nil || same {
			return same, err
		}
	}
	return false, nil
}

func historyContext(personID string) string { return "password-history/" + personID }

// set sets a password that was checked, where it is looked at, with all that
// follows from it.
func (p *Passwords) set(ctx context.Context, person *idp.Person, account *idp.Account, password string, h how) (*Changed, error) {
	backend, err := p.Gate.backend(ctx, *account)
	if err != nil {
		return nil, err
	}
	_, here := backend.(Local)
	if !here {
		if _, err := p.Finish(ctx, person.ID); err != nil {
			return nil, err
		}
	}
	standing, err := p.Keeper.PasswordStanding(ctx, person.ID)
	if err != nil {
		return nil, fmt.Errorf("read standing: %w", err)
	}
	used, err := p.used(ctx, person.ID, h.old, password, standing)
	if err != nil {
		return nil, err
	}
	if used {
		return nil, &policy.FaultsError{Faults: []policy.Fault{policy.FaultUsed}}
	}
	n, err := p.prepare(ctx, account, password, h)
	if err != nil {
		return nil, err
	}
	n.Since = standing.ChangedAt
	if len(standing.History) == 0 {
		former, err := p.Gate.Accounts.PasswordHash(ctx, person.ID)
		if err != nil {
			return nil, fmt.Errorf("read password hash: %w", err)
		}
		if former != "" {
			n.Former = p.Seal([]byte(former), historyContext(person.ID))
		}
	}
	if here {
		err = p.keep(ctx, person, account, n, h)
	} else {
		err = p.elsewhere(ctx, backend, account, password, n, h)
	}
	if err != nil {
		return nil, err
	}
	done := &Changed{Person: person, Account: account.Name}
	for _, d := range n.Deliveries {
		done.Mail = append(done.Mail, d.Account)
	}
	return done, nil
}

// keep sets a password that our own store looks at: all of it is one transaction.
func (p *Passwords) keep(ctx context.Context, person *idp.Person, account *idp.Account, n *NewPassword, h how) error {
	n.Letters = p.letters(Told{Kind: h.kind, Person: *person, At: n.At})
	if err := p.Keeper.SetPassword(ctx, *n, p.event(ctx, person.ID, h)); err != nil {
		return fmt.Errorf("keep new password: %w", err)
	}
	if h.kind == byCard {
		p.unlock(ctx, account.Name)
	}
	return nil
}

// prepare makes what is kept of a new password.
func (p *Passwords) prepare(ctx context.Context, account *idp.Account, password string, h how) (*NewPassword, error) {
	personID := account.PersonID
	hash, err := p.Gate.Hasher.Hash(ctx, password)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	now := p.Now()
	n := &NewPassword{
		PersonID: personID, Hash: hash, Sealed: p.Seal([]byte(hash), historyContext(personID)), Keep: p.Rules.History,
		MustChange: h.start, Reset: h.start, Actor: h.actor, Operator: h.operator, Session: h.session, At: now,
	}
	if h.first {
		n.First = account.Name
	}
	if h.start {
		life := p.StartLife
		if life <= 0 {
			life = 24 * time.Hour
		}
		n.EndsAt = now.Add(life)
	}
	accounts, err := p.Gate.Accounts.AccountsOf(ctx, personID)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	if n.Accounts, err = p.sharing(ctx, account, accounts); err != nil {
		return nil, err
	}
	if n.Deliveries, err = p.deliveries(ctx, accounts, password, h, now); err != nil {
		return nil, err
	}
	return n, nil
}

func (p *Passwords) event(ctx context.Context, personID string, h how) idp.Event {
	o := idp.OriginFrom(ctx)
	e := idp.Event{
		At: p.Now(), Kind: h.kind, Result: "ok", PersonID: personID, SessionID: h.session, Actor: h.actor, Detail: h.detail, RequestID: o.RequestID,
	}
	if o.Address.IsValid() {
		e.Address = o.Address.String()
	}
	return e
}

// letters are the mails that tell the person.
func (p *Passwords) letters(t Told) []outbox.Message {
	if p.Letters == nil {
		return nil
	}
	return p.Letters(t)
}

// drawStart draws a start password: four groups of four, without characters that
// are taken for others.
func drawStart() string {
	const from = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	out := make([]byte, 0, 19)
	var b [1]byte
	for len(out) < cap(out) {
		if len(out)%5 == 4 {
			out = append(out, '-')
			continue
		}
		rand.Read(b[:])
		if int(b[0]) < 256/len(from)*len(from) { // each of them as likely
			out = append(out, from[int(b[0])%len(from)])
		}
	}
	return string(out)
}
