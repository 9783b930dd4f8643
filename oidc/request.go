package oidc

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ory/fosite"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/templates"
)

// The response modes (OAuth 2.0 Multiple Response Type Encoding Practices,
// OAuth 2.0 Form Post Response Mode).
const (
	modeQuery    = "query"
	modeFormPost = "form_post"
)

// request is an authorization request whose client and redirect URI are known
// to be good; the rest of it may still be refused, by a redirect.
type request struct {
	form        url.Values
	client      *client
	redirectURI string
	mode        string
	state       string
	scopes      []string // granted if anything is
	claims      claimsRequest
	ask         idp.Ask
	fosite      fosite.AuthorizeRequester
}

// refusal is an error that only our own page may show: to redirect would help
// an attacker (RFC 9700 section 4.11).
type refusal struct {
	title string
	fault *fault
}

func (e *refusal) Error() string { return e.fault.Error() }
func (e *refusal) Unwrap() error { return e.fault }

func refuse(title, description string) error {
	return &refusal{title, newFault(codeInvalidRequest, description)}
}

// identify finds the client and its redirect URI, without which there is
// nowhere to redirect to.
func (p *Provider) identify(ctx context.Context, form url.Values) (*request, error) {
	c, err := p.clients.get(ctx, form.Get("client_id"))
	if errors.Is(err, idp.ErrNotFound) {
		return nil, refuse(templates.ErrorUnknownClient, "the client is unknown")
	}
	if err != nil {
		return nil, err
	}
	redirect := form.Get("redirect_uri")
	if !redirectMatches(c.RedirectURIs, redirect) {
		return nil, refuse(templates.ErrorRedirect, "the redirect URI is missing or not registered")
	}
	if len(form.Get("state")) > maxState {
		return nil, refuse(templates.ErrorRequest, "state is too long")
	}
	form = known(form)
	if size(form) > maxKept {
		return nil, refuse(templates.ErrorRequest, "the request is too long")
	}
	q := &request{form: form, client: c, redirectURI: redirect, mode: modeQuery, state: form.Get("state")}
	if form.Get("response_mode") == modeFormPost {
		q.mode = modeFormPost
	}
	return q, nil
}

// check refuses what can't be granted whoever comes, and reads the rest.
func (p *Provider) check(ctx context.Context, q *request) error {
	switch {
	case q.form.Has("request"): // OpenID Connect Core 1.0 section 3.1.2.6
		return newFault(codeRequestNotSupported, "request objects are not supported")
	case q.form.Has("request_uri"):
		return newFault(codeRequestURINotSupported, "request_uri is not supported")
	case !q.form.Has("response_type"): // RFC 6749 section 4.1.2.1
		return newFault(codeInvalidRequest, "response_type is missing")
	case !q.client.Allows("authorization_code"):
		return newFault(codeUnauthorizedClient, "the client may not use this flow")
	case len(q.form.Get("nonce")) > maxNonce:
		return newFault(codeInvalidRequest, "nonce is too long")
	}
	if err := q.readScopes(); err != nil {
		return err
	}
	if err := p.askFosite(ctx, q); err != nil {
		return err
	}
	if err := checkChallenge(q.client, q.form); err != nil {
		return err
	}
	return p.readAsk(q)
}

// askFosite lets fosite check client, redirect URI, scope, response type and
// mode. Its state is a synthetic one: fosite demands a state, OAuth does not,
// and ours goes back untouched by another way.
func (p *Provider) askFosite(ctx context.Context, q *request) error {
	form := url.Values{
		"client_id":     {q.client.ID},
		"redirect_uri":  {q.redirectURI},
		"response_type": {q.form.Get("response_type")},
		"state":         {"synthetic"},
	}
	if len(q.scopes) > 0 {
		form["scope"] = []string{strings.Join(q.scopes, " ")}
	}
	for _, name := range []string{"response_mode", "registration"} {
		if v := q.form.Get(name); v != "" {
			form[name] = []string{v}
		}
	}
	clean := (&http.Request{Method: http.MethodGet, URL: &url.URL{Path: PathAuthorize}, Form: form}).WithContext(ctx)
	ar, err := p.engine.NewAuthorizeRequest(ctx, clean)
	if err != nil {
		return err
	}
	q.fosite = ar
	return nil
}

// readScopes leaves the scopes that are granted if anything is: those that the
// client is registered for. What is not understood is ignored (OpenID Connect
// Core 1.0 section 3.1.2.1), and the answer names what was granted (RFC 6749
// section 3.3).
func (q *request) readScopes() error {
	asked := words(q.form.Get("scope"))
	for _, s := range asked {
		switch {
		case !contains(q.client.Scopes, s):
			if s == scopeOpenID {
				return newFault(codeInvalidScope, "the client is not registered for openid")
			}
		case s == scopeOffline && !q.client.Allows("refresh_token"):
			// Core section 11: ignored where no refresh token will come.
		default:
			q.scopes = append(q.scopes, s)
		}
	}
	if len(asked) > 0 && len(q.scopes) == 0 {
		return newFault(codeInvalidScope, "the client may ask for none of these scopes")
	}
	return nil
}

// readAsk turns the OpenID Connect parameters into the question for policy
// (Core section 3.1.2.1).
func (p *Provider) readAsk(q *request) error {
	f := q.form
	q.ask = idp.Ask{
		ClientID: q.client.ID, FirstParty: q.client.FirstParty, MinLevel: q.client.MinLevel,
		LoginHint: clip(f.Get("login_hint"), 256), Locales: clip(f.Get("ui_locales"), 256),
		Display: clip(f.Get("display"), 16), Scopes: q.scopes, At: p.now(),
	}
	if err := readPrompt(&q.ask, f.Get("prompt")); err != nil {
		return err
	}
	if f.Has("max_age") {
		age, ok := seconds(f.Get("max_age"))
		if !ok {
			return newFault(codeInvalidRequest, "max_age must be a number of seconds")
		}
		q.ask.MaxAge = &age
	}
	for _, v := range words(f.Get("acr_values")) {
		if l, ok := idp.ParseACR(v); ok {
			q.ask.Voluntary = append(q.ask.Voluntary, l)
		}
	}
	if f.Has("claims") {
		if err := q.readClaims(f.Get("claims")); err != nil {
			return err
		}
	}
	if f.Has("id_token_hint") {
		return p.readHint(q, f.Get("id_token_hint"))
	}
	return nil
}

// seconds reads digits and nothing else. More than any session can be old is as
// good as the most that we count.
func seconds(text string) (int64, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil { // digits only: out of range
		n = math.MaxInt32
	}
	return n, true
}

func readPrompt(ask *idp.Ask, prompt string) error {
	values := words(prompt)
	for _, v := range values {
		switch v {
		case "none":
			ask.PromptNone = true
		case "login":
			ask.PromptLogin = true
		case "consent":
			ask.PromptConsent = true
		case "select_account":
			ask.PromptSelect = true
		default:
			// Initiating User Registration via OpenID Connect 1.0 section 4.1.
			return newFault(codeInvalidRequest, "a value of prompt is not supported")
		}
	}
	if ask.PromptNone && len(values) > 1 {
		return newFault(codeInvalidRequest, "prompt none stands alone")
	}
	return nil
}

// readHint takes an ID token of ours, for this client, as the person who must
// come. One that has expired will do (Core section 3.1.2.1).
func (p *Provider) readHint(q *request, hint string) error {
	claims, err := p.readIDToken(hint)
	if err != nil || !contains(claims.Audience, q.client.ID) {
		return newFault(codeInvalidRequest, "id_token_hint is not an ID token for this client")
	}
	if !q.narrow([]string{claims.Subject}) {
		return newFault(codeInvalidRequest, "id_token_hint and claims name different people")
	}
	return nil
}

func clip(s string, n int) string {
	if len(s) > n {
		return ""
	}
	return s
}
