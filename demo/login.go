package demo

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	idp "taipeion.internal/idp"
)

// pending is a login that is under way at the provider.
type pending struct {
	browser  string // cookie of the browser that began it
	nonce    string
	verifier string // PKCE (RFC 7636)
	returnTo string
	level    idp.Level // the least level that is wanted
}

// session is somebody who came.
type session struct {
	idToken     string
	accessToken string
	claims      claims
	all         map[string]any // every claim of the ID token
	userinfo    map[string]any
	level       idp.Level
	signedOff   time.Time
}

type claims struct {
	Subject  string   `json:"sub"`
	Name     string   `json:"name"`
	Username string   `json:"preferred_username"`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
	AuthTime int64    `json:"auth_time"`
	Nonce    string   `json:"nonce"`
}

// login sends the browser to the provider.
func (s *System) login(w http.ResponseWriter, r *http.Request) {
	level := idp.LevelNone
	if r.URL.Query().Get("level") == "card" {
		level = idp.LevelCard
	}
	s.authorize(w, r, pending{returnTo: rooted(r.URL.Query().Get("return")), level: level})
}

func (s *System) authorize(w http.ResponseWriter, r *http.Request, p pending) {
	found, err := s.discover(r.Context())
	if err != nil {
		s.fail(w, r, http.StatusBadGateway, "error.provider", err)
		return
	}
	p.browser = s.browser(w, r)
	p.nonce = randomText()
	p.verifier = oauth2.GenerateVerifier()
	options := []oauth2.AuthCodeOption{
		oidc.Nonce(p.nonce), oauth2.S256ChallengeOption(p.verifier),
		oauth2.SetAuthURLParam("ui_locales", s.language(w, r)),
	}
	if p.level > idp.LevelNone {
		// OpenID Connect Core 1.0 section 5.5.1.1: an essential acr, so that
		// a weaker login is never an answer.
		want, err := json.Marshal(map[string]any{"id_token": map[string]any{
			"acr": map[string]any{"essential": true, "values": []string{p.level.ACR()}},
		}})
		if err != nil {
			s.fail(w, r, http.StatusInternalServerError, "error.internal", err)
			return
		}
		options = append(options, oauth2.SetAuthURLParam("claims", string(want)))
	}
	http.Redirect(w, r, found.oauth.AuthCodeURL(s.pending.add(p), options...), http.StatusSeeOther)
}

// callback takes the provider's answer.
func (s *System) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p, ok := s.pending.take(q.Get("state"))
	if !ok || subtle.ConstantTimeCompare([]byte(p.browser), []byte(s.cookie(r, "login"))) != 1 {
		s.fail(w, r, http.StatusBadRequest, "error.state", errors.New("state is unknown, used, or of another browser"))
		return
	}
	found, err := s.discover(r.Context())
	if err != nil {
		s.fail(w, r, http.StatusBadGateway, "error.provider", err)
		return
	}
	// RFC 9207 section 2.4: an answer from another issuer, or from none where
	// ours promised to name itself, is a mix-up.
	if iss := q.Get("iss"); iss != s.Issuer && (iss != "" || found.meta.ISSParameter) {
		s.fail(w, r, http.StatusBadRequest, "error.provider", errors.New("the answer is of another issuer"))
		return
	}
	if code := q.Get("error"); code != "" {
		s.fail(w, r, http.StatusForbidden, "error.denied", fmt.Errorf("the provider answered %q", code))
		return
	}
	come, err := s.redeem(r.Context(), found, p, q.Get("code"))
	if err != nil {
		s.fail(w, r, http.StatusBadGateway, "error.token", err)
		return
	}
	if come.level < p.level {
		s.fail(w, r, http.StatusForbidden, "error.level", fmt.Errorf("asked for %s, got %s", p.level.ACR(), come.claims.ACR))
		return
	}
	s.sessions.drop(s.cookie(r, "session"))
	s.setCookie(w, "session", s.sessions.add(*come), int((8 * time.Hour).Seconds()))
	s.Logger.Info("login", "system", s.Kind.ID, "acr", come.claims.ACR)
	http.Redirect(w, r, p.returnTo, http.StatusSeeOther)
}

// redeem turns a code into a session: tokens, verified, with userinfo.
func (s *System) redeem(ctx context.Context, found *provider, p pending, code string) (*session, error) {
	ctx = s.withClient(ctx)
	token, err := found.oauth.Exchange(ctx, code, oauth2.VerifierOption(p.verifier))
	if err != nil {
		return nil, fmt.Errorf("token endpoint: %w", tokenError(err))
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, errors.New("no ID token came")
	}
	idToken, err := found.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("ID token: %w", err)
	}
	come := &session{idToken: raw, accessToken: token.AccessToken}
	if err := errors.Join(idToken.Claims(&come.claims), idToken.Claims(&come.all)); err != nil {
		return nil, fmt.Errorf("ID token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(come.claims.Nonce), []byte(p.nonce)) != 1 {
		return nil, errors.New("ID token: the nonce is not ours")
	}
	if idToken.AccessTokenHash != "" {
		if err := idToken.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, fmt.Errorf("ID token: at_hash: %w", err)
		}
	}
	come.level, _ = idp.ParseACR(come.claims.ACR)
	if err := fetchUserinfo(ctx, found.op, come); err != nil {
		return nil, err
	}
	return come, nil
}

// tokenError keeps the error's code and leaves out the body, which may hold
// more than a page or a log should show.
func tokenError(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		return fmt.Errorf("refused with %q", refused.ErrorCode)
	}
	return err
}

func fetchUserinfo(ctx context.Context, op *oidc.Provider, come *session) error {
	info, err := op.UserInfo(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: come.accessToken}))
	if err != nil {
		return fmt.Errorf("userinfo: %w", err)
	}
	// OpenID Connect Core 1.0 section 5.3.2.
	if info.Subject != come.claims.Subject {
		return errors.New("userinfo is of somebody else")
	}
	if err := errors.Join(info.Claims(&come.userinfo), info.Claims(&struct {
		Name     *string `json:"name"`
		Username *string `json:"preferred_username"`
	}{&come.claims.Name, &come.claims.Username})); err != nil {
		return fmt.Errorf("userinfo: %w", err)
	}
	return nil
}

// logout ends the system's session and asks the provider to end its own
// (OpenID Connect RP-Initiated Logout 1.0).
func (s *System) logout(w http.ResponseWriter, r *http.Request) {
	come, ok := s.sessions.take(s.cookie(r, "session"))
	s.setCookie(w, "session", "", -1)
	found, err := s.discover(r.Context())
	if !ok || err != nil || found.meta.EndSession == "" {
		http.Redirect(w, r, "/logged-out", http.StatusSeeOther)
		return
	}
	q := url.Values{
		"id_token_hint":            {come.idToken},
		"client_id":                {s.Kind.ID},
		"post_logout_redirect_uri": {s.URL + "/logged-out"},
		"state":                    {randomText()},
	}
	http.Redirect(w, r, found.meta.EndSession+"?"+q.Encode(), http.StatusSeeOther)
}

// rooted returns a path of this site, whatever was asked for.
func rooted(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n") {
		return "/"
	}
	return path
}
