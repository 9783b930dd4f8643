package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// Pages draws.
type Pages interface {
	Render(w http.ResponseWriter, r *http.Request, status int, v templates.View)
}

// Handler serves the addresses below /admin.
type Handler struct {
	Store     Store
	People    People
	Seconds   directory.Seconds
	Reports   directory.Migration
	Sessions  *session.Manager
	Gate      *directory.Gate
	Passwords *directory.Passwords
	Pages     Pages
	Now       func() time.Time
	Logger    *slog.Logger
	FlowLife  time.Duration // how long a step-up may take; 30 min if 0
}

const (
	maxForm = 32 << 10
	// cardSeconds is how old the card may be that opens a page.
	cardSeconds = 15 * 60
)

// Mount adds the routes.
func (h *Handler) Mount(mux idp.Mux) {
	for pattern, page := range map[string]func(http.ResponseWriter, *http.Request, *visit){
		"GET /admin":                     h.first,
		"GET /admin/bindings":            h.bindings,
		"GET /admin/bindings.csv":        h.bindingsCSV,
		"GET /admin/bindings.json":       h.bindingsJSON,
		"GET /admin/approvals":           h.approvals,
		"POST /admin/approvals":          h.decide,
		"GET /admin/accounts":            h.accounts,
		"GET /admin/person":              h.person,
		"POST /admin/person/unbind":      h.unbind,
		"POST /admin/person/unbind-card": h.unbindCard,
		"POST /admin/person/unlock":      h.unlock,
		"POST /admin/person/reset":       h.reset,
	} {
		mux.Handle(pattern, h.admitted(page))
	}
}

// visit is one request of an administrator who was let in.
type visit struct {
	*session.Current
	roles policy.Roles
}

func (v *visit) id() string { return v.Person.ID }

// admitted lets administrators in: whoever has a role now, and read their card a
// short while ago.
func (h *Handler) admitted(page func(http.ResponseWriter, *http.Request, *visit)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := h.Sessions.Current(r)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		if c == nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			h.askCard(w, r, h.ask())
			return
		}
		if c == nil {
			h.Pages.Render(w, r, http.StatusUnauthorized, templates.Error{Status: http.StatusUnauthorized, Base: base(r, nil)})
			return
		}
		roles, err := h.Store.RolesOf(r.Context(), c.Person.ID)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		if len(roles) == 0 {
			h.Pages.Render(w, r, http.StatusForbidden, templates.Error{Status: http.StatusForbidden, Base: base(r, c)})
			return
		}
		ask := h.ask()
		if policy.Decide(ask, policy.Have{Session: c.Session, Person: c.Person}, ask.At).Outcome != policy.Grant {
			h.askCard(w, r, ask)
			return
		}
		page(w, r, &visit{c, roles})
	})
}

// ask is what a page asks for: a card that was read a short while ago.
func (h *Handler) ask() idp.Ask {
	age := int64(cardSeconds)
	return idp.Ask{MinLevel: idp.LevelCard, MaxAge: &age, At: h.Now()}
}

// pagesOf leads from a form back to its page.
var pagesOf = map[string]string{
	"/admin/approvals": "/admin/approvals", "/admin/person/unbind": "/admin/accounts", "/admin/person/unbind-card": "/admin/accounts",
	"/admin/person/unlock": "/admin/accounts", "/admin/person/reset": "/admin/accounts",
}

// askCard sends the browser through a step-up that ends at the page.
func (h *Handler) askCard(w http.ResponseWriter, r *http.Request, ask idp.Ask) {
	to := r.URL.RequestURI()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		to = pagesOf[r.URL.Path]
	}
	life := h.FlowLife
	if life <= 0 {
		life = 30 * time.Minute
	}
	handle, hash := session.NewHandle()
	flow := &idp.Flow{
		Handle: hash, Browser: h.Sessions.EnsureBrowser(w, r), ReturnTo: to, Ask: ask, CreatedAt: ask.At, EndsAt: ask.At.Add(life),
	}
	if err := h.Store.CreateFlow(r.Context(), flow); err != nil {
		h.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/login?flow="+url.QueryEscape(handle), http.StatusSeeOther)
}

func (h *Handler) first(w http.ResponseWriter, r *http.Request, _ *visit) {
	http.Redirect(w, r, "/admin/accounts", http.StatusSeeOther)
}

// errForm says that something was sent that no page of ours sends.
var errForm = errors.New("unreadable form")

// fail answers with an error page; the error itself goes to the log, unless the
// visitor caused it.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	page := templates.Error{Status: http.StatusInternalServerError, Base: base(r, nil)}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		page.Status = http.StatusRequestEntityTooLarge
	case errors.Is(err, errForm):
		page.Status = http.StatusBadRequest
	case errors.Is(err, idp.ErrNotFound):
		page.Status = http.StatusNotFound
	case errors.Is(err, idp.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		page.Status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "5")
	case errors.Is(err, idp.ErrOverloaded):
		page.Status = http.StatusTooManyRequests
		w.Header().Set("Retry-After", "60")
	}
	if page.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		h.Logger.ErrorContext(r.Context(), "admin", "path", r.URL.Path, "error", err)
	}
	h.Pages.Render(w, r, page.Status, page)
}

// refuse answers an administrator whose role was gone when the change was to be
// made: nothing was, and that is on record.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, v *visit, kind, personID, reason string) {
	e := h.event(r.Context(), v, kind, personID, reason)
	e.Result = "no_role"
	if err := h.Store.Record(r.Context(), e); err != nil {
		h.fail(w, r, err)
		return
	}
	h.Pages.Render(w, r, http.StatusForbidden, templates.Error{Status: http.StatusForbidden, Base: base(r, v.Current)})
}

// form reads a form; it answers by itself when that can't be done.
func (h *Handler) form(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	if err == nil {
		return true
	}
	var tooLarge *http.MaxBytesError
	if !errors.As(err, &tooLarge) {
		err = errForm
	}
	h.fail(w, r, err)
	return false
}

// one returns a field that was sent exactly once, else nothing.
func one(form url.Values, name string) string {
	if len(form[name]) != 1 {
		return ""
	}
	return form[name][0]
}

func base(r *http.Request, c *session.Current) templates.Base {
	b := templates.Base{Reference: idp.OriginFrom(r.Context()).RequestID}
	if c != nil {
		b.Account = &templates.Who{Name: c.Person.Name, Username: c.Person.Username}
	}
	return b
}

// event is what an administrator did to somebody.
func (h *Handler) event(ctx context.Context, v *visit, kind, personID, detail string) idp.Event {
	o := idp.OriginFrom(ctx)
	e := idp.Event{
		At: h.Now(), Kind: kind, Result: "ok", PersonID: personID, Actor: directory.ActorOf(v.id()), SessionID: v.Session.ID,
		RequestID: o.RequestID, Detail: detail,
	}
	if o.Address.IsValid() {
		e.Address = o.Address.String()
	}
	return e
}
