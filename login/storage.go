package login

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

// Mark is what a step notes in the flow.
type Mark string

// The marks; each sets the field of idp.Flow of that name.
const (
	MarkSelected  Mark = "selected"
	MarkConsented Mark = "consented"
	MarkDeclined  Mark = "declined"
	MarkCancelled Mark = "cancelled"
)

// Seen is what a request of the conversation is about.
type Seen struct {
	Flow    *idp.Flow
	Session *idp.Session        // nil: there is none
	Person  *idp.Person         // the session's
	Attempt *devicebind.Attempt // the browser's; nil: there is none
}

// Visits reads all of it at once.
type Visits interface {
	// Visit finds the flow, and what there is of a session that was not ended (by
	// its token's hash) and of the browser's login by phone; idp.ErrNotFound for an
	// unknown or finished flow.
	Visit(ctx context.Context, handle, tokenHash []byte) (*Seen, error)
}

// Store keeps what the conversation needs.
type Store interface {
	// CreateFlow saves a login of our own pages.
	CreateFlow(ctx context.Context, f *idp.Flow) error
	// Flow gives idp.ErrNotFound for an unknown or finished one.
	Flow(ctx context.Context, handle []byte) (*idp.Flow, error)
	// MarkFlow sets a mark by one conditional statement: same browser, not past
	// its end at now; idp.ErrExpired otherwise.
	MarkFlow(ctx context.Context, handle, browser []byte, mark Mark, now time.Time) error
	// FinishFlow uses the flow up: see oidc.Requests.
	FinishFlow(ctx context.Context, handle, browser []byte, now time.Time) error
	// Client gives idp.ErrNotFound.
	Client(ctx context.Context, id string) (*idp.Client, error)
	// Consent and SaveConsent: the scopes a person allowed a client.
	Consent(ctx context.Context, personID, clientID string) ([]string, error)
	SaveConsent(ctx context.Context, personID, clientID string, scopes []string, at time.Time, events ...idp.Event) error
	// Record keeps events.
	Record(ctx context.Context, events ...idp.Event) error
}
