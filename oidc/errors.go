package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/ory/fosite"

	idp "taipeion.internal/idp"
)

// Error codes (RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3.1, OpenID
// Connect Core 1.0 section 3.1.2.6).
const (
	codeInvalidRequest          = "invalid_request"
	codeInvalidClient           = "invalid_client"
	codeInvalidGrant            = "invalid_grant"
	codeInvalidScope            = "invalid_scope"
	codeInvalidToken            = "invalid_token"
	codeInsufficientScope       = "insufficient_scope"
	codeUnauthorizedClient      = "unauthorized_client"
	codeUnsupportedGrantType    = "unsupported_grant_type"
	codeUnsupportedResponseType = "unsupported_response_type"
	codeRequestNotSupported     = "request_not_supported"
	codeRequestURINotSupported  = "request_uri_not_supported"
	codeRegistrationUnsupported = "registration_not_supported"
	codeUnmetAuthentication     = "unmet_authentication_requirements"
	codeServerError             = "server_error"
	codeUnavailable             = "temporarily_unavailable"
)

// fault is an error as a relying system sees it. Its description never holds
// anything out of the request.
type fault struct {
	code        string
	description string
	status      int
	retryAfter  time.Duration
	cause       error
}

func (f *fault) Error() string {
	if f.cause != nil {
		return f.code + ": " + f.cause.Error()
	}
	return f.code + ": " + f.description
}

func (f *fault) Unwrap() error { return f.cause }

func newFault(code, description string) *fault {
	status := http.StatusBadRequest
	switch code {
	case codeInvalidClient, codeInvalidToken:
		status = http.StatusUnauthorized
	case codeInsufficientScope:
		status = http.StatusForbidden
	}
	return &fault{code: code, description: description, status: status}
}

// asFault is the one place where errors become protocol errors.
func asFault(err error) *fault {
	var f *fault
	var theirs *fosite.RFC6749Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, idp.ErrUnavailable), errors.Is(err, idp.ErrOverloaded), errors.Is(err, context.DeadlineExceeded):
		return &fault{code: codeUnavailable, description: "try again in a moment",
			status: http.StatusServiceUnavailable, retryAfter: time.Second, cause: err}
	case errors.As(err, &theirs):
		if f := fromFosite(theirs); f != nil {
			return f
		}
	}
	return &fault{code: codeServerError, description: "an error of ours", status: http.StatusInternalServerError, cause: err}
}

// fromFosite keeps fosite's code, not its texts: they quote the request.
func fromFosite(e *fosite.RFC6749Error) *fault {
	switch e.ErrorField {
	case codeInvalidRequest, "invalid_state", "unsupported_response_mode":
		return newFault(codeInvalidRequest, "the request is malformed")
	case codeInvalidScope:
		return newFault(codeInvalidScope, "the client may not ask for this scope")
	case codeUnsupportedResponseType:
		return newFault(codeUnsupportedResponseType, "only response_type code is supported")
	case codeRequestNotSupported, codeRequestURINotSupported, codeRegistrationUnsupported:
		return newFault(e.ErrorField, "this parameter is not supported")
	case codeInvalidClient:
		return newFault(codeInvalidClient, "client authentication failed")
	}
	return nil
}

// logFault records what an operator must see: our errors, not the clients'.
func (p *Provider) logFault(ctx context.Context, f *fault) {
	if f.status < http.StatusInternalServerError || f.cause == nil || errors.Is(f.cause, context.Canceled) {
		return
	}
	p.Logger.ErrorContext(ctx, "request failed", "error", f.cause.Error(),
		"request_id", idp.OriginFrom(ctx).RequestID)
}

// fail writes an error of the endpoints that machines call (RFC 6749 section
// 5.2).
func (p *Provider) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := asFault(err)
	p.logFault(r.Context(), f)
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(f.retryAfter/time.Second))))
	}
	if f.status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="taipeion"`)
	}
	writeJSON(w, f.status, map[string]string{"error": f.code, "error_description": f.description})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // the connection is gone if this fails
}
