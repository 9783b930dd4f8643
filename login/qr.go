package login

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

// watch is what a page that waits for a phone waits for. It is small, since
// many pages wait.
type watch struct {
	flow, browser []byte
	pc            devicebind.PC
	again         int64     // an attempt with this end is over and was seen
	ends          time.Time // of the flow
}

func (h *Handler) watch(r *http.Request, v *visit) watch {
	w := watch{flow: v.flow.Handle, browser: v.flow.Browser, pc: devicebind.PCOf(r), ends: v.flow.EndsAt}
	w.again, _ = strconv.ParseInt(one(r.URL.Query(), "again"), 10, 64) // anything else is none
	return w
}

// told is how a QR login stands, as the page's script hears it.
type told struct {
	State  string `json:"state"`
	Link   string `json:"link,omitempty"`
	Text   string `json:"text,omitempty"`
	Size   int    `json:"size,omitempty"` // of the code, in modules
	Code   string `json:"code,omitempty"` // its modules: see templates.QRCode.Bits
	Number string `json:"number,omitempty"`
	Left   int    `json:"left"` // seconds
	ends   time.Time
	closed time.Time // when the browser's last login was decided
}

// next is when the page shows the next code. The pages don't all change at once:
// each has its own moment, while the code before is still good.
func (w *watch) next(until time.Time) time.Time {
	return until.Add(time.Duration(w.flow[0]) * 20 * time.Second / 256)
}

// look asks how the login stands.
func (h *Handler) look(ctx context.Context, w *watch) (told, error) {
	view, err := h.Factors.Attempts.Look(ctx, w.flow, w.browser)
	if err != nil {
		return told{}, fmt.Errorf("look at QR login: %w", err)
	}
	return h.tell(w, view), nil
}

// lookAt is look in a visit, which has read the attempt already.
func (h *Handler) lookAt(ctx context.Context, w *watch, v *visit) (told, error) {
	if !v.seen {
		return h.look(ctx, w)
	}
	return h.tell(w, h.Factors.Attempts.View(v.attempt, w.flow)), nil
}

// tell puts it into the words of the page's script.
func (h *Handler) tell(w *watch, view *devicebind.View) told {
	now := h.Now()
	t := told{ends: view.EndsAt, closed: view.Closed, Left: left(view.EndsAt, now)}
	switch view.State {
	case devicebind.AttemptScanned:
		t.State, t.Number = templates.QRScanned, view.Number
		return t
	case devicebind.AttemptApproved:
		t.State = templates.QRApproved
		return t
	case devicebind.AttemptDenied:
		t.State = templates.QRDenied
	case devicebind.AttemptBurnt:
		t.State = templates.QRBurnt
	case devicebind.AttemptExpired:
		t.State = templates.QRExpired
	}
	if t.State != "" && view.EndsAt.UnixMilli() != w.again {
		return t
	}
	return h.waiting(w, view.Closed, now)
}

// drawn adds the modules of its code for a page that draws it itself.
func (t told) drawn() (told, error) {
	if t.Link == "" {
		return t, nil
	}
	modules, err := devicebind.QRModules(t.Link)
	if err != nil {
		return t, err
	}
	t.Size, t.Code = len(modules), templates.QRCode(modules).Bits()
	return t, nil
}

// waiting is the code of this moment.
func (h *Handler) waiting(w *watch, closed, now time.Time) told {
	code := h.Factors.Codes.MakeAfter(w.flow, w.pc, closed)
	next := w.next(code.Until)
	if before := next.Add(-devicebind.CodeSlot); now.Before(before) {
		next = before
	}
	return told{closed: closed, State: templates.QRWaiting, Link: code.Link, Text: code.Text, Left: left(next, now), ends: next}
}

func left(end, now time.Time) int { return max(0, int(math.Ceil(end.Sub(now).Seconds()))) }

// qrView is the QR tab as it is drawn first, and again and again for a browser
// without a script.
func (h *Handler) qrView(r *http.Request, v *visit) (*templates.QR, error) {
	w := h.watch(r, v)
	t, err := h.lookAt(r.Context(), &w, v)
	if err != nil {
		return nil, err
	}
	query := v.path("")
	if w.again != 0 {
		query += "&again=" + strconv.FormatInt(w.again, 10)
	}
	view := &templates.QR{
		State: t.State, Link: t.Link, Text: t.Text, Number: t.Number, Left: time.Duration(t.Left) * time.Second,
		EventsURL: "/login/qr/events" + query, LookURL: "/login/qr/state" + query,
		AgainURL: v.path("/login/qr") + "&again=" + strconv.FormatInt(t.ends.UnixMilli(), 10),
	}
	view.Far = !policy.PhoneAlone(policy.Place{City: idp.OriginFrom(r.Context()).City, Known: h.Sessions.Known(r) != nil})
	if t.State == templates.QRWaiting || t.State == templates.QRScanned {
		link := t.Link
		if link == "" {
			link = h.Factors.Codes.MakeAfter(w.flow, w.pc, time.Time{}).Link // pale, behind the number
		}
		modules, err := devicebind.QRModules(link)
		if err != nil {
			return nil, err
		}
		view.Code = modules
	}
	return view, nil
}

// qrLook is the state for a page that polls.
func (h *Handler) qrLook(w http.ResponseWriter, r *http.Request) {
	v, err := h.visit(r, one(r.URL.Query(), "flow"))
	if err != nil {
		h.failJSON(w, r, err)
		return
	}
	if !v.asks(proofs...) {
		writeJSON(w, http.StatusOK, told{State: "over"})
		return
	}
	watch := h.watch(r, v)
	t, err := h.lookAt(r.Context(), &watch, v)
	if err == nil {
		t, err = t.drawn()
	}
	if err != nil {
		h.failJSON(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, t)
}

// qr goes on after the phone has approved: the session that it opens uses the
// approval up, and asks again whether phone, person and card are in order.
func (h *Handler) qr(w http.ResponseWriter, r *http.Request) {
	v := h.posted(w, r, maxForm, proofs...)
	if v == nil {
		return
	}
	used, err := h.approved(r.Context(), v)
	if err != nil {
		h.qrRefused(w, r, v, "", err)
		return
	}
	enough, err := h.phoneEnough(r, v, used)
	if enough {
		err = h.enterByPhone(w, r, v, used)
	} else if _, useless := h.Factors.Attempts.Use(r.Context(), v.flow.Handle, v.flow.Browser); useless != nil {
		err = useless // it is gone anyway
	}
	if err != nil {
		h.qrRefused(w, r, v, used.PersonID, err)
		return
	}
	if enough {
		h.rememberTab(w, templates.TabQR)
	}
	h.onward(w, r, v)
}

// approved is the approval of the visit's flow and browser.
func (h *Handler) approved(ctx context.Context, v *visit) (*devicebind.Used, error) {
	if v.seen {
		return h.Factors.Attempts.ApprovedBy(ctx, v.attempt, v.flow.Handle)
	}
	return h.Factors.Attempts.Approved(ctx, v.flow.Handle, v.flow.Browser)
}

// phoneEnough tells whether the approval opens a session; without an error it
// is another proof that is asked for.
func (h *Handler) phoneEnough(r *http.Request, v *visit, used *devicebind.Used) (bool, error) {
	place, err := h.place(r, used.PersonID)
	switch {
	case err != nil:
		return false, err
	case !policy.PhoneAlone(place):
		return false, idp.Denied{Reason: reasonPhoneFar}
	case v.decision.Step == policy.StepLevel && v.current.Person.ID != used.PersonID:
		return false, idp.Denied{Reason: idp.ReasonOtherPerson}
	}
	return v.flow.Ask.Method == "" || v.flow.Ask.Method == idp.MethodPhone, nil
}

// qrRefused says why, on the tab where one can go on.
func (h *Handler) qrRefused(w http.ResponseWriter, r *http.Request, v *visit, personID string, err error) {
	p, err := h.refused(r.Context(), v, idp.MethodPhone, personID, err)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	tab := templates.TabQR
	if p.reason == reasonPhoneFar {
		tab = templates.TabCard
	}
	h.showLogin(w, r, v, tab, p)
}
