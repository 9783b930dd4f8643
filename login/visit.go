package login

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// visit is one request of the conversation: the flow, who is there, and what
// policy says to both.
type visit struct {
	handle   string
	flow     *idp.Flow
	client   *idp.Client      // nil: our own pages
	current  *session.Current // nil: nobody
	consent  []string         // what this person allowed this client before
	decision policy.Decision
	seen     bool                // the attempt was read with the flow
	attempt  *devicebind.Attempt // the browser's login by phone; nil: none
	entered  *policy.Have        // who is there since this request; nil: as before
}

// The steps in which a person proves who they are. Choosing "somebody else" is
// done by logging in, so the choice of the account is one of them.
var proofs = []policy.Step{policy.StepLogin, policy.StepLevel, policy.StepSelect}

var (
	errExpired = idp.Denied{Reason: idp.ReasonFlowExpired}
	errForeign = idp.Denied{Reason: idp.ReasonFlowForeign}
	errClient  = errors.New("the relying system is unknown or switched off")
)

// visit loads the flow of a handle and asks policy. The flow must have begun in
// this browser and not be over.
func (h *Handler) visit(r *http.Request, handle string) (*visit, error) {
	ctx := r.Context()
	if handle == "" {
		return nil, errExpired
	}
	v := &visit{handle: handle}
	current, err := h.see(r, v)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return nil, errExpired
	case err != nil:
		return nil, fmt.Errorf("read flow: %w", err)
	}
	flow := v.flow
	browser := h.Sessions.Browser(r)
	if browser == nil || subtle.ConstantTimeCompare(browser, flow.Browser) != 1 {
		// Not only refused but on record: somebody holds another's address.
		if err := h.Store.Record(ctx, h.event(ctx, flow, "flow", string(idp.ReasonFlowForeign))); err != nil {
			return nil, fmt.Errorf("record foreign flow: %w", err)
		}
		return nil, errForeign
	}
	if !h.Now().Before(flow.EndsAt) {
		return nil, errExpired
	}
	if v.client, err = h.client(ctx, flow.Ask.ClientID); err != nil {
		return nil, err
	}
	if v.current, err = current(); err != nil {
		return nil, err
	}
	return v, h.decide(ctx, v)
}

// see reads the flow, and as much beside it as one statement can; current gives
// the session, once it is known that the flow is this browser's.
func (h *Handler) see(r *http.Request, v *visit) (current func() (*session.Current, error), err error) {
	ctx, hash := r.Context(), session.HandleHash(v.handle)
	token, plain := h.Sessions.Token(r)
	if h.Visits == nil || !plain {
		v.flow, err = h.Store.Flow(ctx, hash)
		return func() (*session.Current, error) { return h.Sessions.Current(r) }, err
	}
	s, err := h.Visits.Visit(ctx, hash, token)
	if err != nil {
		return nil, err
	}
	v.flow, v.seen, v.attempt = s.Flow, true, s.Attempt
	return func() (*session.Current, error) { return h.Sessions.Judge(ctx, s.Session, s.Person, token) }, nil
}

func (h *Handler) client(ctx context.Context, id string) (*idp.Client, error) {
	if id == "" {
		return nil, nil
	}
	c, err := h.Store.Client(ctx, id)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return nil, errClient
	case err != nil:
		return nil, fmt.Errorf("read client: %w", err)
	case c.Disabled:
		return nil, errClient
	}
	return c, nil
}

// posted is visit for a form. It answers by itself, and returns nil, when the
// form can't be read or when policy asks for another step by now: a form that
// was left open, or sent twice, goes back to the dispatcher unheard.
func (h *Handler) posted(w http.ResponseWriter, r *http.Request, limit int64, steps ...policy.Step) *visit {
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if err := r.ParseForm(); err != nil {
		h.fail(w, r, badForm(err))
		return nil
	}
	v, err := h.visit(r, one(r.PostForm, "flow"))
	if err != nil {
		h.fail(w, r, err)
		return nil
	}
	if !v.asks(steps...) {
		v.next(w, r)
		return nil
	}
	return v
}

// stale tells whether the form was drawn for another session than the one that
// sends it, and if so goes back: what one person was shown, the next one in this
// browser does not answer.
func (v *visit) stale(w http.ResponseWriter, r *http.Request) bool {
	sid := one(r.PostForm, "sid")
	if sid == v.current.Session.ID {
		return false
	}
	v.next(w, r)
	return true
}

// asks tells whether policy needs one of the steps.
func (v *visit) asks(steps ...policy.Step) bool {
	return v.decision.Outcome == policy.Need && slices.Contains(steps, v.decision.Step)
}

// next sends the browser back to the dispatcher: 303, so that a form with a
// password is never sent again (RFC 9700 section 4.12).
func (v *visit) next(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, v.path("/login"), http.StatusSeeOther)
}

func (v *visit) path(p string) string { return p + "?flow=" + url.QueryEscape(v.handle) }

// system is what the person is going to, in their language; empty for the
// platform itself.
func (v *visit) system(r *http.Request) string {
	switch {
	case v.client == nil:
		return ""
	case v.client.NameEN != "" && templates.LanguageFor(r, v.flow.Ask.Locales) == templates.English:
		return v.client.NameEN
	case v.client.Name != "":
		return v.client.Name
	}
	return v.client.ID
}

// base is what every page of the conversation has. The chain of redirects after
// its form may end at the relying system, and nowhere else.
func (v *visit) base(r *http.Request, self string) templates.Base {
	b := templates.Base{
		Locales: v.flow.Ask.Locales, Reference: idp.OriginFrom(r.Context()).RequestID, Self: v.path(self),
	}
	if v.flow.RedirectTo != "" {
		b.FormAction = []string{v.flow.RedirectTo}
	}
	if v.current != nil {
		b.Account = &templates.Who{Name: v.current.Person.Name, Username: v.current.Person.Username}
	}
	return b
}

// one returns a field that was sent exactly once, else nothing.
func one(form url.Values, name string) string {
	if len(form[name]) != 1 {
		return ""
	}
	return form[name][0]
}

// event is what happened in a flow. Who it was and in which session is added by
// those who know.
func (h *Handler) event(ctx context.Context, f *idp.Flow, kind, result string) idp.Event {
	o := idp.OriginFrom(ctx)
	e := idp.Event{At: h.Now(), Kind: kind, Result: result, ClientID: f.Ask.ClientID, RequestID: o.RequestID}
	if o.Address.IsValid() {
		e.Address = o.Address.String()
	}
	return e
}
