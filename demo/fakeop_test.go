package demo

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/cardreader/cardtest"
)

// fakeOP is as much of a provider as the systems need to be tested alone: it
// logs everybody in, at the level that is asked for.
type fakeOP struct {
	*httptest.Server
	key      *rsa.PrivateKey
	acr      string // of logins; an essential acr raises it
	stubborn bool   // does not raise it
	iss      string // in authorization answers; the issuer's if empty
	nonce    string // wrong nonce for ID tokens, if set
	ended    bool   // every token is inactive
	asked    url.Values
	logout   url.Values
	codes    map[string]url.Values
}

func newFakeOP(t *testing.T) *fakeOP {
	op := &fakeOP{key: cardtest.Key(0), acr: "urn:taipeion:acr:1", codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", op.discovery)
	mux.HandleFunc("GET /authorize", op.authorize)
	mux.HandleFunc("POST /token", op.token)
	mux.HandleFunc("GET /jwks", op.jwks)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"sub": "s1", "name": "林雅筑", "preferred_username": "tf4602", "agency": map[string]string{"code": "GEAA"}})
	})
	mux.HandleFunc("POST /introspect", func(w http.ResponseWriter, r *http.Request) {
		id, _, _ := r.BasicAuth()
		answer(w, map[string]any{"active": !op.ended && r.FormValue("token") == "access", "client_id": id, "sub": "s1", "scope": "openid", "exp": time.Now().Add(time.Minute).Unix()})
	})
	mux.HandleFunc("GET /end", func(w http.ResponseWriter, r *http.Request) {
		op.logout = r.URL.Query()
		http.Redirect(w, r, op.logout.Get("post_logout_redirect_uri"), http.StatusSeeOther)
	})
	op.Server = httptest.NewServer(mux)
	t.Cleanup(op.Close)
	return op
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (op *fakeOP) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{
		"issuer": op.URL, "authorization_endpoint": op.URL + "/authorize", "token_endpoint": op.URL + "/token",
		"jwks_uri": op.URL + "/jwks", "userinfo_endpoint": op.URL + "/userinfo", "introspection_endpoint": op.URL + "/introspect",
		"end_session_endpoint": op.URL + "/end", "authorization_response_iss_parameter_supported": true,
	})
}

func (op *fakeOP) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	op.asked = q
	code := randomText()
	op.codes[code] = q
	iss := op.URL
	if op.iss != "" {
		iss = op.iss
	}
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {iss}}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
}

func (op *fakeOP) token(w http.ResponseWriter, r *http.Request) {
	q, ok := op.codes[r.FormValue("code")]
	challenge := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || base64.RawURLEncoding.EncodeToString(challenge[:]) != q.Get("code_challenge") {
		w.WriteHeader(http.StatusBadRequest)
		answer(w, map[string]string{"error": "invalid_grant"})
		return
	}
	acr := op.acr
	if strings.Contains(q.Get("claims"), "acr:3") && !op.stubborn {
		acr = "urn:taipeion:acr:3"
	}
	nonce := q.Get("nonce")
	if op.nonce != "" {
		nonce = op.nonce
	}
	now := time.Now().Unix()
	id := map[string]any{"iss": op.URL, "sub": "s1", "aud": q.Get("client_id"), "iat": now, "exp": now + 60,
		"auth_time": now, "nonce": nonce, "acr": acr, "amr": []string{"pwd"}}
	answer(w, map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": op.sign(id)})
}

func (op *fakeOP) sign(claims map[string]any) string {
	b64 := base64.RawURLEncoding.EncodeToString
	payload, _ := json.Marshal(claims)
	signed := b64([]byte(`{"alg":"RS256","kid":"k"}`)) + "." + b64(payload)
	sum := sha256.Sum256([]byte(signed))
	signature, _ := rsa.SignPKCS1v15(rand.Reader, op.key, crypto.SHA256, sum[:])
	return signed + "." + b64(signature)
}

func (op *fakeOP) jwks(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{"keys": []any{map[string]string{"kty": "RSA", "kid": "k", "alg": "RS256", "use": "sig",
		"n": base64.RawURLEncoding.EncodeToString(op.key.N.Bytes()), "e": "AQAB"}}})
}
