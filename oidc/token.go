package oidc

import (
	"net/http"
	"net/url"
)

// grantTypes are those of the metadata.
var grantTypes = []string{"authorization_code", "refresh_token", "client_credentials"}

// token is the token endpoint (RFC 6749 section 3.2).
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	form, err := bodyParameters(w, r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	switch grant := form.Get("grant_type"); {
	case grant == "":
		p.fail(w, r, newFault(codeInvalidRequest, "grant_type is missing"))
		return
	case !contains(grantTypes, grant):
		p.fail(w, r, newFault(codeUnsupportedGrantType, "this grant type is not supported"))
		return
	}
	ctx, unit := r.Context(), &work{now: p.now()}
	ar, err := p.engine.NewAccessRequest(ctx, cleanPost(r, form), unit)
	if err == nil {
		_, err = p.engine.NewAccessResponse(ctx, ar)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, &unit.answer)
}

// cleanPost is the request that fosite sees: the parameters that we checked,
// and the headers for the client's authentication.
func cleanPost(r *http.Request, form url.Values) *http.Request {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if auth := r.Header.Values("Authorization"); len(auth) > 0 {
		header["Authorization"] = auth
	}
	clean := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: r.URL.Path}, Header: header,
		Form: form, PostForm: form, Body: http.NoBody,
	}
	return clean.WithContext(r.Context())
}
