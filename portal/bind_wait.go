package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// waitForSecond keeps a confirmed card until a second administrator approves:
// one alone could make themselves anybody, by a new password and a card of the
// same name.
func (h *Handler) waitForSecond(ctx context.Context, c *session.Current, card idp.Card) error {
	now := h.Now()
	e := h.event(ctx, c, "card.bind", "waits")
	e.Detail = "card " + card.ID + " waits for a second administrator"
	err := h.Cards.WaitCard(ctx, &directory.WaitingCard{
		ID: directory.NewID(), Person: *c.Person, Card: card, AskedAt: now, EndsAt: now.Add(orElse(h.Settings.SecondLife, 7*24*time.Hour)),
	}, e)
	if errors.Is(err, idp.ErrConflict) {
		return fmt.Errorf("wait for a second administrator: %w", idp.Denied{Reason: idp.ReasonChallengeUsed})
	}
	return err
}

// waiting shows how a card that waits stands, in the place of the first step;
// false if none does.
func (h *Handler) waiting(w http.ResponseWriter, r *http.Request, c *session.Current) bool {
	if r.URL.Query().Has("step") || r.Method != http.MethodGet {
		return false // started again: a new card takes the old one's place
	}
	found, err := h.Cards.WaitingOf(r.Context(), c.Person.ID)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return false
	case err != nil:
		h.fail(w, r, fmt.Errorf("read waiting card: %w", err))
		return true
	}
	v := templates.Waiting{State: templates.WaitingOpen, AskedAt: found.AskedAt, EndsAt: found.EndsAt}
	switch {
	case found.State == directory.WaitingRefused:
		v.State, v.Reason = templates.WaitingRefused, found.Reason
	case found.State != directory.WaitingOpen:
		return false
	case !h.Now().Before(found.EndsAt):
		v.State = templates.WaitingOver
	}
	h.showBind(w, r, c, templates.Bind{Step: stepDetails, Waiting: &v})
	return true
}
