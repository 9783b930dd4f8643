package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

const (
	maxFound   = 50
	maxRecords = 20
)

// accounts finds people.
func (h *Handler) accounts(w http.ResponseWriter, r *http.Request, v *visit) {
	view := templates.AdminAccounts{Base: base(r, v.Current)}
	var err error
	if view.Query, err = query(r); err != nil {
		h.fail(w, r, err)
		return
	}
	if view.Query != "" {
		found, err := h.Store.FindPeople(r.Context(), v.id(), view.Query, h.Gate.Names.Normalize(view.Query), maxFound+1)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		if view.More = len(found) > maxFound; view.More {
			found = found[:maxFound]
		}
		for i := range found {
			view.People = append(view.People, personRow(&found[i]))
		}
	}
	h.Pages.Render(w, r, http.StatusOK, view)
}

func personRow(p *idp.Person) templates.PersonRow {
	return templates.PersonRow{
		Name: p.Name, Username: p.Username, Agency: p.Agency.Name, Unit: p.Unit, Title: p.Title, State: string(p.State),
	}
}

var doneThere = map[string]string{"unbind": "unbind", "unbind-card": "unbind-card", "unlock": "unlock"}

// person is one person's page.
func (h *Handler) person(w http.ResponseWriter, r *http.Request, v *visit) {
	p, err := h.find(r, v, r.URL.Query())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.showPerson(w, r, v, p, templates.AdminPerson{Account: one(r.URL.Query(), "account"), Done: doneThere[one(r.URL.Query(), "done")]})
}

// find is the person of an account, if the roles reach them.
func (h *Handler) find(r *http.Request, v *visit, form url.Values) (*idp.Person, error) {
	account := h.Gate.Names.Normalize(one(form, "account"))
	if account == "" {
		return nil, idp.ErrNotFound
	}
	return h.Store.PersonFor(r.Context(), v.id(), account)
}

// mayChange tells why the administrator may not change the person's accounts.
func (h *Handler) mayChange(ctx context.Context, v *visit, p *idp.Person) (fault string, err error) {
	theirs, err := h.Store.RolesOf(ctx, p.ID)
	switch {
	case err != nil:
		return "", err
	case p.ID == v.id():
		return "self", nil
	case !v.roles.MayChange(p.Agency.Code, theirs):
		return "wider", nil
	}
	return "", nil
}

func (h *Handler) showPerson(w http.ResponseWriter, r *http.Request, v *visit, p *idp.Person, view templates.AdminPerson) {
	view.Base, view.PersonRow = base(r, v.Current), personRow(p)
	fault, err := h.mayChange(r.Context(), v, p)
	if err == nil {
		view.MayChange = fault == ""
		err = errors.Join(h.fillState(r.Context(), p, &view), h.fillBindings(r.Context(), p, &view), h.fillRecords(r.Context(), p, &view))
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.Pages.Render(w, r, http.StatusOK, view)
}

func (h *Handler) fillState(ctx context.Context, p *idp.Person, view *templates.AdminPerson) error {
	state, err := h.Gate.State(ctx, view.Account)
	if err != nil {
		return err
	}
	view.LockedUntil, view.Failures, view.Unasked = state.LockedUntil, state.Failures, state.Unasked
	for _, a := range state.Accounts {
		view.Accounts = append(view.Accounts, [2]string{a.Name, string(a.Kind)})
	}
	if _, err = h.Passwords.Target(ctx, p.ID); errors.Is(err, directory.ErrUnbound) {
		view.NoPassword, err = true, nil
	}
	if err != nil {
		return err
	}
	deliveries, err := h.People.DeliveriesOf(ctx, p.ID, maxRecords)
	for _, d := range deliveries {
		known := slices.ContainsFunc(view.Mail, func(s templates.MailState) bool { return s.Account == d.Account })
		if !known && d.State != directory.DeliveryReplaced {
			view.Mail = append(view.Mail, templates.MailState{Account: d.Account, State: string(d.State)})
		}
	}
	return err
}

func (h *Handler) fillBindings(ctx context.Context, p *idp.Person, view *templates.AdminPerson) error {
	bindings, err := h.People.BindingsOf(ctx, p.ID)
	if err != nil {
		return err
	}
	phase, err := h.People.Phase(ctx)
	if err != nil {
		return err
	}
	for _, b := range bindings {
		view.Bindings = append(view.Bindings, templates.BindingRow{Portal: b.Portal, TPEAD: b.TPEAD, At: b.At, Undo: undo(phase, b)})
	}
	cards, err := h.People.CardsOf(ctx, p.ID)
	if err != nil {
		return err
	}
	for _, c := range cards {
		if c.UnboundAt.IsZero() {
			view.Card = &templates.CardRow{ID: c.ID, Name: c.Name, Ends: c.NotAfter, BoundFrom: c.BoundAt}
		}
	}
	waiting, err := h.Seconds.WaitingOf(ctx, p.ID)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return nil
	case err == nil:
		view.Waiting = waiting.State == directory.WaitingOpen && h.Now().Before(waiting.EndsAt)
	}
	return err
}

// undo says what undoing a binding does.
func undo(phase policy.Phase, b directory.Binding) string {
	switch {
	case phase != policy.PhaseCoexist && b.Claimed:
		return "claimed-off"
	case phase != policy.PhaseCoexist:
		return "off"
	case b.Claimed:
		return "claimed"
	}
	return "stays"
}

func (h *Handler) fillRecords(ctx context.Context, p *idp.Person, view *templates.AdminPerson) error {
	events, err := h.People.EventsOf(ctx, p.ID, maxRecords)
	if err != nil {
		return err
	}
	named := map[string]string{}
	for _, e := range events {
		view.Events = append(view.Events, templates.EventRow{
			At: e.At, Kind: e.Kind, Result: e.Result, By: h.actor(ctx, named, e.Actor), From: e.Address, Note: e.Detail,
		})
	}
	entries, err := h.People.History(ctx, p.ID, maxRecords)
	for _, e := range entries {
		row := templates.HistoryRow{At: e.At, Kind: e.Kind, By: h.actor(ctx, named, e.Actor)}
		for _, f := range e.Fields {
			row.Fields = append(row.Fields, [3]string{f.Field, f.Old, f.New})
		}
		view.Changes = append(view.Changes, row)
	}
	return err
}

// actor puts who did something into words: a person's name, in place of their ID.
func (h *Handler) actor(ctx context.Context, named map[string]string, actor string) string {
	personID, ok := strings.CutPrefix(actor, directory.ActorOf(""))
	if !ok {
		return actor
	}
	if named[actor] == "" {
		named[actor] = "-"
		if p, err := h.Gate.Accounts.Person(ctx, personID); err == nil {
			named[actor] = p.Name + " " + p.Username
		}
	}
	return named[actor]
}

// reasonOf is the form's reason as it is kept; empty: there is none, or none that
// can be kept.
func reasonOf(r *http.Request) string {
	reason, err := directory.Reason(one(r.PostForm, "reason"))
	if err != nil {
		return ""
	}
	return reason
}

// act does what a form of a person's page asks for: with a reason, to somebody
// whom the roles let one change. The store asks for them again in the change
// itself. do returns a fault of the page, or an error; a refusal is on record as an
// event of that kind.
func (h *Handler) act(w http.ResponseWriter, r *http.Request, v *visit, kind, done string,
	do func(p *idp.Person, reason string) (fault string, err error),
) {
	if !h.form(w, r) {
		return
	}
	p, err := h.find(r, v, r.PostForm)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	view := templates.AdminPerson{Account: one(r.PostForm, "account")}
	fault, err := h.mayChange(r.Context(), v, p)
	reason := reasonOf(r)
	if err == nil && fault == "" {
		if fault = "reason"; reason != "" {
			fault, err = do(p, reason)
		}
	}
	if err != nil {
		if errors.Is(err, directory.ErrNoRole) {
			h.refuse(w, r, v, kind, p.ID, reason)
			return
		}
		if fault = faultOf(err); fault == "" {
			h.fail(w, r, err)
			return
		}
		if fault == "unavailable" || fault == "uncertain" || fault == "rules" {
			h.Logger.ErrorContext(r.Context(), "admin", "path", r.URL.Path, "error", err)
		}
	}
	switch {
	case fault == "" && done != "":
		http.Redirect(w, r, "/admin/person?"+url.Values{"account": {view.Account}, "done": {done}}.Encode(), http.StatusSeeOther)
		return
	case fault == "":
		return // answered by itself
	}
	view.Fault = fault
	h.showPerson(w, r, v, p, view)
}

// faultOf is what the page says of an error; empty: it has no words for it.
func faultOf(err error) string {
	var rules *policy.FaultsError
	switch {
	case errors.Is(err, idp.ErrNotFound):
		return "gone"
	case errors.Is(err, directory.ErrPortalOff):
		return "portal-off"
	case errors.Is(err, directory.ErrUncertain): // before unavailable, which it is, too
		return "uncertain"
	case errors.Is(err, idp.ErrUnavailable):
		return "unavailable"
	case errors.As(err, &rules):
		return "rules"
	case errors.Is(err, idp.ErrConflict), errors.Is(err, idp.ErrUsed):
		return "raced"
	}
	return ""
}

// unbind undoes the binding of one of the person's portal accounts 「解除綁定」.
func (h *Handler) unbind(w http.ResponseWriter, r *http.Request, v *visit) {
	h.act(w, r, v, "account.unbind", "unbind", func(p *idp.Person, reason string) (string, error) {
		portal := one(r.PostForm, "portal")
		bindings, err := h.People.BindingsOf(r.Context(), p.ID)
		if err != nil {
			return "", err
		}
		if !slices.ContainsFunc(bindings, func(b directory.Binding) bool { return b.Portal == portal }) {
			return "gone", nil
		}
		return "", h.People.Unbind(r.Context(), portal, directory.ActorOf(v.id()), reason, h.Now(),
			h.event(r.Context(), v, "account.unbind", p.ID, reason))
	})
}

// unbindCard undoes the binding of the person's card.
func (h *Handler) unbindCard(w http.ResponseWriter, r *http.Request, v *visit) {
	h.act(w, r, v, "card.unbind", "unbind-card", func(p *idp.Person, reason string) (string, error) {
		id := one(r.PostForm, "card")
		cards, err := h.People.CardsOf(r.Context(), p.ID)
		if err != nil {
			return "", err
		}
		if !slices.ContainsFunc(cards, func(c idp.Card) bool { return c.ID == id }) {
			return "gone", nil
		}
		return "", h.People.UnbindCard(r.Context(), id, h.Now(), h.event(r.Context(), v, "card.unbind", p.ID, reason))
	})
}

// unlock opens the person's lock, here and in the directory.
func (h *Handler) unlock(w http.ResponseWriter, r *http.Request, v *visit) {
	h.act(w, r, v, "account.unlock", "unlock", func(_ *idp.Person, reason string) (string, error) {
		_, err := h.Gate.Unlock(r.Context(), one(r.PostForm, "account"), directory.ActorOf(v.id()), reason)
		return "", err
	})
}

// reset sets a start password, drawn by us and shown once. The page is the answer
// to the form itself, since what it shows stands in no address.
func (h *Handler) reset(w http.ResponseWriter, r *http.Request, v *visit) {
	h.act(w, r, v, "password.reset", "", func(p *idp.Person, reason string) (string, error) {
		account := one(r.PostForm, "account")
		start, _, err := h.Passwords.Reset(r.Context(), account, directory.Hand{Actor: directory.ActorOf(v.id())}, reason)
		if errors.Is(err, directory.ErrUnbound) {
			return "unbound", nil
		}
		if err != nil {
			return "", err
		}
		life := h.Passwords.StartLife
		if life <= 0 {
			life = 24 * time.Hour
		}
		h.showPerson(w, r, v, p, templates.AdminPerson{Account: account, Done: "reset", Start: start, StartEnds: h.Now().Add(life)})
		return "", nil
	})
}
