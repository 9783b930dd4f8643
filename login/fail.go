package login

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/templates"
)

// retryUnavailable is when to come back after something that we depend on did
// not answer.
const retryUnavailable = 5 * time.Second

// errForm says that a form can't be read.
var errForm = errors.New("unreadable form")

func badForm(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return errForm
}

// fail answers with an error page. What it says comes from the kind of the
// error; the error itself goes to the log, unless the visitor caused it.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	page := errorPage(err)
	page.Reference = idp.OriginFrom(r.Context()).RequestID
	if page.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		h.Logger.ErrorContext(r.Context(), "login", "path", r.URL.Path, "error", err)
	}
	if page.Status == http.StatusServiceUnavailable {
		retryAfter(w, retryUnavailable)
	}
	h.Pages.Render(w, r, page.Status, page)
}

func errorPage(err error) templates.Error {
	var denied idp.Denied
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return templates.Error{Status: http.StatusRequestEntityTooLarge, Title: templates.ErrorTooLarge}
	case errors.Is(err, errForm):
		return templates.Error{Status: http.StatusBadRequest, Reason: idp.ReasonFlowExpired}
	case errors.Is(err, errClient):
		return templates.Error{Status: http.StatusBadRequest, Title: templates.ErrorUnknownClient}
	case errors.As(err, &denied) && denied.Reason != idp.ReasonUnavailable:
		return templates.Error{Status: http.StatusBadRequest, Reason: denied.Reason}
	case errors.Is(err, idp.ErrUnavailable), errors.Is(err, idp.ErrOverloaded), errors.As(err, &denied),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return templates.Error{Status: http.StatusServiceUnavailable, Title: templates.ErrorUnavailable}
	}
	return templates.Error{Status: http.StatusInternalServerError, Title: templates.ErrorInternal}
}

// retryAfter says when to come back (RFC 9110 section 10.2.3), in whole seconds.
func retryAfter(w http.ResponseWriter, d time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(d.Seconds())))))
}
