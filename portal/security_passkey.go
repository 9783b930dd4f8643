package portal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/templates"
)

// maxAnswer bounds the answer of an authenticator.
const maxAnswer = 24 << 10

// reasonPasskeyKnown says that the passkey is registered already.
const reasonPasskeyKnown idp.Reason = "passkey_known"

// passkeyOptions gives the page's script what the authenticator is asked; 401
// where a fresh login has to come first.
func (h *Handler) passkeyOptions(w http.ResponseWriter, r *http.Request) {
	c, err := h.Sessions.Current(r)
	if err == nil && c == nil {
		err = idp.Denied{Reason: devicebind.ReasonFactorFresh}
	}
	if err == nil {
		err = h.mayChange(r, c)
	}
	var options []byte
	if err == nil {
		options, err = h.Factors.Passkeys.BeginAdd(r.Context(), who(c))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		var denied idp.Denied
		status, code := http.StatusForbidden, ""
		if errors.As(err, &denied) {
			code = string(denied.Reason)
			if denied.Reason == devicebind.ReasonFactorFresh {
				status = http.StatusUnauthorized
			}
		} else {
			page := errorPage(err)
			status, code = page.Status, string(idp.ReasonUnavailable)
			h.note(r, status, err)
		}
		w.WriteHeader(status)
		options = []byte(`{"error":"` + code + `"}`)
	}
	_, _ = w.Write(options) // a reader that went away is no error of ours
}

func (h *Handler) addPasskey(r *http.Request, c *session.Current) (*templates.Security, error) {
	if err := h.mayChange(r, c); err != nil {
		return nil, err
	}
	answer := []byte(one(r.PostForm, "answer"))
	if len(answer) == 0 || len(answer) > maxAnswer {
		return nil, idp.Denied{Reason: devicebind.ReasonPasskey}
	}
	name := nameOf(r)
	if name == "" {
		pc := devicebind.PCOf(r)
		if name = pc.System; name == "" {
			name = "Passkey"
		}
		name += " " + h.Now().In(time.FixedZone("Asia/Taipei", 8*60*60)).Format("2006/01/02")
	}
	_, err := h.Factors.Passkeys.Add(r.Context(), who(c), name, answer)
	if errors.Is(err, idp.ErrConflict) {
		err = fmt.Errorf("%w: %w", idp.Denied{Reason: reasonPasskeyKnown}, err)
	}
	return noticed(templates.NoticePasskeyAdded), err
}

func passkeyID(r *http.Request) []byte {
	id, err := base64.RawURLEncoding.DecodeString(one(r.PostForm, "id"))
	if err != nil {
		return nil
	}
	return id
}

func (h *Handler) renamePasskey(r *http.Request, c *session.Current) (*templates.Security, error) {
	name := nameOf(r)
	if name == "" {
		return nil, errForm
	}
	return noticed(templates.NoticePasskeyNamed), h.Factors.Passkeys.Rename(r.Context(), who(c), passkeyID(r), name)
}

func (h *Handler) removePasskey(r *http.Request, c *session.Current) (*templates.Security, error) {
	return noticed(templates.NoticePasskeyGone), h.Factors.Passkeys.Remove(r.Context(), who(c), passkeyID(r))
}
