package directory

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	idp "taipeion.internal/idp"
)

// The kinds of Effect.
const (
	EffectCreate  = "create"
	EffectRename  = "rename"
	EffectEnable  = "enable"
	EffectDisable = "disable"
	EffectUpdate  = "update" // of name, unit, title or agency
)

// Effect is what a directory elsewhere is to be told after our own commit. It
// holds no secret: a new account's password is known to nobody.
type Effect struct {
	ID       string
	PersonID string
	Kind     string
	Account  string // the name, of a rename the new one
	Former   string // of a rename: the name before
	Tries    int
}

// Effects keeps them until they are done: those of one person one after the
// other, but for closing an account, which waits for nothing but a rename of an
// entry that we know by its name alone.
type Effects interface {
	// TakeEffects leases up to limit effects that are due: nobody else gets them
	// before until.
	TakeEffects(ctx context.Context, lease string, now, until time.Time, limit int) ([]Effect, error)
	// EffectDone settles one; idp.ErrConflict if the lease is not ours any more, as
	// the others. then is the kind of an effect that is kept for the account in its
	// place; empty: none.
	EffectDone(ctx context.Context, id, lease, then string) error
	// EffectLater gives one back, due then.
	EffectLater(ctx context.Context, id, lease string, due time.Time, fault string) error
	// EffectRedrawn gives the account of an effect another name, claimed before, and
	// makes the effect due again then: its own was taken.
	EffectRedrawn(ctx context.Context, id, lease, name string, at time.Time) error
	UsedNames
	// EffectFailed keeps one that nobody tries any more, for an operator.
	EffectFailed(ctx context.Context, id, lease, fault string) error
	// EffectCounts says how many wait and have failed.
	EffectCounts(ctx context.Context) (waiting, failed int, err error)
}

// Writer is a Backend that can be written to. Each method may be called again for
// what it has done. idp.ErrConflict: the name is another's; idp.ErrNotFound: there
// is no such account.
type Writer interface {
	MakeAccount(ctx context.Context, account idp.Account, displayName string) error
	RenameAccount(ctx context.Context, account idp.Account, former string) error
	SwitchAccount(ctx context.Context, account idp.Account, open bool) error
	// Closed tells whether it is closed there, whoever closed it.
	Closed(ctx context.Context, account idp.Account) (bool, error)
}

// Teller tells directories what happened here, on any number of nodes. What a
// killed node or an absent controller left is told later.
type Teller struct {
	Effects Effects
	Doors   Doors
	Gate    *Gate // whose directory an account is in
	Now     func() time.Time
	Logger  *slog.Logger
}

const (
	tellLease = 2 * time.Minute
	tellTime  = 30 * time.Second
	tellBatch = 16
	tellEvery = 2 * time.Second
	tellWait  = 10 * time.Second
	tellMost  = time.Hour
	tellTries = 20 // of what a directory that answers does not do
)

// Run tells until ctx ends.
func (t *Teller) Run(ctx context.Context) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		for {
			n, err := t.Once(ctx)
			if err != nil && ctx.Err() == nil {
				t.Logger.WarnContext(ctx, "what directories are to be told was not read", "error", err.Error())
			}
			if n < tellBatch || err != nil || ctx.Err() != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Once tells what is due, and returns how much that was.
func (t *Teller) Once(ctx context.Context) (int, error) {
	var random [16]byte
	rand.Read(random[:])
	lease := base64.RawURLEncoding.EncodeToString(random[:])
	list, err := t.Effects.TakeEffects(ctx, lease, t.Now(), t.Now().Add(tellLease), tellBatch)
	if err != nil {
		return 0, fmt.Errorf("take effects: %w", err)
	}
	var all sync.WaitGroup
	for _, e := range list {
		all.Go(func() { t.one(context.WithoutCancel(ctx), lease, e) })
	}
	all.Wait()
	return len(list), nil
}

func (t *Teller) one(ctx context.Context, lease string, e Effect) {
	tryCtx, cancel := context.WithTimeout(ctx, tellTime)
	then, err := t.tell(tryCtx, e)
	cancel()
	log := t.Logger.With("effect", e.ID, "tries", e.Tries)
	var settled error
	switch {
	case err == nil:
		settled = t.Effects.EffectDone(ctx, e.ID, lease, then)
	case errors.Is(err, idp.ErrConflict) && (e.Kind == EffectCreate || e.Kind == EffectRename) && e.Tries < tellTries:
		log.WarnContext(ctx, "a name is another's in its directory: another one is drawn")
		settled = t.redraw(ctx, lease, e)
	case errors.Is(err, idp.ErrConflict), errors.Is(err, idp.ErrNotFound), e.Tries >= tellTries && !away(err):
		log.ErrorContext(ctx, "a directory can't be told", "error", err.Error())
		settled = t.Effects.EffectFailed(ctx, e.ID, lease, faultClass(err))
	default:
		log.WarnContext(ctx, "a directory will be told later", "error", err.Error())
		wait := min(tellWait<<min(max(e.Tries-1, 0), 10), tellMost)
		settled = t.Effects.EffectLater(ctx, e.ID, lease, t.Now().Add(wait), faultClass(err))
	}
	if settled != nil {
		log.WarnContext(ctx, "an effect was not settled: it will be told again", "error", settled.Error())
	}
}

// tell tells one, and says what is still to be told of the account.
func (t *Teller) tell(ctx context.Context, e Effect) (then string, err error) {
	person, err := t.Gate.Accounts.Person(ctx, e.PersonID)
	if err != nil {
		return "", fmt.Errorf("read person: %w", err)
	}
	account := idp.Account{Name: e.Account, Kind: idp.AccountSingle, PersonID: e.PersonID}
	if now, err := t.Gate.Accounts.Account(ctx, e.Account); err == nil {
		account = *now
		if account.PersonID != e.PersonID {
			return "", fmt.Errorf("the account is another person's: %w", idp.ErrNotFound)
		}
	} else if !errors.Is(err, idp.ErrNotFound) { // renamed since: the rename is told next
		return "", fmt.Errorf("read account: %w", err)
	}
	backend, err := t.Gate.backend(ctx, account)
	if err != nil {
		return "", err
	}
	w, ok := backend.(Writer)
	if !ok {
		return "", nil // our own store knows already
	}
	switch e.Kind {
	case EffectCreate:
		return t.make(ctx, w, account, person)
	case EffectRename:
		if err := w.RenameAccount(ctx, account, e.Former); err != nil {
			return "", err
		}
		return "", t.closeAfter(ctx, w, account)
	case EffectEnable, EffectDisable:
		return "", t.turn(ctx, w, account)
	case EffectUpdate:
		if d, ok := w.(Describer); ok {
			return "", d.Describe(ctx, account, describe(person))
		}
		return "", nil
	}
	return "", fmt.Errorf("effect of kind %q: %w", e.Kind, idp.ErrConflict)
}

// make makes an account. It is its person's from then on, whatever it shows: what
// it does not show yet is told by itself, and says nothing of its name.
func (t *Teller) make(ctx context.Context, w Writer, account idp.Account, person *idp.Person) (then string, err error) {
	if err := w.MakeAccount(ctx, account, person.Name); err != nil {
		return "", err
	}
	if err := t.closeAfter(ctx, w, account); err != nil {
		return "", err
	}
	if d, ok := w.(Describer); ok {
		if err := d.Describe(ctx, account, describe(person)); err != nil {
			t.Logger.WarnContext(ctx, "a new account does not show yet whose it is", "error", err.Error())
			return EffectUpdate, nil
		}
	}
	return "", nil
}

// faultClass names an error for those who look at lists: nothing of anybody is in
// it.
func faultClass(err error) string {
	var locked *LockedError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &locked):
		return "locked"
	case errors.Is(err, idp.ErrConflict):
		return "taken"
	case errors.Is(err, idp.ErrNotFound):
		return "missing"
	case errors.Is(err, ErrRules), errors.Is(err, ErrUndeliverable):
		return "refused"
	case errors.Is(err, idp.ErrUnavailable), errors.Is(err, ErrNotLooked), errors.Is(err, context.DeadlineExceeded):
		return "unreachable"
	}
	return "other"
}

// away tells whether the directory did not answer, which may last.
func away(err error) bool {
	return errors.Is(err, idp.ErrUnavailable) || errors.Is(err, ErrNotLooked) || errors.Is(err, context.DeadlineExceeded)
}
