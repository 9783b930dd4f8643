package portal

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// Desk gives out challenges and takes signed ones back.
type Desk interface {
	Issue(ctx context.Context, i cardreader.Issued) (jws string, err error)
	Redeem(ctx context.Context, key, browser []byte, purpose cardreader.Purpose, cms []byte) (cardreader.Holder, *cardreader.Issued, error)
}

// Cards keeps whose card it is.
type Cards interface {
	// BindFirst binds by one insert: idp.ErrConflict if that holder is bound to
	// another person, or the person has another card bound; directory.ErrSecond if
	// an administrator changed the person's name, national ID or password and no
	// second one has approved of a card since. The session that the events name holds
	// until then, else devicebind.ReasonFactorFresh: who ends it meanwhile finds the card.
	BindFirst(ctx context.Context, c *idp.Card, events ...idp.Event) error
	// WaitCard keeps the card until a second administrator approves, in the place of
	// one that waited before; idp.ErrConflict if the person's name or national ID is
	// not what the card was compared with any more.
	WaitCard(ctx context.Context, w *directory.WaitingCard, events ...idp.Event) error
	// WaitingOf returns the person's newest waiting card; idp.ErrNotFound.
	WaitingOf(ctx context.Context, personID string) (*directory.WaitingCard, error)
}

// Pages draws.
type Pages interface {
	Render(w http.ResponseWriter, r *http.Request, status int, v templates.View)
}

// Settings is what an installation decides; zero durations get the defaults.
type Settings struct {
	AgentOrigin string        // where the card component listens; empty: no cards
	FlowLife    time.Duration // how long a login of ours may take; 30 min
	BindFresh   time.Duration // how old the password may be that opens the binding; 10 min
	PendingLife time.Duration // how long a card that was read waits for its yes; 5 min
	SecondLife  time.Duration // how long it waits for a second administrator; 7 days
}

// Handler serves our own pages.
type Handler struct {
	Store    Store
	Sessions *session.Manager
	Desk     Desk
	Cards    Cards
	Pages    Pages
	Now      func() time.Time
	Logger   *slog.Logger
	Settings Settings
	Factors  Factors // phones, one-time codes and passkeys, where they are set up

	Passwords *directory.Passwords // nil: they are changed elsewhere
	Binder    *directory.Binder    // nil: accounts are bound elsewhere

	Roles func(ctx context.Context, personID string) (policy.Roles, error) // of administrators; nil: there are none
}

// The most that a form may hold.
const (
	maxForm     = 32 << 10
	maxCardForm = 128 << 10
	maxMessage  = 64 << 10 // of the card's message, decoded
)

// Mount adds the routes.
func (h *Handler) Mount(mux idp.Mux) {
	mux.Handle("GET /{$}", http.HandlerFunc(h.home))
	mux.Handle("GET /logged-out", http.HandlerFunc(h.loggedOut))
	mux.Handle("POST /logout", http.HandlerFunc(h.logout))
	mux.Handle("POST /sessions/end", http.HandlerFunc(h.endSession))
	mux.Handle("GET /card/bind", http.HandlerFunc(h.bindPage))
	mux.Handle("POST /card/bind/start", http.HandlerFunc(h.bindStart))
	mux.Handle("POST /card/bind/check", http.HandlerFunc(h.bindCheck))
	mux.Handle("POST /card/bind/challenge", http.HandlerFunc(h.bindChallenge))
	mux.Handle("POST /card/bind/sign", http.HandlerFunc(h.bindSign))
	mux.Handle("POST /card/bind/confirm", http.HandlerFunc(h.bindConfirm))
	h.mountFactors(mux)
	if h.Passwords != nil {
		h.mountPasswords(mux)
	}
	if h.Binder != nil {
		h.mountBinder(mux)
	}
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
