package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// errInactive says that the access token is not, or no longer, good.
var errInactive = errors.New("the access token is not active")

// introspected is what the provider says of a token (RFC 7662 section 2.2).
type introspected struct {
	Active   bool   `json:"active"`
	ClientID string `json:"client_id"`
	Subject  string `json:"sub"`
	Scope    string `json:"scope"`
	Expires  int64  `json:"exp"`
}

// apiAnswer is what the system's own API says.
type apiAnswer struct {
	Subject string `json:"sub"`
	Scope   string `json:"scope"`
	Expires int64  `json:"exp"`
	Items   []Item `json:"items"`
}

// apiItems is the system's API, a resource server (RFC 6750): it lets in
// whoever brings an access token that the provider says is good and was
// issued to this system.
func (s *System) apiItems(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.Kind.ID+`"`)
		http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
		return
	}
	found, err := s.introspect(r.Context(), token)
	if errors.Is(err, errInactive) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.Kind.ID+`", error="invalid_token"`)
		http.Error(w, "the token is not active", http.StatusUnauthorized)
		return
	}
	if err != nil {
		s.Logger.Error("introspection failed", "system", s.Kind.ID, "error", err)
		http.Error(w, "the provider does not answer", http.StatusBadGateway)
		return
	}
	writeAnswer(w, apiAnswer{Subject: found.Subject, Scope: found.Scope, Expires: found.Expires, Items: s.Kind.Items})
}

func writeAnswer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the reader went away: nobody to tell
}

// introspect asks the provider about a token.
func (s *System) introspect(ctx context.Context, token string) (*introspected, error) {
	p, err := s.discover(ctx)
	if err != nil {
		return nil, err
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.meta.Introspection, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(s.Kind.ID), url.QueryEscape(s.Secret)) // RFC 6749 section 2.3.1
	var answer introspected
	if err := s.fetchJSON(req, &answer); err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	if !answer.Active || answer.ClientID != s.Kind.ID {
		return nil, errInactive
	}
	return &answer, nil
}

// callAPI calls the system's own API as its site would any other's.
func (s *System) callAPI(ctx context.Context, accessToken string) (*apiAnswer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/items", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	var answer apiAnswer
	if err := s.fetchJSON(req, &answer); err != nil {
		return nil, fmt.Errorf("own API: %w", err)
	}
	return &answer, nil
}

func (s *System) fetchJSON(req *http.Request, into any) error {
	resp, err := s.httpClient().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized && strings.Contains(resp.Header.Get("WWW-Authenticate"), "invalid_token"):
		return errInactive
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return json.Unmarshal(body, into)
}
