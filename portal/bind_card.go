package portal

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// errLogin says that the account's password has to be given first.
var errLogin = errors.New("log in with the password first")

// details is what the confirmation page showed, and when the card signed.
type details struct {
	Card     templates.CardDetails `json:"card"`
	SignedAt time.Time             `json:"signed_at"`
}

// challengeKey is the one place of a session's open challenge.
func challengeKey(s *idp.Session) []byte {
	sum := sha256.Sum256([]byte("card/bind\x00" + s.ID))
	return sum[:]
}

// bindChallenge gives out the challenge of step 3, for this session, browser
// and person.
func (h *Handler) bindChallenge(w http.ResponseWriter, r *http.Request) {
	c, err := h.admit(r)
	browser := h.Sessions.Browser(r)
	if err == nil && browser == nil {
		err = errLogin
	}
	var jws string
	if err == nil {
		jws, err = h.Desk.Issue(r.Context(), cardreader.Issued{
			Key: challengeKey(c.Session), Browser: browser, Purpose: string(cardreader.PurposeBind), PersonID: c.Person.ID,
		})
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	answer := map[string]string{"challenge": jws}
	if err != nil {
		status, code := challengeError(err)
		h.note(r, status, err)
		w.WriteHeader(status)
		answer = map[string]string{"error": code}
	}
	_ = json.NewEncoder(w).Encode(answer) // a reader that went away is no error of ours
}

func challengeError(err error) (status int, code string) {
	if errors.Is(err, errLogin) {
		return http.StatusUnauthorized, string(idp.ReasonFlowExpired)
	}
	page := errorPage(err)
	if page.Reason == "" {
		return page.Status, string(idp.ReasonUnavailable)
	}
	return page.Status, string(page.Reason)
}

// bindSign leaves step 3: it shows what the card's certificate says, and keeps
// the card until its holder says yes. The page is the answer to the form itself,
// since what it shows stands in no address.
func (h *Handler) bindSign(w http.ResponseWriter, r *http.Request) {
	if !h.form(w, r, maxCardForm) {
		return
	}
	c := h.binder(w, r)
	if c == nil {
		return
	}
	holder, err := h.readCard(r, c, one(r.PostForm, "cms"))
	if err != nil {
		h.bindRefused(w, r, c, stepRead, err)
		return
	}
	now := h.Now()
	shown := templates.CardDetails{
		Name: holder.Name, Subject: holder.SubjectDN, Serial: holder.CertificateSerial, IDTail: holder.IDTail,
		NotBefore: holder.NotBefore, NotAfter: holder.NotAfter,
	}
	text, err := json.Marshal(details{Card: shown, SignedAt: now})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	id, _ := session.NewHandle()
	pending, key := session.NewHandle()
	err = h.Store.SavePending(r.Context(), &Pending{
		Key: key, SessionID: c.Session.ID, Details: text, EndsAt: now.Add(orElse(h.Settings.PendingLife, 5*time.Minute)),
		Card: idp.Card{
			ID: id[:22], PersonID: c.Person.ID, IssuerKeyID: holder.IssuerKeyID, SubjectSerial: holder.SubjectSerial,
			Fingerprint: holder.Fingerprint, Certificate: holder.Certificate, Name: holder.Name, NotAfter: holder.NotAfter,
		},
	})
	if err != nil {
		h.fail(w, r, fmt.Errorf("keep the card until confirmed: %w", err))
		return
	}
	h.showBind(w, r, c, templates.Bind{Step: stepDetails, Card: &shown, Pending: pending})
}

// readCard verifies the answer to this session's challenge, and that the card is
// this person's.
func (h *Handler) readCard(r *http.Request, c *session.Current, encoded string) (cardreader.Holder, error) {
	cms, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(cms) > maxMessage {
		cms = nil // the challenge is used up all the same
	}
	holder, issued, err := h.Desk.Redeem(r.Context(), challengeKey(c.Session), h.Sessions.Browser(r), cardreader.PurposeBind, cms)
	if err != nil {
		return holder, err
	}
	if issued.PersonID != c.Person.ID {
		return holder, idp.Denied{Reason: idp.ReasonCardMismatch}
	}
	return holder, cardreader.MatchHolder(holder, c.Person.Name, c.Person.IDTail)
}

// bindConfirm leaves step 4: the holder said yes.
func (h *Handler) bindConfirm(w http.ResponseWriter, r *http.Request) {
	if !h.form(w, r, maxForm) {
		return
	}
	c := h.binder(w, r)
	if c == nil {
		return
	}
	if one(r.PostForm, "consent") != "yes" {
		h.fail(w, r, errForm)
		return
	}
	p, err := h.Store.TakePending(r.Context(), session.HandleHash(one(r.PostForm, "pending")), c.Session.ID, h.Now())
	if err != nil {
		h.bindRefused(w, r, c, stepDetails, err)
		return
	}
	var d details
	if err := json.Unmarshal(p.Details, &d); err != nil {
		h.fail(w, r, fmt.Errorf("read pending card: %w", err))
		return
	}
	card, err := h.bindTaken(r.Context(), c, p.Card)
	if errors.Is(err, directory.ErrSecond) {
		if err = h.waitForSecond(r.Context(), c, p.Card); err == nil {
			http.Redirect(w, r, "/card/bind", http.StatusSeeOther)
			return
		}
	}
	if err != nil {
		// A card of this person's own may have been faster.
		if h.binder(w, r) != nil {
			h.bindRefused(w, r, c, stepDetails, err)
		}
		return
	}
	err = h.Sessions.StepUp(w, r, c, idp.Evidence{Method: idp.MethodCard, At: d.SignedAt, Card: card.ID},
		h.event(r.Context(), c, "login.card", "ok"))
	if err != nil && !errors.Is(err, idp.ErrConflict) { // renewed meanwhile: bound, but no surer
		h.fail(w, r, err)
		return
	}
	http.Redirect(w, r, stepURL(stepDone), http.StatusSeeOther)
}

// bindTaken binds a card that was taken out of its pending state.
func (h *Handler) bindTaken(ctx context.Context, c *session.Current, card idp.Card) (*idp.Card, error) {
	if card.PersonID != c.Person.ID {
		return nil, idp.Denied{Reason: idp.ReasonCardMismatch}
	}
	card.BoundAt = h.Now()
	e := h.event(ctx, c, "card.bind", "ok")
	e.Detail = "card " + card.ID
	err := h.Cards.BindFirst(ctx, &card, e)
	switch {
	case errors.Is(err, idp.ErrConflict):
		return nil, fmt.Errorf("bind card: %w", idp.Denied{Reason: idp.ReasonCardTaken})
	case err != nil:
		return nil, fmt.Errorf("bind card: %w", err)
	}
	return &card, nil
}

// bindRefused shows the step as failed, with what to do about it, and keeps the
// exact reason on record.
func (h *Handler) bindRefused(w http.ResponseWriter, r *http.Request, c *session.Current, step int, err error) {
	var denied idp.Denied
	if errors.Is(err, idp.ErrUsed) || errors.Is(err, idp.ErrExpired) {
		denied.Reason = idp.ReasonChallengeUsed
	} else if !errors.As(err, &denied) {
		h.fail(w, r, err)
		return
	}
	e := h.event(r.Context(), c, "card.bind", string(denied.Reason))
	e.Detail = err.Error()
	if err := h.Store.Record(r.Context(), e); err != nil {
		h.fail(w, r, fmt.Errorf("record refusal: %w", err))
		return
	}
	h.showBind(w, r, c, templates.Bind{Step: step, Reason: denied.Reason})
}
