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
	// Events are the person's, newest first, not before since; nil: the first page
	// tells nothing.
	Events func(ctx context.Context, personID string, since time.Time) ([]idp.Event, error)
	// Mail says that who has an address is told by mail.
	Mail bool
}

// How long and how much the first page tells of it. It is not for the reader to
// put away: whoever changed something could do that, too.
const (
	changesAge  = 90 * 24 * time.Hour
	changesSize = 5
)

// changes are what was changed about the ways to log in of a person whom no mail
// reaches, but for what was done in this session.
func (h *Handler) changes(ctx context.Context, c *session.Current) ([]templates.FactorChange, error) {
	told := h.Factors.Told
	if told.Events == nil || told.Mail && c.Person.Email != "" {
		return nil, nil
	}
	events, err := told.Events(ctx, c.Person.ID, h.Now().Add(-changesAge))
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	var rows []templates.FactorChange
	for _, e := range events {
		if e.Result == "ok" && templates.Tells(e.Kind) && e.SessionID != c.Session.ID && len(rows) < changesSize {
			rows = append(rows, templates.FactorChange{Kind: e.Kind, At: e.At, ByOther: e.Actor != ""})
		}
	}
	return rows, nil
}
