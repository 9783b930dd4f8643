package directory

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
)

// Binding is a portal account bound to a TPEAD account, strictly one to one.
type Binding struct {
	Portal   string
	TPEAD    string
	PersonID string
	How      string // self, provision, feed, admin
	At       time.Time

	Session string // of the person, who binds: it goes on when another account is bound
	Claimed bool   // the TPEAD account is the person's by this binding alone
}

// Bindings keeps them.
type Bindings interface {
	// Bind binds a person's portal account to a TPEAD account, of the person or of
	// nobody yet, in the place of what it was bound to; what the person had only by
	// that binding is nobody's again. idp.ErrConflict: the TPEAD
	// account is another person's or bound to another portal account, the person was
	// renamed, or the portal account is not that of such a person. With another
	// account bound before, all sessions of the person and their tokens end. The
	// session it is done in holds until then, else devicebind.ReasonFactorFresh: who
	// ends it meanwhile finds the binding.
	Bind(ctx context.Context, b Binding, actor string, events ...idp.Event) error
	// Unbind undoes the binding of a portal account, like that, and ends the person's
	// sessions and tokens; idp.ErrNotFound without one. When the portal is off, only
	// what the person had by the binding alone is taken: else ErrPortalOff.
	Unbind(ctx context.Context, portal, actor, reason string, at time.Time, events ...idp.Event) error
	// BindingOf finds the binding of a portal account; idp.ErrNotFound.
	BindingOf(ctx context.Context, portal string) (*Binding, error)
}
