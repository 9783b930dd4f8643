package login

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// Gate looks at passwords; a *directory.Refusal says why one was not taken.
type Gate interface {
	CheckPassword(ctx context.Context, name, password string) (*idp.Person, error)
	// PersonLocked returns the end of a person's lock, zero if there is none.
	PersonLocked(ctx context.Context, personID string) (time.Time, error)
}

// Desk gives out challenges and takes signed ones back.
type Desk interface {
	Issue(ctx context.Context, i cardreader.Issued) (jws string, err error)
	Redeem(ctx context.Context, key, browser []byte, purpose cardreader.Purpose, cms []byte) (cardreader.Holder, *cardreader.Issued, error)
}

// Cards knows whose card it is.
type Cards interface {
	// CardByHolder finds a bound card and its person; idp.ErrNotFound.
	CardByHolder(ctx context.Context, issuerKeyID, subjectSerial string) (*idp.Card, *idp.Person, error)
	// BindCard puts a newer certificate of the same holder in the place of the
	// one that was bound.
	BindCard(ctx context.Context, c *idp.Card, events ...idp.Event) error
}

// Pages draws.
type Pages interface {
	Render(w http.ResponseWriter, r *http.Request, status int, v templates.View)
}

// Settings is what an installation decides.
type Settings struct {
	AgentOrigin string // where the card component listens; empty: no cards
	LockCards   bool   // a lock by password failures also stops cards
}

// Handler serves the addresses below /login.
type Handler struct {
	Store    Store
	Visits   Visits // nil: what a request is about is read from Store, one after the other
	Sessions *session.Manager
	Gate     Gate
	Desk     Desk
	Cards    Cards
	Pages    Pages
	Now      func() time.Time
	Logger   *slog.Logger
	Settings Settings
	Factors  Factors // phones, one-time codes and passkeys, where they are set up

	Passwords *directory.Passwords // nil: one that must be changed opens nothing

	places *places // made by Mount
}

// The most that a form may hold.
const (
	maxForm     = 32 << 10
	maxCardForm = 128 << 10
	maxMessage  = 64 << 10 // of the card's message, decoded
)

// Mount adds the routes.
func (h *Handler) Mount(mux idp.Mux) {
	h.places = &places{}
	mux.Handle("GET /login", http.HandlerFunc(h.dispatch))
	for _, tab := range []string{templates.TabPassword, templates.TabCard, templates.TabQR} {
		mux.Handle("GET /login/"+tab, h.tabPage(tab))
	}
	mux.Handle("POST /login/password", http.HandlerFunc(h.password))
	mux.Handle("POST /login/card", http.HandlerFunc(h.card))
	mux.Handle("POST /login/card/challenge", http.HandlerFunc(h.cardChallenge))
	mux.Handle("POST /login/select", http.HandlerFunc(h.selectAccount))
	mux.Handle("POST /login/consent", http.HandlerFunc(h.consent))
	mux.Handle("POST /login/stepup", http.HandlerFunc(h.stepUp))
	mux.Handle("POST /login/cancel", http.HandlerFunc(h.cancel))
	h.mountFactors(mux)
	if h.Passwords != nil {
		mux.Handle("POST /login/change", http.HandlerFunc(h.change))
	}
}
