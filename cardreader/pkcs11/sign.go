//go:build cgo

package pkcs11

import (
	"bytes"
	"time"

	p11 "github.com/miekg/pkcs11"
)

// Sign logs in with the PIN, signs, and logs out. The PIN is presented only if
// the card in the slot is the one that was shown and its PIN is neither
// blocked nor impossible by its length.
func (m *Module) Sign(r SignRequest) ([]byte, error) {
	s, ok := m.slot(r.Slot)
	if !ok || !s.Present {
		return nil, Fail(KindRemoved, "read slot")
	}
	t := s.Token
	if t == nil || t.Serial != r.Serial || len(r.Certificate) == 0 || !bytes.Equal(t.Certificate, r.Certificate) {
		return nil, Fail(KindRemoved, "another card")
	}
	if err := t.accepts(r.PIN); err != nil {
		return nil, err
	}
	session, err := m.ctx.OpenSession(r.Slot, p11.CKF_SERIAL_SESSION)
	if err != nil {
		return nil, m.gone(r.Slot, fromRV("C_OpenSession", rvOf(err)))
	}
	defer func() { _ = m.ctx.CloseSession(session) }()
	if err := m.login(session, r); err != nil {
		return nil, m.gone(r.Slot, m.withTries(r.Slot, err))
	}
	defer func() { _ = m.ctx.Logout(session) }()
	signature, err := m.signWith(session, t.KeyID, r)
	if err != nil {
		return nil, m.gone(r.Slot, err)
	}
	if !verifies(r.Certificate, r.Data, signature) {
		return nil, Fail(KindFailed, "check signature")
	}
	return signature, nil
}

// accepts refuses, without asking the card, what could only cost a try.
func (t *Token) accepts(pin []byte) error {
	if t.Locked {
		return Fail(KindBlocked, "read token")
	}
	n := uint(len(pin))
	switch {
	case t.ProtectedPath && n > 0:
		// Such a driver ignores the PIN it is given and counts a wrong one.
		return Fail(KindPINFormat, "keypad only")
	case t.ProtectedPath:
		return nil
	case n == 0, n < t.MinPIN, t.MaxPIN > 0 && n > t.MaxPIN:
		return Fail(KindPINFormat, "PIN length")
	}
	return nil
}

func (m *Module) login(session p11.SessionHandle, r SignRequest) error {
	rv := m.calls.login(uint(session), p11.CKU_USER, r.PIN)
	if rv == rvUserAlreadyLoggedIn {
		// The PIN was not looked at, and every signature needs it.
		if err := m.ctx.Logout(session); err != nil {
			return fromRV("C_Logout", rvOf(err))
		}
		rv = m.calls.login(uint(session), p11.CKU_USER, r.PIN)
	}
	if rv != rvOK {
		return fromRV("C_Login", rv)
	}
	return nil
}

func (m *Module) signWith(session p11.SessionHandle, id []byte, r SignRequest) ([]byte, error) {
	keys, err := m.find(session, []*p11.Attribute{
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_PRIVATE_KEY),
		p11.NewAttribute(p11.CKA_ID, id),
	})
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, Fail(KindForeign, "find private key")
	}
	data, rv := r.Data, m.signInit(session, p11.CKM_SHA256_RSA_PKCS, keys[0])
	if rv == rvMechanismInvalid {
		data, rv = digestInfo(r.Data), m.signInit(session, p11.CKM_RSA_PKCS, keys[0])
	}
	if rv != rvOK {
		return nil, fromRV("C_SignInit", rv)
	}
	if m.alwaysAuthenticates(session, keys[0]) {
		if rv := m.calls.login(uint(session), p11.CKU_CONTEXT_SPECIFIC, r.PIN); rv != rvOK {
			return nil, m.withTries(r.Slot, fromRV("C_Login", rv))
		}
	}
	signature, rv := m.calls.sign(uint(session), data)
	if rv != rvOK {
		return nil, fromRV("C_Sign", rv)
	}
	return signature, nil
}

func (m *Module) signInit(session p11.SessionHandle, mechanism uint, key p11.ObjectHandle) uint {
	err := m.ctx.SignInit(session, []*p11.Mechanism{p11.NewMechanism(mechanism, nil)}, key)
	if err != nil {
		return rvOf(err)
	}
	return rvOK
}

// alwaysAuthenticates reads CKA_ALWAYS_AUTHENTICATE: such a key wants the PIN
// again for each signature (section 4.9).
func (m *Module) alwaysAuthenticates(session p11.SessionHandle, key p11.ObjectHandle) bool {
	v, rv := m.calls.attribute(uint(session), uint(key), p11.CKA_ALWAYS_AUTHENTICATE, 1)
	return rv == rvOK && len(v) == 1 && v[0] != 0
}

// withTries adds what the token's flags tell after a wrong PIN.
func (m *Module) withTries(slot uint, err error) error {
	e, ok := err.(*Error)
	if !ok || e.Kind != KindWrongPIN {
		return err
	}
	t, _, terr := m.token(slot)
	if terr != nil {
		return err
	}
	if t.Locked {
		return &Error{Kind: KindBlocked, Op: e.Op, RV: e.RV}
	}
	if e.TriesLeft == Unknown {
		e.TriesLeft = t.TriesLeft()
	}
	return e
}

// How long drivers take to notice that a card is gone: the reader daemon polls
// some readers, and until then slot and token look as before.
const (
	removalNotice = 1500 * time.Millisecond
	removalLook   = 100 * time.Millisecond
)

// gone turns any failure into KindRemoved if the card is not there any more:
// drivers report a pulled card in many ways.
func (m *Module) gone(slot uint, err error) error {
	switch KindOf(err) {
	case KindWrongPIN, KindBlocked, KindPINFormat, KindRemoved, KindCancelled:
		return err
	}
	for end := time.Now().Add(removalNotice); m.present(slot); time.Sleep(removalLook) {
		if time.Now().After(end) {
			return err
		}
	}
	delete(m.known, slot)
	e := Fail(KindRemoved, "card removed")
	if was, ok := err.(*Error); ok {
		e.Op, e.RV = was.Op, was.RV
	}
	return e
}

func (m *Module) present(slot uint) bool {
	info, err := m.ctx.GetSlotInfo(slot)
	if err != nil || info.Flags&p11.CKF_TOKEN_PRESENT == 0 {
		return false
	}
	_, _, err = m.token(slot)
	return KindOf(err) != KindRemoved && KindOf(err) != KindForeign
}
