package oidc

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
)

// resume goes on with a saved request, after the login or after a POST. The
// address says which one and nothing else but the page's language.
func (p *Provider) resume(w http.ResponseWriter, r *http.Request, handle string, sent url.Values) {
	hash := session.HandleHash(handle)
	flow, current, err := p.saved(r, hash)
	if errors.Is(err, idp.ErrNotFound) {
		p.pageReason(w, r, http.StatusBadRequest, idp.ReasonFlowExpired)
		return
	}
	if err != nil {
		p.page(w, r, fmt.Errorf("look up the saved request: %w", err))
		return
	}
	for name := range sent {
		if name != "flow" && name != "lang" {
			p.refuseAltered(w, r, flow)
			return
		}
	}
	if flow.ReturnTo != "" {
		p.resumeParked(w, r, flow)
		return
	}
	form, err := url.ParseQuery(flow.Request)
	if err != nil || flow.Ask.ClientID == "" || !p.now().Before(flow.EndsAt) {
		p.pageReason(w, r, http.StatusBadRequest, idp.ReasonFlowExpired)
		return
	}
	browser := p.Sessions.Browser(r)
	if browser == nil || subtle.ConstantTimeCompare(browser, flow.Browser) != 1 {
		p.refuseForeign(w, r, flow)
		return
	}
	p.continueFlow(w, r, saved{flow, current, handle}, form)
}

// saved is a request that goes on.
type saved struct {
	flow    *idp.Flow
	current func() (*session.Current, error)
	handle  string
}

// saved reads the saved request, and with it the browser's session, which current
// gives once it is known that both are one browser's.
func (p *Provider) saved(r *http.Request, hash []byte) (flow *idp.Flow, current func() (*session.Current, error), err error) {
	token, plain := p.Sessions.Token(r)
	if !plain {
		flow, err = p.Requests.Flow(r.Context(), hash)
		return flow, func() (*session.Current, error) { return p.Sessions.Current(r) }, err
	}
	flow, s, person, err := p.Requests.FlowAndSession(r.Context(), hash, token)
	return flow, func() (*session.Current, error) { return p.Sessions.Judge(r.Context(), s, person, token) }, err
}

// resumeParked begins with a request that was posted.
func (p *Provider) resumeParked(w http.ResponseWriter, r *http.Request, flow *idp.Flow) {
	form, err := p.parked(r, flow, PathAuthorize)
	if err != nil {
		p.pageReason(w, r, http.StatusBadRequest, idp.ReasonFlowExpired)
		return
	}
	p.begin(w, r, form)
}

// refuseForeign answers a flow that another browser began: whoever sent its
// address wants to log somebody in as somebody else.
func (p *Provider) refuseForeign(w http.ResponseWriter, r *http.Request, flow *idp.Flow) {
	p.recordRefusal(r, flow, string(idp.ReasonFlowForeign))
	p.pageReason(w, r, http.StatusBadRequest, idp.ReasonFlowForeign)
}

// refuseAltered answers parameters that were slipped in beside the handle, and
// ends the flow.
func (p *Provider) refuseAltered(w http.ResponseWriter, r *http.Request, flow *idp.Flow) {
	p.recordRefusal(r, flow, "altered")
	if browser := p.Sessions.Browser(r); browser != nil {
		err := p.Requests.FinishFlow(r.Context(), flow.Handle, browser, p.now())
		if err != nil && !errors.Is(err, idp.ErrUsed) {
			p.page(w, r, fmt.Errorf("finish the saved request: %w", err))
			return
		}
	}
	p.pageReason(w, r, http.StatusBadRequest, idp.ReasonFlowExpired)
}

func (p *Provider) recordRefusal(r *http.Request, flow *idp.Flow, result string) {
	origin := idp.OriginFrom(r.Context())
	err := p.Requests.Record(r.Context(), idp.Event{
		At: p.now(), Kind: "flow.refuse", Result: result, ClientID: flow.Ask.ClientID,
		Address: origin.Address.String(), RequestID: origin.RequestID,
	})
	if err != nil {
		p.Logger.ErrorContext(r.Context(), "event not kept", "error", err.Error())
	}
}

// continueFlow decides again, uses the flow up and answers the relying system.
func (p *Provider) continueFlow(w http.ResponseWriter, r *http.Request, s saved, form url.Values) {
	q, err := p.identify(r.Context(), form)
	if err != nil {
		p.page(w, r, err)
		return
	}
	if err := p.check(r.Context(), q); err != nil {
		p.answerError(w, r, q, err)
		return
	}
	current, err := s.current()
	if err != nil {
		p.answerError(w, r, q, err)
		return
	}
	decision, err := p.decide(r, q, current, s.flow)
	if err != nil {
		p.answerError(w, r, q, err)
		return
	}
	if decision.Outcome == policy.Need {
		seeOther(w, "/login?flow="+url.QueryEscape(s.handle))
		return
	}
	if decision.Outcome == policy.Grant {
		p.issue(w, r, &work{now: p.now(), request: q, current: current, decision: decision, uses: s.flow})
		return
	}
	if p.finished(w, r, s.flow) {
		p.answerError(w, r, q, newFault(decision.Error, "the login was not granted"))
	}
}

// finished uses the saved request up; it answers by itself where it can't.
func (p *Provider) finished(w http.ResponseWriter, r *http.Request, flow *idp.Flow) bool {
	err := p.Requests.FinishFlow(r.Context(), flow.Handle, flow.Browser, p.now())
	switch {
	case errors.Is(err, idp.ErrUsed):
		p.pageReason(w, r, http.StatusBadRequest, idp.ReasonFlowExpired)
	case err != nil:
		p.page(w, r, fmt.Errorf("finish the saved request: %w", err))
	}
	return err == nil
}
