package portal

import (
	"context"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// Told says how people hear that a way to log in of theirs was changed.
type Told struct {
	// Events are what was done to a person, newest first; nil: the first page tells
	// nothing.
	Events func(ctx context.Context, ask AskChanges) ([]idp.Event, error)
	// Mail says that who has an address is told by mail.
	Mail bool
}

// AskChanges says which changes are asked for.
type AskChanges struct {
	PersonID   string
	NotSession string // but for what was done in this session
	Since      time.Time
	Kinds      []string
	Each       int // at most so many of each kind: no kind pushes another away
}

// How long and how much the first page tells of it. It is not for the reader to
// put away: whoever changed something could do that, too.
const (
	changesAge  = 90 * 24 * time.Hour
	changesEach = 3
)

// changes are what was changed about the ways to log in of a person whom no mail
// reaches, but for what was done in this session.
func (h *Handler) changes(ctx context.Context, c *session.Current) ([]templates.FactorChange, error) {
	told := h.Factors.Told
	if told.Events == nil || told.Mail && c.Person.Email != "" {
		return nil, nil
	}
	events, err := told.Events(ctx, AskChanges{
		PersonID: c.Person.ID, NotSession: c.Session.ID, Since: h.Now().Add(-changesAge), Kinds: templates.Told(), Each: changesEach,
	})
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	var rows []templates.FactorChange
	for _, e := range events {
		rows = append(rows, templates.FactorChange{Kind: e.Kind, At: e.At, ByOther: e.Actor != ""})
	}
	return rows, nil
}
