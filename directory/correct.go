package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// Correction is what an administrator corrects of a person by hand, in phases
// without the portal; empty values stay. The person's next first card then waits
// for a second administrator.
type Correction struct {
	PersonID string
	Name     string
	Identity *Identity
	Hand
	Reason string
	At     time.Time
}

// Corrections keeps them.
type Corrections interface {
	// Correct makes a correction, with its history and what a second administrator
	// is asked, in one transaction; ErrNoRole, ErrOperator of the hand, ErrNothing if it is like that already, idp.ErrConflict while the portal feeds people,
	// for nobody or a shared account, or if the national ID is another person's.
	Correct(ctx context.Context, c Correction, events ...idp.Event) error
}

// ErrNothing says that nothing is to be corrected.
var ErrNothing = errors.New("neither a name nor a national ID that differs")

// maxName is how many characters a name may have.
const maxName = 64

// ErrNationalID says that a national ID has another form or check digit.
var ErrNationalID = errors.New("not a national ID")

// Correct corrects a person's name or national ID; empty ones stay. No feed undoes
// it while the portal is off.
func (r *Registrar) Correct(ctx context.Context, keep Corrections, c Correction, nationalID string) error {
	var err error
	c.Name, c.At = strings.TrimSpace(c.Name), r.Now()
	if c.Reason, err = Reason(c.Reason); err != nil {
		return err
	}
	var what []string
	if c.Name != "" {
		if utf8.RuneCountInString(c.Name) > maxName || hidden(c.Name) {
			return fmt.Errorf("%w: a name has at most %d characters, all of which can be seen", ErrUnfit, maxName)
		}
		what = append(what, ChangedName)
	}
	if nationalID != "" {
		id := strings.ToUpper(policy.NormalizeName(nationalID))
		if !policy.ValidNationalID(id) {
			return ErrNationalID
		}
		what = append(what, ChangedNationalID)
		c.Identity = &Identity{
			Sealed: r.Seal([]byte(id), "national-id/"+c.PersonID), Hash: r.Key("national-id", []byte(id)), Tail: id[len(id)-4:],
		}
	}
	if len(what) == 0 {
		return ErrNothing
	}
	if c.Operator != "" {
		c.Reason = "by " + c.Operator + ": " + c.Reason
	}
	return keep.Correct(ctx, c, idp.Event{
		At: c.At, Kind: "person.correct", Result: "ok", PersonID: c.PersonID, Actor: c.Actor, Detail: strings.Join(what, " ") + ": " + c.Reason,
		RequestID: idp.OriginFrom(ctx).RequestID,
	})
}
