package oidc

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"

	idp "taipeion.internal/idp"
)

// metadata is the document of OpenID Connect Discovery 1.0 section 3 and RFC
// 8414 section 2: the same at both addresses.
type metadata struct {
	Issuer                string   `json:"issuer"`
	Authorization         string   `json:"authorization_endpoint"`
	Token                 string   `json:"token_endpoint"`
	Userinfo              string   `json:"userinfo_endpoint"`
	JWKS                  string   `json:"jwks_uri"`
	Introspection         string   `json:"introspection_endpoint"`
	Revocation            string   `json:"revocation_endpoint"`
	EndSession            string   `json:"end_session_endpoint"`
	Scopes                []string `json:"scopes_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	ACRValues             []string `json:"acr_values_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	IDTokenAlgs           []string `json:"id_token_signing_alg_values_supported"`
	TokenAuth             []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs         []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuth     []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAuthAlgs []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationAuth        []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgs    []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	Displays              []string `json:"display_values_supported"`
	ClaimTypes            []string `json:"claim_types_supported"`
	Claims                []string `json:"claims_supported"`
	Locales               []string `json:"ui_locales_supported"`
	Prompts               []string `json:"prompt_values_supported"`
	ClaimsParameter       bool     `json:"claims_parameter_supported"`
	RequestParameter      bool     `json:"request_parameter_supported"`
	RequestURIParameter   bool     `json:"request_uri_parameter_supported"`
	CodeChallengeMethods  []string `json:"code_challenge_methods_supported"`
	IssParameter          bool     `json:"authorization_response_iss_parameter_supported"`
}

func (p *Provider) metadataJSON() []byte {
	confidential := []string{idp.AuthSecretBasic, idp.AuthSecretPost, idp.AuthPrivateKeyJWT}
	all := append(confidential[:3:3], idp.AuthNone)
	claims := []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"}
	for _, sc := range scopeClaims {
		claims = append(claims, sc.claims...)
	}
	m := metadata{
		Issuer: p.Issuer, Authorization: p.Issuer + PathAuthorize, Token: p.Issuer + PathToken,
		Userinfo: p.Issuer + PathUserinfo, JWKS: p.Issuer + PathJWKS, Introspection: p.Issuer + PathIntrospect,
		Revocation: p.Issuer + PathRevoke, EndSession: p.Issuer + PathLogout,
		Scopes: personScopes, ResponseTypes: []string{"code"}, ResponseModes: []string{modeQuery, modeFormPost},
		GrantTypes:   grantTypes,
		ACRValues:    []string{idp.LevelPassword.ACR(), idp.LevelTwo.ACR(), idp.LevelCard.ACR()},
		SubjectTypes: []string{"public"}, IDTokenAlgs: p.Algorithms,
		TokenAuth: all, TokenAuthAlgs: assertionAlgorithms,
		IntrospectionAuth: confidential, IntrospectionAuthAlgs: assertionAlgorithms,
		RevocationAuth: all, RevocationAuthAlgs: assertionAlgorithms,
		Displays: []string{"page"}, ClaimTypes: []string{"normal"}, Claims: claims,
		Locales:         []string{"zh-Hant", "zh-TW", "en"},
		Prompts:         []string{"none", "login", "consent", "select_account"},
		ClaimsParameter: true, CodeChallengeMethods: []string{"S256"}, IssParameter: true,
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic("oidc: metadata: " + err.Error()) // strings only: can't happen
	}
	return text
}

// document is a public JSON document, encoded once.
type document struct {
	mu   sync.RWMutex
	body []byte
	etag string
}

func newDocument(body []byte) *document {
	d := &document{}
	d.set(body)
	return d
}

// set replaces the body, if it is another one.
func (d *document) set(body []byte) {
	d.mu.RLock()
	same := d.etag != "" && bytes.Equal(d.body, body)
	d.mu.RUnlock()
	if same {
		return
	}
	sum := sha256.Sum256(body)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.body, d.etag = body, `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`
}

func (d *document) serve(w http.ResponseWriter, r *http.Request, contentType, cacheControl string) {
	d.mu.RLock()
	body, etag := d.body, d.etag
	d.mu.RUnlock()
	h := w.Header()
	h.Set("ETag", etag)
	h.Set("Cache-Control", cacheControl)
	if match := r.Header.Get("If-None-Match"); match != "" && strings.Contains(match, etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

func (p *Provider) serveMetadata(w http.ResponseWriter, r *http.Request) {
	p.metadata.serve(w, r, "application/json", "public, max-age=3600")
}

// serveJWKS publishes the keys. Relying systems may keep them for five minutes:
// the next key is published long before it signs.
func (p *Provider) serveJWKS(w http.ResponseWriter, r *http.Request) {
	p.jwks.set(p.Keys.PublicJWKS())
	p.jwks.serve(w, r, "application/json", "public, max-age=300")
}
