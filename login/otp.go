package login

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

// provedLife is how long a right password waits for its code.
const provedLife = 5 * time.Minute

// proved says that the password was right. The browser carries it, sealed to
// the flow, so that any node can go on and nothing is kept.
type proved struct {
	Person string    `json:"person"`
	Flow   []byte    `json:"flow"`
	At     time.Time `json:"at"`
}

const sealProved = "login/proved"

func (h *Handler) provedCookie(value string) *http.Cookie {
	c := &http.Cookie{
		Name: "__Host-idp-proved", Value: value, Path: "/", MaxAge: int(provedLife.Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	if h.Sessions.Insecure {
		c.Name, c.Secure = "idp-proved", false
	}
	return c
}

// askCode tells whether a one-time code has to follow the password; it has
// answered then. looked: when the password was looked at.
func (h *Handler) askCode(w http.ResponseWriter, r *http.Request, v *visit, person *idp.Person, looked time.Time) bool {
	if h.Factors.OTP == nil {
		return false
	}
	state, err := h.Factors.OTP.Of(r.Context(), person.ID)
	if err != nil {
		h.fail(w, r, fmt.Errorf("read one-time codes: %w", err))
		return true
	}
	if !policy.WantsCode(policy.Place{City: idp.OriginFrom(r.Context()).City}, state.Bound) {
		return false
	}
	text, err := json.Marshal(proved{Person: person.ID, Flow: v.flow.Handle, At: looked})
	if err != nil {
		h.fail(w, r, err)
		return true
	}
	http.SetCookie(w, h.provedCookie(base64.RawURLEncoding.EncodeToString(h.Factors.Sealer.Seal(text, sealProved))))
	http.Redirect(w, r, v.path("/login/otp"), http.StatusSeeOther)
	return true
}

// proved reads whose password was right in this flow a short while ago; nil for
// nobody's.
func (h *Handler) proved(r *http.Request, v *visit) *proved {
	c, err := r.Cookie(h.provedCookie("").Name)
	if err != nil {
		return nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return nil
	}
	text, err := h.Factors.Sealer.Open(sealed, sealProved)
	var p proved
	if err != nil || json.Unmarshal(text, &p) != nil || string(p.Flow) != string(v.flow.Handle) {
		return nil
	}
	if age := h.Now().Sub(p.At); age < -policy.Skew || age > provedLife {
		return nil
	}
	return &p
}

// coder finds who has to give a code: the person whose password was right, or
// the one of a session that needs more. nil: nobody.
func (h *Handler) coder(r *http.Request, v *visit) (person *idp.Person, p *proved, err error) {
	if p = h.proved(r, v); p != nil {
		person, err = h.Factors.People.Person(r.Context(), p.Person)
		if errors.Is(err, idp.ErrNotFound) {
			return nil, nil, nil
		}
		return person, p, err
	}
	if v.decision.Step == policy.StepLevel && v.hasPassword() {
		return v.current.Person, nil, nil
	}
	return nil, nil, nil
}

// codePage asks for the code.
func (h *Handler) codePage(w http.ResponseWriter, r *http.Request) {
	v, err := h.visit(r, one(r.URL.Query(), "flow"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	person, p, err := h.coder(r, v)
	switch {
	case err != nil:
		h.fail(w, r, err)
	case !v.asks(proofs...) || person == nil:
		v.next(w, r)
	default:
		h.showCode(w, r, v, person, p, problem{})
	}
}

func (h *Handler) showCode(w http.ResponseWriter, r *http.Request, v *visit, person *idp.Person, p *proved, why problem) {
	view := templates.Code{
		Base: v.base(r, "/login/otp"), Flow: v.handle, System: v.system(r), Reason: why.reason, LockedUntil: why.until,
	}
	if p != nil {
		view.Name = person.Name
	}
	h.Pages.Render(w, r, why.status(), view)
}

// code takes the one-time code, once on all nodes, or a recovery code.
func (h *Handler) code(w http.ResponseWriter, r *http.Request) {
	v := h.posted(w, r, maxForm, proofs...)
	if v == nil {
		return
	}
	person, p, err := h.coder(r, v)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if person == nil {
		v.next(w, r)
		return
	}
	err = h.Factors.OTP.Verify(r.Context(), person.ID, one(r.PostForm, "code"))
	if err == nil && person.State != idp.PersonEnabled {
		err = idp.Denied{Reason: idp.ReasonDisabled}
	}
	if err != nil {
		why, err := h.refused(r.Context(), v, idp.MethodOTP, person.ID, err)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		h.showCode(w, r, v, person, p, why)
		return
	}
	e := h.event(r.Context(), v.flow, "login.otp", "ok")
	e.PersonID = person.ID
	evidence := []idp.Evidence{{Method: idp.MethodOTP, At: h.Now()}}
	if p != nil {
		evidence = append(evidence, idp.Evidence{Method: idp.MethodPassword, At: p.At})
	}
	if err := h.enterWith(w, r, v, person, evidence, e); err != nil {
		h.fail(w, r, err)
		return
	}
	gone := h.provedCookie("")
	gone.MaxAge = -1
	http.SetCookie(w, gone)
	if p != nil {
		h.rememberTab(w, templates.TabPassword)
	}
	h.onward(w, r, v)
}
