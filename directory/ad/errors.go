package ad

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// trouble tells a server that could not answer from one that did.
func trouble(err error) bool {
	if err == nil {
		return false
	}
	var own *ldap.Error
	if !errors.As(err, &own) {
		return !errors.Is(err, errEnough)
	}
	return own.ResultCode >= ldap.ErrorNetwork && own.ResultCode != ldap.ErrorFilterCompile && own.ResultCode != ldap.ErrorFilterDecompile ||
		isCode(err, ldap.LDAPResultBusy, ldap.LDAPResultUnavailable)
}

// errEnough ends a search early; the connection is good.
var errEnough = errors.New("enough")

func timedOut(err error) bool {
	return err != nil && strings.Contains(err.Error(), "timed out")
}

func isCode(err error, codes ...uint16) bool {
	var own *ldap.Error
	return errors.As(err, &own) && slices.Contains(codes, own.ResultCode)
}

// meaning turns a server's result code into a sentinel (RFC 4511 appendix A).
func meaning(err error) error {
	switch {
	case err == nil:
		return nil
	case isCode(err, ldap.LDAPResultReferral):
		return fmt.Errorf("%w: %w", ErrReferral, err)
	case isCode(err, ldap.LDAPResultNoSuchObject):
		return fmt.Errorf("%w: %w", idp.ErrNotFound, err)
	case isCode(err, ldap.LDAPResultEntryAlreadyExists, ldap.LDAPResultAttributeOrValueExists):
		return fmt.Errorf("%w: %w", idp.ErrConflict, err)
	case isCode(err, ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultInsufficientAccessRights):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// StateError says why Active Directory refused a bind. It is
// directory.ErrWrong, ErrDisabled or ErrMustChange for errors.Is.
type StateError struct {
	Subcode uint32 // the Win32 error behind "data"
	of      error
	text    string
}

func (e *StateError) Error() string { return e.text }

// Unwrap gives the sentinel.
func (e *StateError) Unwrap() error { return e.of }

// The sub-codes of Active Directory's "AcceptSecurityContext error". All but the
// first two and SubLocked are told only after the right password.
const (
	SubNoUser         = 0x525
	SubWrong          = 0x52e
	SubRestricted     = 0x52f
	SubHours          = 0x530
	SubWorkstation    = 0x531
	SubPasswordOld    = 0x532
	SubDisabled       = 0x533
	SubAccountExpired = 0x701
	SubMustChange     = 0x773
	SubLocked         = 0x775
)

var states = map[uint32]StateError{
	SubNoUser:         {SubNoUser, directory.ErrWrong, "no such user"},
	SubWrong:          {SubWrong, directory.ErrWrong, "wrong password"},
	SubRestricted:     {SubRestricted, directory.ErrDisabled, "the account is restricted"},
	SubHours:          {SubHours, directory.ErrDisabled, "outside the account's hours"},
	SubWorkstation:    {SubWorkstation, directory.ErrDisabled, "not from this workstation"},
	SubPasswordOld:    {SubPasswordOld, directory.ErrMustChange, "the password has expired"},
	SubDisabled:       {SubDisabled, directory.ErrDisabled, "the account is disabled"},
	SubAccountExpired: {SubAccountExpired, directory.ErrDisabled, "the account has expired"},
	SubMustChange:     {SubMustChange, directory.ErrMustChange, "the password must be changed"},
}

// subcode reads "data 52e" out of a diagnostic; 0 without one.
func subcode(diagnostic string) uint32 {
	_, rest, ok := strings.Cut(diagnostic, " data ")
	if !ok {
		return 0
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) })
	if end < 0 {
		end = len(rest)
	}
	n, err := strconv.ParseUint(rest[:end], 16, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// verdict says what the answer to a user's bind means. Only result code 0 is
// the right password.
func verdict(code int64, diagnostic string) error {
	switch code {
	case ldap.LDAPResultSuccess:
		return nil
	case ldap.LDAPResultBusy, ldap.LDAPResultUnavailable, ldap.LDAPResultReferral, ldap.LDAPResultConfidentialityRequired,
		ldap.LDAPResultStrongAuthRequired:
		return fmt.Errorf("%w: %w: result code %d", directory.ErrNotLooked, idp.ErrUnavailable, code)
	case ldap.LDAPResultInvalidCredentials:
		sub := subcode(diagnostic)
		if sub == SubLocked {
			return &directory.LockedError{}
		}
		if s, ok := states[sub]; ok {
			return &s
		}
		return directory.ErrWrong
	}
	return fmt.Errorf("%w: result code %d", idp.ErrUnavailable, code)
}
