package keys

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// slow tells whether a key of the algorithm takes long to make: an RSA key 50 ms,
// and now and then 200.
func slow(s slot) bool { return s.alg == RS256 || s.alg == PS256 }

// makeFirst makes the active keys that are missing. On a new store the slow ones
// are left to the background, from Run or the first need of them on: the ring can
// be used at once, and whoever needs such a key, or the whole key set, waits until
// it is there. So no key set is ever published without a key that will sign.
func (r *Ring) makeFirst(ctx context.Context) error {
	r.made, r.begin = make(chan struct{}), func() {}
	later := func(s slot) bool { return len(r.opts.Seeds) == 0 && slow(s) }
	err := r.makeActive(ctx, func(s slot) bool { return !later(s) })
	if err != nil || !r.missing(later) {
		close(r.made)
		return err
	}
	r.begin = sync.OnceFunc(func() {
		go func() {
			defer close(r.made)
			for _, alg := range r.opts.Algorithms { // one by one: the others want to work as well
				if r.fault == nil {
					r.fault = r.makeActive(ctx, func(s slot) bool { return later(s) && s.alg == alg })
				}
			}
		}()
	})
	return nil
}

// makeActive makes the missing active keys of the slots that are wanted.
func (r *Ring) makeActive(ctx context.Context, wanted func(slot) bool) error {
	made, err := r.fill(ctx, StateActive, wanted)
	if err == nil && made {
		err = r.Reload(ctx)
	}
	if err != nil {
		return err
	}
	for _, kid := range r.opts.Refuse {
		if r.state.Load().byKID[kid] != nil {
			return fmt.Errorf("%w: %s: make a new data folder and master key", ErrKnownKey, kid)
		}
	}
	return nil
}

func (r *Ring) missing(wanted func(slot) bool) bool {
	return slices.ContainsFunc(r.slots(), func(s slot) bool {
		have, _ := r.state.Load().find(s, StateActive)
		return have == nil && wanted(s)
	})
}

// Made waits until the first keys of all algorithms are there. An error says that
// they could not be made or kept: the node is of no use.
func (r *Ring) Made(ctx context.Context) error {
	r.begin()
	select {
	case <-r.made:
		return r.fault
	case <-ctx.Done():
		return ctx.Err()
	}
}

// whole is the state with all keys.
func (r *Ring) whole() *snapshot {
	r.begin()
	<-r.made
	return r.state.Load()
}

// signer is the active key of an algorithm, nil without one.
func (r *Ring) signer(alg string) *key {
	if k := r.state.Load().signers[alg]; k != nil {
		return k
	}
	return r.whole().signers[alg]
}

// known is a key of that ID, nil without one. Another node may have made it, and
// signed with it, while we make ours.
func (r *Ring) known(kid string) *key {
	if k := r.state.Load().byKID[kid]; k != nil {
		return k
	}
	return r.whole().byKID[kid]
}
