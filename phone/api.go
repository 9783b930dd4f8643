package phone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

// maxMessage is the most that a phone's request may hold.
const maxMessage = 32 << 10

// api answers the app's requests, in JSON.
type api struct {
	*Handler
	limit *limiter
}

// limited counts the source, runs the request and answers.
func (a *api) limited(run func(r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait := a.limit.take(idp.OriginFrom(r.Context())); wait > 0 {
			retryAfter(w, wait)
			send(w, http.StatusTooManyRequests, refusal{idp.ReasonThrottled})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxMessage)
		answer, err := run(r)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		send(w, http.StatusOK, answer)
	})
}

// retryAfter says when to come back (RFC 9110 section 10.2.3), in whole seconds.
func retryAfter(w http.ResponseWriter, d time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(d.Seconds())))))
}

func send(w http.ResponseWriter, status int, answer any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the reader has gone: nobody to tell
}

// errMessage says that a request can't be read.
var errMessage = errors.New("unreadable message")

// receive reads a message: one JSON object, and nothing after it. A form of
// another site can't have this content type without asking us first.
func receive(r *http.Request, into any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return errMessage
	}
	dec := json.NewDecoder(r.Body)
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", errMessage, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errMessage
	}
	return nil
}

func (a *api) claim(r *http.Request) (any, error) {
	var m struct {
		devicebind.Claim
		WebAuthn json.RawMessage `json:"webauthn"`
	}
	if err := receive(r, &m); err != nil {
		return nil, err
	}
	m.Claim.WebAuthn = present(m.WebAuthn)
	return a.Enrolments.Claim(r.Context(), r.PathValue("id"), m.Claim)
}

// present is what the authenticator answered; nil if nothing was sent.
func present(raw json.RawMessage) []byte {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

func (a *api) collect(r *http.Request) (any, error) {
	token, err := bearer(r)
	if err != nil {
		return nil, err
	}
	return a.Enrolments.Collect(r.Context(), r.PathValue("id"), token)
}

func (a *api) abandon(r *http.Request) (any, error) {
	token, err := bearer(r)
	if err != nil {
		return nil, err
	}
	return done{}, a.Enrolments.Abandon(r.Context(), r.PathValue("id"), token)
}

// bearer is the token by which a phone that claimed an enrolment is known.
func bearer(r *http.Request) (string, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return "", idp.ErrNotFound
	}
	return token, nil
}

func (a *api) scan(r *http.Request) (any, error) {
	var m devicebind.ScanRequest
	if err := receive(r, &m); err != nil {
		return nil, err
	}
	return a.Logins.Scan(r.Context(), m)
}

func (a *api) decide(r *http.Request) (any, error) {
	var m struct {
		devicebind.DecideRequest
		WebAuthn json.RawMessage `json:"webauthn"`
	}
	if err := receive(r, &m); err != nil {
		return nil, err
	}
	m.DecideRequest.WebAuthn = present(m.WebAuthn)
	if m.Verdict == devicebind.VerdictReport {
		ended, err := a.Logins.Report(r.Context(), m.DecideRequest)
		return reported{ended}, err
	}
	return done{}, a.Logins.Decide(r.Context(), m.DecideRequest)
}

// reported tells who reported a login what became of it.
type reported struct {
	Ended devicebind.Ended `json:"ended"`
}

// done is the answer when there is nothing to tell.
type done struct{}

// standing is how a phone stands.
type standing struct {
	Standing devicebind.Standing `json:"standing"`
	Name     string              `json:"name"` // of the phone
	Person   string              `json:"person"`
	Agency   string              `json:"agency"`
	NotAfter int64               `json:"not_after"` // Unix milliseconds
	Decided  []decided           `json:"decided,omitempty"`
	Before   int64               `json:"decided_before,omitempty"` // there are older ones: to be asked for by this
}

func (a *api) self(r *http.Request) (any, error) {
	var m struct {
		devicebind.Self
		Before int64 `json:"before"` // which page of what was decided; not signed
	}
	if err := receive(r, &m); err != nil {
		return nil, err
	}
	m.WebAuthn = present(m.WebAuthn)
	switch m.Action {
	case devicebind.SelfStatus:
		return a.status(r.Context(), m.Self, m.Before)
	case devicebind.SelfUnbind:
		return done{}, a.Devices.Unbind(r.Context(), m.Self)
	}
	return nil, errMessage
}

// status tells a phone how it stands and, while it may be used, what it and the
// person's other phones decided.
func (a *api) status(ctx context.Context, m devicebind.Self, before int64) (any, error) {
	device, person, err := a.Devices.Status(ctx, m)
	if err != nil {
		return nil, err
	}
	s := standing{
		Standing: device.Standing(a.Now()), Name: device.Name, Person: person.Name, Agency: person.Agency.Name,
		NotAfter: device.NotAfter.UnixMilli(),
	}
	if s.Standing == devicebind.StandingActive {
		s.Decided, s.Before, err = a.History.of(ctx, device, a.Now(), before)
	}
	return s, err
}

// refusal tells why not.
type refusal struct {
	Error idp.Reason `json:"error"`
}

// The refusals that are no idp.Reason of their own.
const (
	reasonRequest  idp.Reason = "request"   // the message can't be read
	reasonNotFound idp.Reason = "not_found" // no such enrolment, or not this phone's
	reasonInternal idp.Reason = "internal"
)

// When to come back.
const (
	retryUnavailable = 5 * time.Second
	retryLimit       = time.Minute
)

func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, reason := verdict(err)
	if status >= http.StatusInternalServerError && r.Context().Err() == nil {
		a.Logger.ErrorContext(r.Context(), "phone", "route", r.Pattern, "error", err)
	}
	switch status {
	case http.StatusServiceUnavailable:
		retryAfter(w, retryUnavailable)
	case http.StatusTooManyRequests:
		retryAfter(w, retryLimit)
	}
	send(w, status, refusal{reason})
}

// verdict is the status and the reason that an error is answered with.
func verdict(err error) (int, idp.Reason) {
	var denied idp.Denied
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, reasonRequest
	case errors.Is(err, errMessage):
		return http.StatusBadRequest, reasonRequest
	case errors.As(err, &denied):
		return statusOf(denied.Reason), denied.Reason
	case errors.Is(err, idp.ErrNotFound):
		return http.StatusNotFound, reasonNotFound
	case errors.Is(err, idp.ErrOverloaded):
		return http.StatusServiceUnavailable, idp.ReasonBusy
	case errors.Is(err, idp.ErrUnavailable):
		return http.StatusServiceUnavailable, idp.ReasonUnavailable
	}
	return http.StatusInternalServerError, reasonInternal
}

func statusOf(reason idp.Reason) int {
	switch reason {
	case idp.ReasonUnavailable, idp.ReasonBusy:
		return http.StatusServiceUnavailable
	case idp.ReasonThrottled, devicebind.ReasonScanLimit:
		return http.StatusTooManyRequests
	case devicebind.ReasonEnrolOver, devicebind.ReasonCodeOver, devicebind.ReasonAttemptOver, devicebind.ReasonAttemptTaken:
		return http.StatusConflict
	}
	return http.StatusForbidden
}
