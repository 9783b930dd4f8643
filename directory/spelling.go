package directory

import (
	"context"

	idp "taipeion.internal/idp"
)

// All ways to write a name share its counter, and whatever locks it stops all
// of them. Only the one that was typed when it locked is told so: to all others
// a locked name looks like a wrong password, be it somebody's or nobody's.

// showsLock tells whether the page may say that the name is locked.
func (r *Reservation) showsLock() bool {
	return !r.NameLockedUntil.IsZero() && r.Try.mayKnow(r.NameLockedBy)
}

func (t *Try) mayKnow(by string) bool { return by == "" || t.Spelling == "" || by == t.Spelling }

// lockedMeanwhile answers a right password whose name other tries locked.
func (g *Gate) lockedMeanwhile(ctx context.Context, r *Reservation) error {
	until, _, err := g.Tries.LockedUntil(ctx, r.NameKey, g.Now(), r.Rules)
	if err != nil || until.IsZero() {
		return &Refusal{Reason: idp.ReasonWrong}
	}
	by, err := g.Tries.LockedBy(ctx, r.NameKey)
	if err != nil || !r.mayKnow(by) {
		return &Refusal{Reason: idp.ReasonWrong}
	}
	return &Refusal{Reason: idp.ReasonLocked, Until: until}
}
