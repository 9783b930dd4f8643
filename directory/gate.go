package directory

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// MaxPassword bounds a password in bytes; a longer one is refused before it is
// looked at.
const MaxPassword = 1024

// Refusal says why a password was not taken, and when to come back.
type Refusal struct {
	Reason     idp.Reason
	Until      time.Time     // ReasonLocked: when it opens by itself
	RetryAfter time.Duration // ReasonThrottled, ReasonBusy
}

func (r *Refusal) Error() string { return "refused: " + string(r.Reason) }

// Unwrap makes a Refusal an idp.Denied for errors.As.
func (r *Refusal) Unwrap() error { return idp.Denied{Reason: r.Reason} }

// Sources slows down those who try many names: a source that failed on Names
// distinct names (a city gateway: Gateway) within Window has to wait.
type Sources struct {
	Names   int
	Gateway int
	Window  time.Duration
}

// Gate is the one place where a password is looked at.
type Gate struct {
	Accounts Accounts
	Tries    Tries
	Hasher   *Hasher
	Names    policy.Names
	Rules    policy.Lockout
	Sources  Sources
	// Admits tells whether one may log in by such a name at all in that phase of the
	// migration; a name that it does not admit is treated as nobody's. nil admits
	// every name.
	Admits func(phase policy.Phase, name policy.NameFacts) bool
	Routes []Route                                  // who looks, in this order; none fits: our own store
	Floor  time.Duration                            // a refusal is not told before: its time tells nothing of who looked
	Key    func(context string, data []byte) []byte // keyed hash: counters hold no names
	Record func(ctx context.Context, events ...idp.Event) error
	Now    func() time.Time
	Logger *slog.Logger
	// Codes names the counter of a person's one-time codes, which the helpdesk sees and
	// opens with the others; nil: there are none.
	Codes func(personID string) string
	// After says what a right password does not open: ErrMustChange, ErrDisabled. here:
	// our own store looked at it. nil: it opens everything.
	After func(ctx context.Context, account idp.Account, here bool) error

	turns turnstile
	of    *Gate // whose turns are taken; nil: our own
}

// settleWithin bounds what is done for a try after it was counted, whether or
// not anybody still waits for the answer.
const settleWithin = 15 * time.Second

// CheckPassword tells whose name and password these are. Any other outcome is a
// *Refusal; each try is on record.
func (g *Gate) CheckPassword(ctx context.Context, name, password string) (_ *idp.Person, err error) {
	if !plausible(name, password) {
		return nil, &Refusal{Reason: idp.ReasonWrong}
	}
	source := sourceOf(ctx)
	leave, ok := g.turnstile().enter(ctx, source, (g.limit(ctx)+1)/2)
	if !ok {
		return nil, &Refusal{Reason: idp.ReasonBusy, RetryAfter: 2 * time.Second}
	}
	defer leave()
	if err := g.throttle(ctx, source); err != nil {
		return nil, err
	}
	defer g.linger(ctx, time.Now())(&err)
	holder, account, try, err := g.resolve(ctx, name)
	if err != nil {
		return nil, g.unavailable(ctx, "resolve name", err)
	}
	reserved, err := g.Tries.Reserve(ctx, try)
	if err != nil {
		return nil, g.unavailable(ctx, "reserve try", err) // fail closed: no look without a count
	}
	// From here on the try counts: who hangs up now leaves the same trace as
	// who waits for the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	return g.look(holding(ctx, holder), account, reserved, password, source)
}

// look looks at the password of a try that was counted, and settles it.
func (g *Gate) look(ctx context.Context, account *idp.Account, reserved *Reservation, password, source string) (*idp.Person, error) {
	if reserved.showsLock() {
		g.record(ctx, account, string(idp.ReasonLocked), "")
		return nil, &Refusal{Reason: idp.ReasonLocked, Until: reserved.NameLockedUntil}
	}
	whose := nobody
	if account != nil && reserved.May() {
		whose = *account
	}
	err := g.ask(ctx, whose, password)
	if whose.PersonID == "" && (err == nil || !errors.Is(err, ErrNotLooked)) {
		err = ErrWrong // nobody has a password
	}
	return g.settle(ctx, account, reserved, source, err)
}

// ask asks who looks at the account's passwords.
func (g *Gate) ask(ctx context.Context, account idp.Account, password string) error {
	b, err := g.backend(ctx, account)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotLooked, err)
	}
	err = b.Check(ctx, account, password)
	asks := errors.Is(err, ErrMustChange)
	portal := asks && account.Kind == idp.AccountPortal
	if account.PersonID == "" || g.After == nil || err != nil && !portal && !(asks && account.MustSet) {
		return err
	}
	_, here := b.(Local)
	if after := g.After(ctx, account, here); after != nil || !portal {
		return cmp.Or(after, err)
	}
	return fmt.Errorf("%w: the portal asks for another password", ErrDisabled) // which is not ours to change
}

// settle makes the reserved try a failure or a success, or gives it back.
func (g *Gate) settle(ctx context.Context, account *idp.Account, r *Reservation, source string, err error) (*idp.Person, error) {
	var locked *LockedError
	switch {
	case err == nil:
		return g.succeeded(ctx, account, r)
	case errors.Is(err, ErrWrong):
		return nil, g.failed(ctx, account, r, source)
	case errors.As(err, &locked):
		return nil, g.lockedElsewhere(ctx, account, r, locked)
	case errors.Is(err, ErrNotLooked):
		return nil, g.giveBack(ctx, r, "look at password", err)
	case errors.Is(err, ErrDisabled), errors.Is(err, ErrMustChange):
		return nil, g.rightButClosed(ctx, account, r, err)
	}
	// The directory may have looked, and counted: so do we. That is no wrong
	// password, and is not called one.
	g.record(ctx, account, string(idp.ReasonUnavailable), "the directory did not say")
	return nil, g.unavailable(ctx, "look at password", err)
}

// linger holds a refusal back until the floor.
func (g *Gate) linger(ctx context.Context, from time.Time) func(*error) {
	return func(err *error) {
		rest := g.Floor - time.Since(from)
		if *err == nil || rest <= 0 {
			return
		}
		timer := time.NewTimer(rest)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// plausible refuses what can't be a name and a password before anything counts
// it or looks at it (RFC 4513 section 5.1.2: an empty password is no proof).
func plausible(name, password string) bool {
	return strings.TrimSpace(name) != "" && len(name) <= 4*policy.MaxName && utf8.ValidString(name) &&
		!strings.ContainsRune(name, 0) &&
		len(password) <= MaxPassword && strings.TrimSpace(password) != "" && utf8.ValidString(password) &&
		!strings.ContainsRune(password, 0)
}

// resolve finds the account and both counters. A name that is nobody's has a
// person's counter of its own, so that it takes the very same way.
func (g *Gate) resolve(ctx context.Context, name string) (holder *Holder, account *idp.Account, t Try, err error) {
	normal := g.Names.Normalize(name)
	holder, err = g.Accounts.Holder(ctx, normal)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return nil, nil, Try{}, err
	}
	if err == nil {
		account = g.admitted(holder, normal)
	}
	t = Try{NameKey: g.nameKey(normal), Spelling: g.key("spelling", name), At: g.Now(), Rules: g.Rules}
	if account != nil {
		t.PersonKey = g.personKey(account.PersonID)
	} else {
		t.PersonKey = g.key("nobody", normal)
	}
	return holder, account, t, nil
}

// admitted is the account by whose name one may log in; nil for none.
func (g *Gate) admitted(h *Holder, name string) *idp.Account {
	n := h.name(name)
	if n == nil || n.Account.Kind == idp.AccountMail { // a mailbox is no login name
		return nil
	}
	if g.Admits != nil && !g.Admits(h.Phase, n.Facts) {
		return nil
	}
	return &n.Account
}

func (g *Gate) nameKey(normal string) string     { return g.key("name", normal) }
func (g *Gate) personKey(personID string) string { return g.key("person", personID) }

func (g *Gate) key(kind, value string) string {
	return kind + ":" + hex.EncodeToString(g.Key("tries/"+kind, []byte(value)))
}

// limit is how many names the request's source may fail on.
func (g *Gate) limit(ctx context.Context) int {
	if idp.OriginFrom(ctx).Gateway {
		return g.Sources.Gateway
	}
	return g.Sources.Names
}

func (g *Gate) throttle(ctx context.Context, source string) error {
	limit := g.limit(ctx)
	if limit <= 0 || source == "" {
		return nil
	}
	n, err := g.Tries.SourceNames(ctx, source, g.Now().Add(-g.Sources.Window), limit)
	if err != nil {
		return g.unavailable(ctx, "count source", err)
	}
	if n < limit {
		return nil
	}
	g.record(ctx, nil, string(idp.ReasonThrottled), "")
	g.Logger.WarnContext(ctx, "login source throttled", "names", n)
	return &Refusal{Reason: idp.ReasonThrottled, RetryAfter: g.Sources.Window / 3}
}

// sourceOf is the address that is slowed down: of IPv6 the /64, which is what
// one subscriber has.
func sourceOf(ctx context.Context) string {
	a := idp.OriginFrom(ctx).Address.Unmap().WithZone("")
	if !a.IsValid() {
		return ""
	}
	if a.Is6() {
		return netip.PrefixFrom(a, 64).Masked().String()
	}
	return a.String()
}

func (g *Gate) failed(ctx context.Context, account *idp.Account, r *Reservation, source string) error {
	if source != "" {
		if err := g.Tries.NoteSource(ctx, source, r.NameKey, r.At); err != nil {
			return g.unavailable(ctx, "note source", err)
		}
	}
	detail := ""
	if !r.May() {
		detail = "not looked at: the person is locked"
	} else if r.LocksPerson {
		detail = "locks the person"
		g.Logger.WarnContext(ctx, "password failures lock a name")
	}
	g.record(ctx, account, string(idp.ReasonWrong), detail)
	if r.LocksName {
		return &Refusal{Reason: idp.ReasonLocked, Until: r.At.Add(r.Rules.Duration)}
	}
	return &Refusal{Reason: idp.ReasonWrong}
}

func (g *Gate) succeeded(ctx context.Context, account *idp.Account, r *Reservation) (*idp.Person, error) {
	person, err := g.Accounts.Person(ctx, account.PersonID)
	if err != nil {
		return nil, g.unavailable(ctx, "read person", err)
	}
	if r.AlsoClears, err = g.otherNames(ctx, account, r.NameKey); err != nil {
		return nil, g.unavailable(ctx, "list names", err)
	}
	if err := g.Tries.Succeed(ctx, r); errors.Is(err, idp.ErrConflict) {
		// Other tries locked the name while we looked: nobody learns now which
		// of them was right.
		g.record(ctx, account, string(idp.ReasonLocked), "right, but locked meanwhile")
		return nil, g.lockedMeanwhile(ctx, r)
	} else if err != nil {
		return nil, g.unavailable(ctx, "settle try", err)
	}
	if person.State != idp.PersonEnabled {
		g.record(ctx, account, string(idp.ReasonDisabled), "")
		return nil, &Refusal{Reason: idp.ReasonDisabled}
	}
	return person, nil
}

// rightButClosed is for the right password of an account that its directory
// keeps closed. errors.Is tells ErrMustChange from ErrDisabled.
func (g *Gate) rightButClosed(ctx context.Context, account *idp.Account, r *Reservation, cause error) error {
	var err error
	if r.AlsoClears, err = g.otherNames(ctx, account, r.NameKey); err != nil {
		return g.unavailable(ctx, "list names", err)
	}
	if err := g.Tries.Succeed(ctx, r); errors.Is(err, idp.ErrConflict) {
		g.record(ctx, account, string(idp.ReasonLocked), "right, but locked meanwhile")
		return g.lockedMeanwhile(ctx, r)
	} else if err != nil {
		return g.unavailable(ctx, "settle try", err)
	}
	g.record(ctx, account, string(idp.ReasonDisabled), cause.Error())
	if errors.Is(cause, ErrMustChange) {
		return &MustChangeError{Account: *account}
	}
	return fmt.Errorf("%w: %w", ErrDisabled, &Refusal{Reason: idp.ReasonDisabled})
}

// lockedElsewhere shows the directory's lock as ours.
func (g *Gate) lockedElsewhere(ctx context.Context, account *idp.Account, r *Reservation, locked *LockedError) error {
	if err := g.Tries.GiveBack(context.WithoutCancel(ctx), r); err != nil {
		return g.unavailable(ctx, "give a try back", err)
	}
	g.record(ctx, account, string(idp.ReasonLocked), "locked in its directory")
	until := locked.Until
	if until.IsZero() {
		until = r.At.Add(r.Rules.Duration)
	}
	return &Refusal{Reason: idp.ReasonLocked, Until: until}
}

// giveBack is for what failed before the password was looked at.
func (g *Gate) giveBack(ctx context.Context, r *Reservation, what string, err error) error {
	if err := g.Tries.GiveBack(ctx, r); err != nil {
		g.Logger.ErrorContext(ctx, "give a try back", "error", err)
	}
	if errors.Is(err, idp.ErrOverloaded) {
		return &Refusal{Reason: idp.ReasonBusy, RetryAfter: 2 * time.Second}
	}
	return g.unavailable(ctx, what, err)
}

func (g *Gate) unavailable(ctx context.Context, what string, err error) error {
	if ctx.Err() == nil {
		g.Logger.ErrorContext(ctx, "password login unavailable", "doing", what, "error", err)
	}
	return fmt.Errorf("%s: %w: %w", what, &Refusal{Reason: idp.ReasonUnavailable}, err)
}

func (g *Gate) record(ctx context.Context, account *idp.Account, result, detail string) {
	o := idp.OriginFrom(ctx)
	e := idp.Event{
		At: g.Now(), Kind: "login.password", Result: result, RequestID: o.RequestID, Detail: detail,
	}
	if o.Address.IsValid() {
		e.Address = o.Address.String()
	}
	if account != nil {
		e.PersonID = account.PersonID
	}
	if err := g.Record(ctx, e); err != nil {
		g.Logger.ErrorContext(ctx, "record login failure", "error", err)
	}
}
