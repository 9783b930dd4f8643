//go:build cgo

package pkcs11

import (
	"bytes"
	"errors"
	"strings"

	p11 "github.com/miekg/pkcs11"
)

// Module is a loaded and initialised PKCS#11 module.
type Module struct {
	ctx   *p11.Ctx
	calls calls
	known map[uint]Token // certificates read before, by slot
}

// Open loads the module file and initialises it.
func Open(path string) (*Module, error) {
	c, ok := loadCalls(path)
	if !ok {
		return nil, Fail(KindNoComponent, "load module")
	}
	ctx := p11.New(path)
	if ctx == nil {
		return nil, Fail(KindNoComponent, "load module")
	}
	if err := ctx.Initialize(); err != nil {
		ctx.Destroy()
		e := fromRV("C_Initialize", rvOf(err))
		e.Kind = KindNoComponent
		return nil, e
	}
	return &Module{ctx: ctx, calls: c, known: map[uint]Token{}}, nil
}

// Close ends the module.
func (m *Module) Close() {
	_ = m.ctx.Finalize() // nothing can be done about a refusal
	m.ctx.Destroy()
}

// Slots reads all readers and cards anew.
func (m *Module) Slots() ([]Slot, error) {
	ids, err := m.ctx.GetSlotList(false)
	if err != nil {
		return nil, fromRV("C_GetSlotList", rvOf(err))
	}
	if len(ids) > maxSlots {
		ids = ids[:maxSlots]
	}
	slots := make([]Slot, 0, len(ids))
	for _, id := range ids {
		if s, ok := m.slot(id); ok {
			slots = append(slots, s)
		}
	}
	return slots, nil
}

// slot reads one reader; false where there is none (it was just unplugged, or
// it is a software slot that waits for its first token).
func (m *Module) slot(id uint) (Slot, bool) {
	info, err := m.ctx.GetSlotInfo(id)
	if err != nil {
		delete(m.known, id)
		return Slot{}, false
	}
	s := Slot{ID: id, Reader: clean(info.SlotDescription), Present: info.Flags&p11.CKF_TOKEN_PRESENT != 0}
	if !s.Present {
		delete(m.known, id)
		return s, true
	}
	t, initialised, err := m.token(id)
	switch {
	case KindOf(err) == KindRemoved:
		s.Present = false
	case err == nil && !initialised:
		return Slot{}, false
	case err == nil:
		s.Token = &t
	}
	if s.Token == nil {
		delete(m.known, id)
		return s, true
	}
	m.addCertificate(id, s.Token)
	return s, true
}

// token reads the token's state; never from memory, for its PIN flags change.
func (m *Module) token(id uint) (t Token, initialised bool, err error) {
	info, err := m.ctx.GetTokenInfo(id)
	if err != nil {
		return Token{}, false, fromRV("C_GetTokenInfo", rvOf(err))
	}
	has := func(flag uint) bool { return info.Flags&flag != 0 }
	return Token{
		Label:         clean(info.Label),
		Serial:        clean(info.SerialNumber),
		CountLow:      has(p11.CKF_USER_PIN_COUNT_LOW),
		FinalTry:      has(p11.CKF_USER_PIN_FINAL_TRY),
		Locked:        has(p11.CKF_USER_PIN_LOCKED),
		ProtectedPath: has(p11.CKF_PROTECTED_AUTHENTICATION_PATH),
		MinPIN:        info.MinPinLen,
		MaxPIN:        info.MaxPinLen,
	}, has(p11.CKF_TOKEN_INITIALIZED), nil
}

// addCertificate reads the certificate once for each card: a real card takes
// a second for it, and it can't change while the card is in.
func (m *Module) addCertificate(slot uint, t *Token) {
	if old, ok := m.known[slot]; ok && old.Serial == t.Serial && old.Label == t.Label {
		t.Certificate, t.KeyID = old.Certificate, old.KeyID
		return
	}
	delete(m.known, slot)
	session, err := m.ctx.OpenSession(slot, p11.CKF_SERIAL_SESSION)
	if err != nil {
		return
	}
	defer func() { _ = m.ctx.CloseSession(session) }()
	all, err := m.certificates(session)
	if err != nil {
		return
	}
	if c, ok := chooseCertificate(all); ok {
		t.Certificate, t.KeyID = c.der, c.id
	}
	m.known[slot] = *t
}

func (m *Module) certificates(session p11.SessionHandle) ([]stored, error) {
	objects, err := m.find(session, []*p11.Attribute{p11.NewAttribute(p11.CKA_CLASS, p11.CKO_CERTIFICATE)})
	if err != nil {
		return nil, err
	}
	var all []stored
	for _, o := range objects {
		der, rv := m.calls.attribute(uint(session), uint(o), p11.CKA_VALUE, maxCertificate)
		if rv != rvOK {
			continue // one unreadable certificate does not spoil the others
		}
		id, rv := m.calls.attribute(uint(session), uint(o), p11.CKA_ID, 256)
		if rv != rvOK {
			continue
		}
		all = append(all, stored{id: bytes.Clone(id), der: bytes.Clone(der)})
	}
	return all, nil
}

func (m *Module) find(session p11.SessionHandle, template []*p11.Attribute) ([]p11.ObjectHandle, error) {
	if err := m.ctx.FindObjectsInit(session, template); err != nil {
		return nil, fromRV("C_FindObjectsInit", rvOf(err))
	}
	objects, _, err := m.ctx.FindObjects(session, maxObjects)
	if e := m.ctx.FindObjectsFinal(session); err == nil {
		err = e
	}
	if err != nil {
		return nil, fromRV("C_FindObjects", rvOf(err))
	}
	return objects, nil
}

func rvOf(err error) uint {
	var e p11.Error
	if errors.As(err, &e) {
		return uint(e)
	}
	return rvFunctionFailed
}

// clean trims what drivers leave at the end of fixed fields, and drops bytes
// that are not UTF-8.
func clean(s string) string {
	return strings.TrimSpace(strings.TrimRight(strings.ToValidUTF8(s, ""), "\x00 \t"))
}
