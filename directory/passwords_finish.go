package directory

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// elsewhere sets a password that another directory looks at: first what is meant
// is kept, then it is set there, then all that follows is kept in one
// transaction. Whoever ends in between is followed by Finish.
func (p *Passwords) elsewhere(ctx context.Context, backend Backend, account *idp.Account, password string, n *NewPassword, h how) error {
	setter, ok := backend.(Setter)
	if !ok {
		return fmt.Errorf("%w: its directory is only read", ErrUnbound)
	}
	n.Hash = ""
	i := &Intent{
		ID: NewID(), PersonID: n.PersonID, Account: account.Name, New: *n, Event: p.event(ctx, n.PersonID, h),
		MadeAt: n.At, DueAt: n.At.Add(intentLease), EndsAt: n.At.Add(intentLife),
	}
	i.Secret = p.Seal([]byte(password), intentContext(i))
	err := p.Intents.BeginPassword(ctx, *i)
	if errors.Is(err, idp.ErrConflict) {
		return fmt.Errorf("another change of the password is not finished: %w", idp.ErrUnavailable)
	}
	if err != nil {
		return fmt.Errorf("keep intent: %w", err)
	}
	ctx = context.WithoutCancel(ctx) // begun: whoever hangs up leaves nothing half done
	if err := p.setInTime(ctx, i, setter, account, password, h); err != nil {
		if errors.Is(err, ErrUncertain) {
			return err // Finish asks for it
		}
		if dropped := p.Intents.DropIntent(ctx, i.ID, i.Lease); dropped != nil {
			p.Logger.WarnContext(ctx, "an intent that came to nothing is still kept", "intent", i.ID, "error", dropped)
		}
		return err
	}
	return p.complete(ctx, i)
}

// setInTime sets the password while nobody else is at the intent. Whoever stood
// still for so long that somebody may be asking soon begins nothing.
func (p *Passwords) setInTime(ctx context.Context, i *Intent, setter Setter, account *idp.Account, password string, h how) (err error) {
	left := i.DueAt.Sub(p.Now()) - intentSet
	if left <= 0 {
		return fmt.Errorf("the change was begun too long ago: %w", idp.ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	i.New.ToldAt, err = p.setThere(ctx, setter, account, password, h)
	return err
}

// setThere sets the password in the directory that looks at it. Of a start password
// it returns when the directory had it, if it tells.
func (p *Passwords) setThere(ctx context.Context, setter Setter, account *idp.Account, password string, h how) (told time.Time, err error) {
	marker, tells := setter.(Marker)
	switch {
	case h.old != "":
		err = setter.ChangeOf(ctx, *account, h.old, password)
	case h.start && tells:
		told, err = marker.SetMarked(ctx, *account, password, true)
	default:
		err = setter.SetOf(ctx, *account, password, h.start)
	}
	switch {
	case errors.Is(err, ErrRules):
		return time.Time{}, &policy.FaultsError{Faults: []policy.Fault{policy.FaultDirectory}}
	case err != nil:
		return time.Time{}, fmt.Errorf("set password in the directory: %w: %w", idp.ErrUnavailable, err)
	}
	return told, nil
}

// complete keeps all that follows from a password that its directory has.
func (p *Passwords) complete(ctx context.Context, i *Intent) error {
	person, err := p.Gate.Accounts.Person(ctx, i.PersonID)
	if err != nil {
		return fmt.Errorf("find person: %w", err)
	}
	if i.Event.Kind == byCard {
		p.unlock(ctx, i.Account)
	}
	n := i.New
	n.Intent, n.Lease = i.ID, i.Lease
	n.Letters = p.letters(Told{Kind: i.Event.Kind, Person: *person, At: n.At})
	err = p.Keeper.SetPassword(ctx, n, i.Event)
	for tries := 0; (errors.Is(err, idp.ErrConflict) || errors.Is(err, idp.ErrUsed)) && tries < 3; tries++ {
		// Something else was noted of the password at the same time, or somebody
		// else ended the intent or is at it: there, ours holds.
		n.Anyway = n.Anyway || errors.Is(err, idp.ErrUsed)
		var standing *PasswordStanding
		if standing, err = p.Keeper.PasswordStanding(ctx, i.PersonID); err == nil {
			if n.Anyway && keptAlready(&n, standing) {
				return nil
			}
			n.Since = standing.ChangedAt
			err = p.Keeper.SetPassword(ctx, n, i.Event)
		}
	}
	if err != nil {
		return fmt.Errorf("keep new password: %w", err)
	}
	return nil
}

// keptAlready tells whether somebody else kept this very password.
func keptAlready(n *NewPassword, standing *PasswordStanding) bool {
	return standing.ChangedAt.Equal(n.At.Truncate(time.Microsecond)) ||
		slices.ContainsFunc(standing.History, func(sealed []byte) bool { return bytes.Equal(sealed, n.Sealed) })
}

// Recover finishes what ended nodes began, until ctx ends.
func (p *Passwords) Recover(ctx context.Context) {
	tick := time.NewTicker(intentEvery)
	defer tick.Stop()
	for {
		if _, err := p.Finish(ctx, ""); err != nil && ctx.Err() == nil {
			p.Logger.WarnContext(ctx, "changes of passwords that were begun were not read", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Finish settles the changes that somebody began and did not end, of one person
// or, if it is empty, of all, and returns how many it took: it asks the directory
// which password is true.
func (p *Passwords) Finish(ctx context.Context, personID string) (int, error) {
	lease, now := rand.Text(), p.Now()
	list, err := p.Intents.TakeIntents(ctx, personID, lease, now, now.Add(intentLease), intentBatch)
	if err != nil {
		return 0, fmt.Errorf("take intents: %w", err)
	}
	var all sync.WaitGroup
	for i := range list {
		all.Go(func() {
			if err := p.settle(context.WithoutCancel(ctx), &list[i]); err != nil && !errors.Is(err, idp.ErrConflict) {
				p.Logger.WarnContext(ctx, "a change of a password is not finished yet", "intent", list[i].ID, "error", err)
			}
		})
	}
	all.Wait()
	return len(list), nil
}

// settle ends an intent, one way or the other, or leaves it for later.
func (p *Passwords) settle(ctx context.Context, i *Intent) error {
	has, err := p.changed(ctx, i)
	e := i.Event
	e.At = p.Now()
	switch {
	case err == nil && has:
		return p.complete(ctx, i)
	case err == nil && i.Fault != faultWrong:
		// No proof yet: whoever began it may still be at it, or another controller has it.
		return p.Intents.IntentLater(ctx, i.ID, i.Lease, p.Now().Add(intentAgain), faultWrong)
	case err == nil:
		e.Result, e.Detail = string(idp.ReasonUnavailable), "was begun, and changed nothing"
		return p.Intents.DropIntent(ctx, i.ID, i.Lease, e)
	case !p.Now().Before(i.EndsAt):
		p.Logger.ErrorContext(ctx, "nobody can say whether a password was changed: its person's sessions are ended", "intent", i.ID, "error", err)
		e.Result, e.Detail = string(idp.ReasonUnavailable), "was begun, and nobody can say whether it changed anything"
		return p.Intents.GiveUpIntent(ctx, i.ID, i.Lease, p.Now(), e)
	}
	due := p.Now().Add(deliveryWait(i.Tries))
	if due.After(i.EndsAt) {
		due = i.EndsAt
	}
	return errors.Join(err, p.Intents.IntentLater(ctx, i.ID, i.Lease, due, faultClass(err)))
}

// changed tells whether the directory has the intent's password.
func (p *Passwords) changed(ctx context.Context, i *Intent) (bool, error) {
	account, err := p.Gate.Accounts.Account(ctx, i.Account)
	if errors.Is(err, idp.ErrNotFound) { // renamed since
		account, err = p.Target(ctx, i.PersonID)
	}
	if err != nil {
		return false, fmt.Errorf("find account: %w", err)
	}
	password, err := p.Open(i.Secret, intentContext(i))
	if err != nil {
		return false, fmt.Errorf("open intent: %w", err)
	}
	if i.Event.Kind == byCard {
		p.unlock(ctx, i.Account) // the card was there: nothing is looked at while it is locked
	}
	return p.Gate.holds(ctx, *account, string(password))
}

// unlock opens a person's lock after their card was read.
func (p *Passwords) unlock(ctx context.Context, name string) {
	if _, err := p.Gate.Unlock(ctx, name, "", "a new password was set with the card"); err != nil {
		p.Logger.ErrorContext(ctx, "unlock after a new password", "error", err) // it opens by itself
	}
}

// holds asks whether a password is an account's. A wrong one counts, because it
// counts there; a right one is no login.
func (g *Gate) holds(ctx context.Context, account idp.Account, password string) (bool, error) {
	t := Try{
		NameKey: g.nameKey(g.Names.Normalize(account.Name)), PersonKey: g.personKey(account.PersonID), At: g.Now(), Rules: g.Rules,
	}
	r, err := g.Tries.Reserve(ctx, t)
	if err != nil {
		return false, fmt.Errorf("reserve try: %w", err)
	}
	if !r.May() {
		return false, errors.Join(fmt.Errorf("%w: the person is locked", ErrNotLooked), g.Tries.GiveBack(ctx, r))
	}
	err = g.ask(ctx, account, password)
	switch {
	case err == nil, errors.Is(err, ErrDisabled), errors.Is(err, ErrMustChange):
		return true, g.Tries.GiveBack(ctx, r)
	case errors.Is(err, ErrWrong):
		return false, nil
	case errors.Is(err, ErrNotLooked):
		return false, errors.Join(err, g.Tries.GiveBack(ctx, r))
	}
	return false, err
}
