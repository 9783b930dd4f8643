package login

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/templates"
)

// maxAnswer bounds the answer of an authenticator.
const maxAnswer = 16 << 10

// passkeyOptions gives out what the browser asks the authenticator: without a
// name, any passkey of this server; with one, those of that account. A name that
// is nobody's, or has no passkey, gets an answer of the same form, so that
// nobody learns which names there are.
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
	ctx := r.Context()
	if v.decision.Step == policy.StepLevel {
		return h.optionsOf(ctx, v, v.current.Person.ID)
	}
	name := h.Factors.Names.Normalize(one(r.PostForm, "account"))
	if name == "" {
		return h.Factors.Passkeys.BeginLogin(ctx, v.flow.Browser, "")
	}
	account, err := h.Factors.People.Account(ctx, name)
	if err != nil && !errors.Is(err, idp.ErrNotFound) {
		return nil, fmt.Errorf("find account: %w", err)
	}
	personID := ""
	if err == nil {
		personID = account.PersonID
	}
	options, err := h.optionsOf(ctx, v, personID)
	if err != nil {
		return nil, err
	}
	return h.mask(options, name)
}

// optionsOf are the options for the person's passkeys; for any if there is none.
func (h *Handler) optionsOf(ctx context.Context, v *visit, personID string) ([]byte, error) {
	options, err := h.Factors.Passkeys.BeginLogin(ctx, v.flow.Browser, personID)
	if errors.Is(err, idp.ErrNotFound) {
		options, err = h.Factors.Passkeys.BeginLogin(ctx, v.flow.Browser, "")
	}
	return options, err
}

// mask puts a made-up credential, always the same for a name, where there is
// none (Web Authentication Level 3 section 14.6.2).
func (h *Handler) mask(options []byte, name string) ([]byte, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(options, &all); err != nil {
		return nil, fmt.Errorf("read options: %w", err)
	}
	inner, wrapped := all, false
	if _, ok := all["publicKey"]; ok {
		inner, wrapped = map[string]json.RawMessage{}, true
		if err := json.Unmarshal(all["publicKey"], &inner); err != nil {
			return nil, fmt.Errorf("read options: %w", err)
		}
	}
	var allowed []json.RawMessage
	if raw, ok := inner["allowCredentials"]; ok {
		if err := json.Unmarshal(raw, &allowed); err != nil {
			return nil, fmt.Errorf("read options: %w", err)
		}
	}
	if len(allowed) > 0 {
		return options, nil
	}
	id := base64.RawURLEncoding.EncodeToString(h.Factors.Sealer.Hash("passkey/none", []byte(name)))
	made, err := json.Marshal([]map[string]string{{"type": "public-key", "id": id}})
	if err != nil {
		return nil, err
	}
	inner["allowCredentials"] = made
	if wrapped {
		if all["publicKey"], err = json.Marshal(inner); err != nil {
			return nil, err
		}
	}
	return json.Marshal(all)
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
	must := "" // who has to answer
	if v.decision.Step == policy.StepLevel {
		must = v.current.Person.ID
	}
	person, _, err := h.Factors.Passkeys.Login(r.Context(), v.flow.Browser, must, answer)
	if err == nil {
		err = h.checkLock(r.Context(), person)
	}
	if err != nil {
		h.passkeyRefused(w, r, v, person, err)
		return
	}
	if err := h.enter(w, r, v, person, idp.Evidence{Method: idp.MethodPasskey, At: h.Now()}); err != nil {
		h.fail(w, r, err)
		return
	}
	v.next(w, r)
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
