package oidc

import (
	"net/http"
	"net/url"
	"strings"

	"taipeion.internal/idp/templates"
)

// answer sends an authorization response to the relying system, with the
// issuer in each (RFC 9207 section 2) and the state as it came.
func (p *Provider) answer(w http.ResponseWriter, r *http.Request, q *request, fields [][2]string) {
	if q.state != "" {
		fields = append(fields, [2]string{"state", q.state})
	}
	fields = append(fields, [2]string{"iss", p.Issuer})
	if q.mode == modeFormPost {
		// OAuth 2.0 Form Post Response Mode section 2.
		view := templates.FormPost{Action: q.redirectURI, Fields: fields, System: p.clientName(r, q.client)}
		view.Locales = q.form.Get("ui_locales")
		p.Pages.Render(w, r, http.StatusOK, view)
		return
	}
	seeOther(w, withQuery(q.redirectURI, fields))
}

// answerError sends an error response by redirect (RFC 6749 section 4.1.2.1).
func (p *Provider) answerError(w http.ResponseWriter, r *http.Request, q *request, err error) {
	f := asFault(err)
	p.logFault(r.Context(), f)
	p.answer(w, r, q, [][2]string{{"error", f.code}, {"error_description", f.description}})
}

// withQuery adds fields to a URI without touching what is in it: a query that
// the client registered is kept (RFC 6749 section 3.1.2).
func withQuery(uri string, fields [][2]string) string {
	var b strings.Builder
	b.WriteString(uri)
	sep := byte('?')
	if strings.Contains(uri, "?") {
		sep = '&'
		if strings.HasSuffix(uri, "?") || strings.HasSuffix(uri, "&") {
			sep = 0
		}
	}
	for _, f := range fields {
		if sep != 0 {
			b.WriteByte(sep)
		}
		sep = '&'
		b.WriteString(f[0])
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(f[1]))
	}
	return b.String()
}
