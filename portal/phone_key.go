package portal

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// showKey is step 5: the key QR code, the six digits when a phone has claimed
// it, and 成功註冊.
func (h *Handler) showKey(w http.ResponseWriter, r *http.Request, c *session.Current) {
	id := r.URL.Query().Get("id")
	started, err := h.Factors.Enroller.Look(r.Context(), who(c), id)
	switch {
	case errors.Is(err, idp.ErrNotFound):
		http.Redirect(w, r, deviceURL(deviceInstalled), http.StatusSeeOther)
		return
	case err != nil:
		h.fail(w, r, fmt.Errorf("look at enrolment: %w", err))
		return
	}
	query := "?id=" + url.QueryEscape(started.ID)
	view := templates.PhoneBind{
		Step: deviceKey, State: string(started.State), ID: started.ID, Link: started.Link, Digits: started.Digits,
		Device: started.Name, Called: started.Called, Left: started.EndsAt.Sub(h.Now()),
		EventsURL: "/device/bind/events" + query, LookURL: "/device/bind/state" + query,
	}
	if started.State == devicebind.EnrolNew {
		if view.Key, err = devicebind.QRModules(started.Link); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	if over(started.State) {
		view.EventsURL = ""
	}
	h.showDevice(w, r, c, view)
}

func over(s devicebind.EnrolState) bool {
	return s == devicebind.EnrolDone || s == devicebind.EnrolOver
}

// deviceConfirm says that the digits are the same on both screens.
func (h *Handler) deviceConfirm(w http.ResponseWriter, r *http.Request) {
	h.settleKey(w, r, func(c *session.Current, id string) error {
		_, err := h.Factors.Enroller.Confirm(r.Context(), who(c), id)
		return err
	})
}

// deviceCancel says that they are not, or that there is no need any more.
func (h *Handler) deviceCancel(w http.ResponseWriter, r *http.Request) {
	h.settleKey(w, r, func(c *session.Current, id string) error {
		return h.Factors.Enroller.Cancel(r.Context(), who(c), id)
	})
}

// settleKey leads back to step 5, which says how things stand: a decision that
// came too late changes nothing.
func (h *Handler) settleKey(w http.ResponseWriter, r *http.Request, settle func(c *session.Current, id string) error) {
	if !h.form(w, r, maxForm) {
		return
	}
	c := h.deviceBinder(w, r)
	if c == nil {
		return
	}
	id := one(r.PostForm, "id")
	err := settle(c, id)
	if err != nil && !errors.Is(err, idp.ErrNotFound) && !isReason(err, devicebind.ReasonEnrolOver) {
		h.deviceRefused(w, r, c, err)
		return
	}
	http.Redirect(w, r, deviceURL(deviceKey)+"&id="+url.QueryEscape(id), http.StatusSeeOther)
}

// deviceLeave leads from 成功註冊 back to the login page, where the phone can be
// used at once.
func (h *Handler) deviceLeave(w http.ResponseWriter, r *http.Request) {
	h.askLoginAt(w, r, "/login/qr", idp.Ask{PromptLogin: true}, "/")
}

// deviceState is how an enrolment stands, for the page's script.
type deviceState struct {
	State string `json:"state"`
	Left  int    `json:"left"` // seconds
}

func (h *Handler) lookKey(r *http.Request, c *session.Current, id string) (deviceState, time.Time, error) {
	started, err := h.Factors.Enroller.Look(r.Context(), who(c), id)
	if errors.Is(err, idp.ErrNotFound) {
		return deviceState{State: string(devicebind.EnrolOver)}, time.Time{}, nil
	}
	if err != nil {
		return deviceState{}, time.Time{}, fmt.Errorf("look at enrolment: %w", err)
	}
	left := max(0, int(math.Ceil(started.EndsAt.Sub(h.Now()).Seconds())))
	return deviceState{State: string(started.State), Left: left}, started.EndsAt, nil
}

// deviceLook is the state for a page that polls.
func (h *Handler) deviceLook(w http.ResponseWriter, r *http.Request) {
	c, err := h.Sessions.Current(r)
	state := deviceState{State: string(devicebind.EnrolOver)} // nobody's
	if err == nil && c != nil {
		state, _, err = h.lookKey(r, c, r.URL.Query().Get("id"))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		status, code := challengeError(err)
		h.note(r, status, err)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code})
		return
	}
	_ = json.NewEncoder(w).Encode(state) // a reader that went away is no error of ours
}

// deviceEvents tells the page by server-sent events how the enrolment stands,
// now and whenever it changes, until it is over.
func (h *Handler) deviceEvents(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	c, err := h.Sessions.Current(r)
	key := devicebind.EnrolKey(id)
	if err != nil || c == nil || key == nil {
		h.deviceLook(w, r)
		return
	}
	changed, stop := h.Factors.Waiting.Wait(key)
	defer stop()
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Time{}) != nil {
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-h.Factors.Stop:
			return
		case <-changed:
		case <-timer.C:
		}
		state, ends, err := h.lookKey(r, c, id)
		if err != nil {
			h.note(r, http.StatusInternalServerError, err)
			return
		}
		text, err := json.Marshal(state)
		if err != nil || control.SetWriteDeadline(time.Now().Add(10*time.Second)) != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil || control.Flush() != nil {
			return
		}
		if over(devicebind.EnrolState(state.State)) {
			return
		}
		timer.Reset(min(max(ends.Sub(h.Now()), 0)+100*time.Millisecond, 30*time.Second))
	}
}
