package portal

import (
	"context"
	"errors"
	"net/http"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/templates"
)

// errForm says that a form can't be read, or lacks what it must have.
var errForm = errors.New("unreadable form")

// fail answers with an error page. What it says comes from the kind of the
// error; the error itself goes to the log, unless the visitor caused it.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	page := errorPage(err)
	page.Reference = idp.OriginFrom(r.Context()).RequestID
	h.note(r, page.Status, err)
	switch page.Status {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "60")
	}
	h.Pages.Render(w, r, page.Status, page)
}

func (h *Handler) note(r *http.Request, status int, err error) {
	if status >= http.StatusInternalServerError && r.Context().Err() == nil {
		h.Logger.ErrorContext(r.Context(), "portal", "path", r.URL.Path, "error", err)
	}
}

func errorPage(err error) templates.Error {
	var denied idp.Denied
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return templates.Error{Status: http.StatusRequestEntityTooLarge, Title: templates.ErrorTooLarge}
	case errors.Is(err, errForm):
		return templates.Error{Status: http.StatusBadRequest}
	case errors.Is(err, idp.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return templates.Error{Status: http.StatusServiceUnavailable, Title: templates.ErrorUnavailable}
	case errors.Is(err, idp.ErrOverloaded):
		return templates.Error{Status: http.StatusTooManyRequests, Title: templates.ErrorThrottled}
	case errors.As(err, &denied) && denied.Reason == idp.ReasonOutside:
		return templates.Error{Status: http.StatusForbidden, Reason: denied.Reason}
	}
	return templates.Error{Status: http.StatusInternalServerError, Title: templates.ErrorInternal}
}
