package pkcs11

import (
	"errors"
	"fmt"
)

// ErrNoCgo says that this program was built without cgo and so can't load a
// PKCS#11 module.
var ErrNoCgo = errors.New("pkcs11: this program was built without cgo and can't load a card module; install the packaged build")

// Kind says what went wrong, in the terms that a card holder is told. The
// values are words of the protocol between agent, window and page.
type Kind string

// The kinds.
const (
	KindNoComponent Kind = "no_component" // the module can't be loaded or initialised
	KindNoReader    Kind = "no_reader"
	KindNoCard      Kind = "no_card"
	KindForeign     Kind = "foreign_card" // a card without a usable signature certificate
	KindWrongPIN    Kind = "wrong_pin"    // see TriesLeft
	KindPINFormat   Kind = "pin_format"   // length or alphabet: the card did not count it
	KindBlocked     Kind = "blocked"      // no tries left
	KindRemoved     Kind = "removed"      // the card went away in the middle
	KindCancelled   Kind = "cancelled"    // at the reader's own keypad
	KindHung        Kind = "hung"         // the module did not answer in time
	KindFailed      Kind = "failed"       // anything else
)

// Unknown is the value of TriesLeft where the card does not tell.
const Unknown = -1

// Error is a failure with the module's own return value, if there was one.
type Error struct {
	Kind      Kind
	Op        string // the PKCS#11 function, or what we did
	RV        uint   // CK_RV; 0 if the module had no part in it
	TriesLeft int    // with KindWrongPIN and KindBlocked; Unknown if not told
}

func (e *Error) Error() string {
	if e.RV == 0 {
		return fmt.Sprintf("pkcs11: %s: %s", e.Op, e.Kind)
	}
	return fmt.Sprintf("pkcs11: %s: %s (CKR 0x%08x)", e.Op, e.Kind, e.RV)
}

// Is makes errors.Is(err, &Error{Kind: k}) work.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind
}

// Fail is an Error that the module had no part in.
func Fail(kind Kind, op string) *Error {
	e := &Error{Kind: kind, Op: op, TriesLeft: Unknown}
	if kind == KindBlocked {
		e.TriesLeft = 0
	}
	return e
}

// KindOf is the kind of err, KindFailed for a foreign error, "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindFailed
}

// Return values (PKCS #11 v2.40 section 2.1 and its header files), with the
// two that HiCOS defines in the vendor range to tell the tries left.
const (
	rvOK                  = 0x000
	rvFunctionFailed      = 0x006
	rvDeviceRemoved       = 0x032
	rvFunctionCanceled    = 0x050
	rvMechanismInvalid    = 0x070
	rvPINIncorrect        = 0x0a0
	rvPINInvalid          = 0x0a1
	rvPINLenRange         = 0x0a2
	rvPINExpired          = 0x0a3
	rvPINLocked           = 0x0a4
	rvTokenNotPresent     = 0x0e0
	rvTokenNotRecognized  = 0x0e1
	rvUserAlreadyLoggedIn = 0x100
	rvBufferTooSmall      = 0x150
	rvHiCOSOneTryLeft     = 0x80000001
	rvHiCOSTwoTriesLeft   = 0x80000002
)

// fromRV turns a return value into an Error. Context that the value alone
// does not have (token flags, whether the card is still there) is added by
// the caller.
func fromRV(op string, rv uint) *Error {
	// Some drivers sign-extend the vendor codes on 64-bit systems.
	rv &= 0xffffffff
	e := &Error{Kind: KindFailed, Op: op, RV: rv, TriesLeft: Unknown}
	switch rv {
	case rvPINIncorrect, rvPINExpired:
		e.Kind = KindWrongPIN
	case rvHiCOSOneTryLeft:
		e.Kind, e.TriesLeft = KindWrongPIN, 1
	case rvHiCOSTwoTriesLeft:
		e.Kind, e.TriesLeft = KindWrongPIN, 2
	case rvPINInvalid, rvPINLenRange:
		e.Kind = KindPINFormat
	case rvPINLocked:
		e.Kind, e.TriesLeft = KindBlocked, 0
	case rvTokenNotPresent, rvDeviceRemoved:
		e.Kind = KindRemoved
	case rvTokenNotRecognized:
		e.Kind = KindForeign
	case rvFunctionCanceled:
		e.Kind = KindCancelled
	}
	return e
}
