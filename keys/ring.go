package keys

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	idp "taipeion.internal/idp"
)

// The uses of a key.
const (
	UseToken     = "token"     // ID tokens and access tokens
	UseChallenge = "challenge" // what a card is asked to sign
)

// The algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1).
const (
	RS256 = "RS256"
	PS256 = "PS256"
	ES256 = "ES256"
	EdDSA = "EdDSA"
)

// AllAlgorithms are those that tokens can be signed with.
func AllAlgorithms() []string { return []string{RS256, PS256, ES256, EdDSA} }

// ErrKnownKey says that the store holds a key that everybody can have, such as
// those of the demo.
var ErrKnownKey = errors.New("the store holds a signing key that is publicly known")

const reloadEvery = 3 * time.Second

// Seed is a key made beforehand, to be used instead of a fresh one.
type Seed struct {
	Use       string
	Algorithm string
	Key       crypto.Signer
}

// RingOptions is what a Ring needs.
type RingOptions struct {
	Store      Store
	Sealer     *Sealer
	Now        func() time.Time
	Algorithms []string // for tokens; AllAlgorithms if empty
	Seeds      []Seed   // used for the first keys, in order
	Refuse     []string // KIDs that OpenRing refuses to work with
	Logger     *slog.Logger
}

// Ring holds the signing keys. It is safe for concurrent use: readers never
// wait.
type Ring struct {
	opts  RingOptions
	state atomic.Pointer[snapshot]
	mu    sync.Mutex    // one reload or change at a time
	begin func()        // to make those of the first keys that take long
	made  chan struct{} // closed when the first keys are there
	fault error         // why they are not, from then on
}

// OpenRing loads the keys and makes those that are missing, all at once, the slow
// ones in the background (Made). Nodes that start together agree through the
// store, whose first insert wins. The next keys are made by Run.
func OpenRing(ctx context.Context, opts RingOptions) (*Ring, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if len(opts.Algorithms) == 0 {
		opts.Algorithms = AllAlgorithms()
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	for _, alg := range opts.Algorithms {
		if !slices.Contains(AllAlgorithms(), alg) {
			return nil, fmt.Errorf("signing algorithm %q is not one of %v", alg, AllAlgorithms())
		}
	}
	r := &Ring{opts: opts}
	if err := r.Reload(ctx); err != nil {
		return nil, err
	}
	if err := r.makeFirst(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Run makes the next keys where they are missing and follows what other nodes
// change, until ctx ends.
func (r *Ring) Run(ctx context.Context) {
	if r.Made(ctx) != nil {
		return
	}
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		if err := r.refresh(ctx); err != nil && ctx.Err() == nil {
			// The keys we hold stay good; a reader must not fail over this.
			r.opts.Logger.Warn("signing keys not reloaded", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (r *Ring) refresh(ctx context.Context) error {
	if err := r.Made(ctx); err != nil {
		return err
	}
	if err := r.Reload(ctx); err != nil {
		return err
	}
	made, err := r.fill(ctx, StateNext, func(slot) bool { return true })
	if err != nil || !made {
		return err
	}
	return r.Reload(ctx)
}

// Reload reads the keys from the store. Keys that were parsed before are not
// parsed again.
func (r *Ring) Reload(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	records, err := r.opts.Store.SigningKeys(ctx, r.opts.Now())
	if err != nil {
		return fmt.Errorf("load signing keys: %w", err)
	}
	old := r.state.Load()
	if old != nil && sameRecords(old.records, records) {
		return nil
	}
	next, err := newSnapshot(records, old, r.opts.Sealer)
	if err != nil {
		return err
	}
	r.state.Store(next)
	return nil
}

// slot names a series of keys.
type slot struct{ use, alg string }

func (r *Ring) slots() []slot {
	all := []slot{{UseChallenge, EdDSA}}
	for _, alg := range r.opts.Algorithms {
		all = append(all, slot{UseToken, alg})
	}
	return all
}

// fill makes, concurrently, a key of that state for each wanted slot that has none.
// Challenge keys have no next one: agents know the key from their
// configuration.
func (r *Ring) fill(ctx context.Context, state State, wanted func(slot) bool) (made bool, err error) {
	var wg sync.WaitGroup
	slots := r.slots()
	errs := make([]error, len(slots))
	for i, s := range slots {
		if !wanted(s) || state == StateNext && s.use == UseChallenge {
			continue
		}
		have, last := r.state.Load().find(s, state)
		if have != nil {
			continue
		}
		made = true
		wg.Go(func() { errs[i] = r.add(ctx, s, state, last+1) })
	}
	wg.Wait()
	return made, errors.Join(errs...)
}

func (r *Ring) add(ctx context.Context, s slot, state State, number int64) error {
	rec, err := r.newRecord(s, state, number)
	if err != nil {
		return err
	}
	err = r.opts.Store.AddSigningKey(ctx, rec)
	if errors.Is(err, idp.ErrConflict) {
		return nil // another node was first; its key is as good
	}
	if err != nil {
		return fmt.Errorf("keep %s key: %w", s.alg, err)
	}
	return nil
}

// ErrYoung says that a next key was not published long enough to sign: who
// keeps our key set does not have it yet.
var ErrYoung = errors.New("the next key is not published long enough")

// Rotate makes the next token key of an algorithm the active one, and keeps
// the old one published for that long: until the last token it signed has
// ended. Zero removes it at once, for an emergency. idp.ErrConflict says that
// another node rotated at the same time.
func (r *Ring) Rotate(ctx context.Context, alg string, keep time.Duration) error {
	return r.RotatePublished(ctx, alg, keep, 0)
}

// RotatePublished is Rotate if the next key was published for at least that
// long, and ErrYoung otherwise.
func (r *Ring) RotatePublished(ctx context.Context, alg string, keep, published time.Duration) error {
	s := slot{UseToken, alg}
	if !slices.Contains(r.opts.Algorithms, alg) {
		return fmt.Errorf("no %s keys: %w", alg, idp.ErrNotFound)
	}
	if err := r.refresh(ctx); err != nil {
		return err
	}
	state := r.state.Load()
	active, _ := state.find(s, StateActive)
	next, last := state.find(s, StateNext)
	if active == nil || next == nil {
		return fmt.Errorf("%s keys changed meanwhile: %w", alg, idp.ErrConflict)
	}
	if err := next.age(r.opts.Now(), published); err != nil {
		return err
	}
	rec, err := r.newRecord(s, StateNext, last+1)
	if err != nil {
		return err
	}
	if err := r.opts.Store.Rotate(ctx, active.KID, next.KID, r.opts.Now().Add(keep), rec); err != nil {
		return fmt.Errorf("rotate %s keys: %w", alg, err)
	}
	return r.Reload(ctx)
}

// MayRotate tells, before anything is changed, what RotatePublished would say
// to the next keys of all these algorithms.
func (r *Ring) MayRotate(ctx context.Context, algs []string, published time.Duration) error {
	if err := r.refresh(ctx); err != nil {
		return err
	}
	var faults []error
	for _, alg := range algs {
		if next, _ := r.state.Load().find(slot{UseToken, alg}, StateNext); next != nil {
			faults = append(faults, next.age(r.opts.Now(), published))
		}
	}
	return errors.Join(faults...)
}

func (r *Record) age(now time.Time, published time.Duration) error {
	if ripe := r.CreatedAt.Add(published); now.Before(ripe) {
		return fmt.Errorf("%w: %s key %s may sign from %s on", ErrYoung, r.Algorithm, r.KID, ripe.UTC().Format(time.RFC3339))
	}
	return nil
}

// Key describes a key to an operator.
type Key struct {
	KID       string    `json:"kid"`
	Use       string    `json:"use"`
	Algorithm string    `json:"alg"`
	Number    int64     `json:"number"`
	State     State     `json:"state"`
	CreatedAt time.Time `json:"created_at"`
	EndsAt    time.Time `json:"ends_at,omitzero"`
	Public    []byte    `json:"public"` // PKIX DER
}

// List returns all keys, as the store has them now.
func (r *Ring) List(ctx context.Context) ([]Key, error) {
	if err := r.Made(ctx); err != nil {
		return nil, err
	}
	if err := r.Reload(ctx); err != nil {
		return nil, err
	}
	var list []Key
	for _, rec := range r.state.Load().records {
		list = append(list, Key{
			KID: rec.KID, Use: rec.Use, Algorithm: rec.Algorithm, Number: rec.Number,
			State: rec.State, CreatedAt: rec.CreatedAt, EndsAt: rec.EndsAt, Public: rec.Public,
		})
	}
	return list, nil
}

// PublicJWKS is the JSON Web Key Set (RFC 7517 section 5) of all token keys:
// next, active and retired. The bytes must not be changed.
func (r *Ring) PublicJWKS() []byte { return r.whole().jwks }

// ChallengeKey signs card challenges.
func (r *Ring) ChallengeKey() ed25519.PrivateKey { return r.state.Load().challenge }
