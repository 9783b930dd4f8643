package directory

import (
	"context"
	"time"

	idp "taipeion.internal/idp"
)

// KeptEffect is what a directory or a mailbox elsewhere has not been told yet, as
// operators and the helpdesk see it.
type KeptEffect struct {
	ID         string    `json:"id"`
	PersonID   string    `json:"-"`
	PersonName string    `json:"name"`
	Kind       string    `json:"kind"` // of an Effect, or EffectMailbox
	Account    string    `json:"account"`
	Former     string    `json:"former,omitempty"`
	State      string    `json:"state"` // waiting, failed
	MadeAt     time.Time `json:"made_at"`
	DueAt      time.Time `json:"next_try,omitzero"`
	Tries      int       `json:"tries"`
	Fault      string    `json:"fault,omitempty"` // a class: nothing of anybody is in it
}

// EffectMailbox is a password that has not reached its mailbox.
const EffectMailbox = "mailbox"

// EffectList is Effects as operators see them.
type EffectList interface {
	// ListEffects lists what waits and what failed, or only that, of one person or,
	// if it is empty, of all: the oldest first.
	ListEffects(ctx context.Context, personID string, failed bool, limit int) ([]KeptEffect, error)
	// RetryEffect makes one due now; idp.ErrNotFound if there is none that could be
	// tried again, or somebody is at it.
	RetryEffect(ctx context.Context, id string, at time.Time, events ...idp.Event) error
	// DropEffect forgets one: nobody is told; idp.ErrNotFound as RetryEffect.
	DropEffect(ctx context.Context, id string, at time.Time, events ...idp.Event) error
}
