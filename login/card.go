package login

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

// cardChallenge gives out the challenge that a card has to sign: for this flow
// and this browser, once.
func (h *Handler) cardChallenge(w http.ResponseWriter, r *http.Request) {
	v, err := h.visit(r, one(r.URL.Query(), "flow"))
	switch {
	case err != nil:
		h.failJSON(w, r, err)
		return
	case !v.asks(proofs...):
		h.failJSON(w, r, errExpired)
		return
	}
	jws, err := h.Desk.Issue(r.Context(), cardreader.Issued{
		Key: v.flow.Handle, Browser: v.flow.Browser, Purpose: string(cardreader.PurposeLogin),
		Client: v.flow.Ask.ClientID, ClientName: v.system(r),
	})
	if err != nil {
		h.failJSON(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"challenge": jws})
}

// card takes the signed challenge. To the world every card that opens nothing,
// be it revoked, unbound or of nobody, is the same; the record knows which.
func (h *Handler) card(w http.ResponseWriter, r *http.Request) {
	v := h.posted(w, r, maxCardForm, proofs...)
	if v == nil {
		return
	}
	person, card, err := h.readCard(r.Context(), v, one(r.PostForm, "cms"))
	if err != nil {
		h.cardRefused(w, r, v, person, err)
		return
	}
	if err := h.enter(w, r, v, person, idp.Evidence{Method: idp.MethodCard, At: h.Now(), Card: card.ID}); err != nil {
		h.cardRefused(w, r, v, person, err) // its binding may have ended just now
		return
	}
	h.rememberTab(w, templates.TabCard)
	h.onward(w, r, v)
}

// readCard finds the person whose bound card signed this flow's challenge, and
// who may log in with it. The person comes with some refusals too, for the
// record.
func (h *Handler) readCard(ctx context.Context, v *visit, encoded string) (*idp.Person, *idp.Card, error) {
	cms, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(cms) > maxMessage {
		cms = nil // the challenge is used up all the same
	}
	holder, _, err := h.Desk.Redeem(ctx, v.flow.Handle, v.flow.Browser, cardreader.PurposeLogin, cms)
	if err != nil {
		return nil, nil, err
	}
	card, person, err := h.Cards.CardByHolder(ctx, holder.IssuerKeyID, holder.SubjectSerial)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return nil, nil, fmt.Errorf("no such card is bound: %w", idp.Denied{Reason: idp.ReasonCardUnusable})
	case err != nil:
		return nil, nil, fmt.Errorf("find card: %w", err)
	case person.State != idp.PersonEnabled:
		return person, nil, idp.Denied{Reason: idp.ReasonDisabled}
	}
	// A step-up belongs to the person whose session it is.
	if v.decision.Step == policy.StepLevel && v.current.Person.ID != person.ID {
		return person, nil, idp.Denied{Reason: idp.ReasonOtherPerson}
	}
	if err := h.checkLock(ctx, person); err != nil {
		return person, nil, err
	}
	return person, card, h.renewCard(ctx, v, card, holder)
}

// lockedUntil is idp.ReasonLocked with its end.
type lockedUntil struct{ at time.Time }

func (l lockedUntil) Error() string { return "locked" }
func (l lockedUntil) Unwrap() error { return idp.Denied{Reason: idp.ReasonLocked} }

// checkLock lets keys through a lock, which stops guessing, unless the
// installation wants it to stop everything.
func (h *Handler) checkLock(ctx context.Context, person *idp.Person) error {
	if !h.Settings.LockCards {
		return nil
	}
	until, err := h.Gate.PersonLocked(ctx, person.ID)
	if err != nil {
		return fmt.Errorf("read lock: %w", err)
	}
	if until.IsZero() {
		return nil
	}
	return lockedUntil{until}
}

// renewCard is the rule for a card that was issued anew to the same holder (same
// issuer key, same serialNumber of the subject): the certificate that ends later
// takes the place of the bound one, and from then on no other is accepted.
func (h *Handler) renewCard(ctx context.Context, v *visit, card *idp.Card, holder cardreader.Holder) error {
	if card.Fingerprint == holder.Fingerprint {
		return nil
	}
	if !holder.NotAfter.After(card.NotAfter) {
		return fmt.Errorf("the certificate was replaced: %w", idp.Denied{Reason: idp.ReasonCardUnusable})
	}
	renewed := *card
	renewed.Fingerprint, renewed.Name, renewed.NotAfter = holder.Fingerprint, holder.Name, holder.NotAfter
	renewed.Certificate = holder.Certificate
	e := h.event(ctx, v.flow, "card.renew", "ok")
	e.PersonID = card.PersonID
	err := h.Cards.BindCard(ctx, &renewed, e)
	switch {
	case errors.Is(err, idp.ErrConflict): // unbound meanwhile
		return fmt.Errorf("renew card: %w", idp.Denied{Reason: idp.ReasonCardUnusable})
	case err != nil:
		return fmt.Errorf("renew card: %w", err)
	}
	*card = renewed
	return nil
}

// cardRefused shows the card tab again with the outside class of the refusal,
// and keeps the inside of it on record.
func (h *Handler) cardRefused(w http.ResponseWriter, r *http.Request, v *visit, person *idp.Person, err error) {
	var denied idp.Denied
	if errors.Is(err, idp.ErrUsed) || errors.Is(err, idp.ErrExpired) {
		denied.Reason = idp.ReasonChallengeUsed
	} else if !errors.As(err, &denied) {
		h.fail(w, r, err)
		return
	}
	e := h.event(r.Context(), v.flow, "login.card", string(denied.Reason))
	e.Detail = err.Error()
	if person != nil {
		e.PersonID = person.ID
	}
	if err := h.Store.Record(r.Context(), e); err != nil {
		h.fail(w, r, fmt.Errorf("record card refusal: %w", err))
		return
	}
	p := problem{reason: denied.Reason}
	var locked lockedUntil
	if errors.As(err, &locked) {
		p.until = locked.at
	}
	h.showLogin(w, r, v, templates.TabCard, p)
}

// failJSON is fail for the page's script.
func (h *Handler) failJSON(w http.ResponseWriter, r *http.Request, err error) {
	page := errorPage(err)
	code := string(page.Reason)
	if code == "" {
		code = string(idp.ReasonUnavailable)
	}
	if page.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		h.Logger.ErrorContext(r.Context(), "card challenge", "error", err)
	}
	writeJSON(w, page.Status, map[string]string{"error": code})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a reader that went away is no error of ours
}
