package login

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

// maxAnswer bounds the answer of an authenticator.
const maxAnswer = 16 << 10

// passkeyOptions gives out what the browser asks the authenticator: any passkey
// of this server that it can find by itself, whatever name was typed. Nothing is
// looked up for it, so that neither its bytes nor its time tell which names there
// are or who has passkeys (Web Authentication Level 3 section 14.6.2). A step-up
// asks for the passkeys of the person who is logged in.
func (h *Handler) passkeyOptions(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		h.failJSON(w, r, badForm(err))
		return
	}
	v, err := h.visit(r, one(r.URL.Query(), "flow"))
	if err == nil && !v.asks(proofs...) {
		err = errExpired
	}
	if err != nil {
		h.failJSON(w, r, err)
		return
	}
	options, err := h.options(r, v)
	if err != nil {
		h.failJSON(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(options) // a reader that went away is no error of ours
}

func (h *Handler) options(r *http.Request, v *visit) ([]byte, error) {
	if v.decision.Step == policy.StepLevel {
		options, err := h.Factors.Passkeys.BeginLogin(r.Context(), v.flow.Browser, v.current.Person.ID)
		if !errors.Is(err, idp.ErrNotFound) {
			return options, err
		}
	}
	return h.Factors.Passkeys.BeginLogin(r.Context(), v.flow.Browser, "")
}

// nobody is no person's ID.
const nobody = "nobody"

// expected is who has to answer: at a step-up the person who is logged in, else
// whose name was typed; empty without a name.
func (h *Handler) expected(r *http.Request, v *visit) (personID string, err error) {
	if v.decision.Step == policy.StepLevel {
		return v.current.Person.ID, nil
	}
	typed := strings.TrimSpace(strings.Join(r.PostForm["account"], " "))
	if typed == "" {
		return "", nil
	}
	name := h.Factors.Names.Normalize(typed)
	if name == "" {
		return nobody, nil // what can't be a name is nobody's
	}
	account, err := h.Factors.People.Account(r.Context(), name)
	if errors.Is(err, idp.ErrNotFound) {
		return nobody, nil // and refused as somebody else's name is
	}
	if err != nil {
		return "", fmt.Errorf("find account: %w", err)
	}
	return account.PersonID, nil
}

// passkey takes the authenticator's answer, once.
func (h *Handler) passkey(w http.ResponseWriter, r *http.Request) {
	v := h.posted(w, r, maxForm, proofs...)
	if v == nil {
		return
	}
	answer := []byte(one(r.PostForm, "answer"))
	if len(answer) > maxAnswer {
		answer = nil
	}
	must, err := h.expected(r, v)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	person, key, err := h.Factors.Passkeys.Login(r.Context(), v.flow.Browser, must, answer)
	if err == nil {
		err = h.checkLock(r.Context(), person)
	}
	if err != nil {
		h.passkeyRefused(w, r, v, person, err)
		return
	}
	proved := idp.Evidence{Method: idp.MethodPasskey, At: h.Now(), Passkey: base64.RawURLEncoding.EncodeToString(key.ID)}
	if err := h.enter(w, r, v, person, proved); err != nil {
		h.passkeyRefused(w, r, v, person, err)
		return
	}
	h.onward(w, r, v)
}

// passkeyRefused shows the login page again. Why an answer was not taken is on
// record already; what is known of the person beside it is not.
func (h *Handler) passkeyRefused(w http.ResponseWriter, r *http.Request, v *visit, person *idp.Person, err error) {
	personID := ""
	if person != nil {
		personID = person.ID
	}
	p := problem{reason: devicebind.ReasonPasskey}
	var denied idp.Denied
	if !errors.As(err, &denied) || denied.Reason != p.reason {
		p, err = h.refused(r.Context(), v, idp.MethodPasskey, personID, err)
		if err != nil {
			h.fail(w, r, err)
			return
		}
	}
	tab := h.chooseTab(r, v)
	if tab == templates.TabQR {
		tab = templates.TabPassword // whose page does not load itself again
	}
	h.showLogin(w, r, v, tab, p)
}
