package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MaxPasswordBytes bounds a password; a longer one is refused unread.
const MaxPasswordBytes = 1024

// PasswordProfile names a set of password rules.
type PasswordProfile string

// The profiles.
const (
	// ProfileBaseline is 資通系統防護基準, with the city's length and classes.
	ProfileBaseline PasswordProfile = "baseline"
	// ProfileNIST is SP 800-63B-4 section 3.1.1: long ones, no classes, no
	// rotation.
	ProfileNIST PasswordProfile = "nist"
)

// PasswordRules are what a new password has to satisfy. Weak ones, leaked ones
// and those made of the person's own names are refused by every profile.
type PasswordRules struct {
	Profile   PasswordProfile
	MinLength int           // characters
	Classes   bool          // lower and upper case letters, digits and symbols
	History   int           // that many last ones are refused; 0: none
	MinAge    time.Duration // its owner changes it no sooner; 0: whenever they like
	MaxAge    time.Duration // it has to be changed then; 0: never
}

// RulesOf are the rules of a profile.
func RulesOf(p PasswordProfile) (PasswordRules, error) {
	switch p {
	case ProfileBaseline, "":
		return PasswordRules{
			Profile: ProfileBaseline, MinLength: 8, Classes: true, History: 3, MinAge: 24 * time.Hour, MaxAge: 90 * 24 * time.Hour,
		}, nil
	case ProfileNIST:
		return PasswordRules{Profile: ProfileNIST, MinLength: 15}, nil
	}
	return PasswordRules{}, fmt.Errorf("%q is no profile of password rules: baseline or nist", string(p))
}

// Fault is what is wrong with a new password; its values are keys of the words.
type Fault string

// The faults.
const (
	FaultForm      Fault = "form"      // control characters, nothing but spaces, or far too long
	FaultShort     Fault = "short"     // too few characters
	FaultLower     Fault = "lower"     // no lower case letter
	FaultUpper     Fault = "upper"     // no upper case letter
	FaultDigit     Fault = "digit"     // no digit
	FaultSymbol    Fault = "symbol"    // no symbol
	FaultOwn       Fault = "own"       // holds the person's name or account
	FaultWeak      Fault = "weak"      // what everybody tries first
	FaultLeaked    Fault = "leaked"    // in the list of leaked ones
	FaultUsed      Fault = "used"      // one of the last
	FaultYoung     Fault = "young"     // the present one was set a short while ago
	FaultDiffer    Fault = "differ"    // the two entries differ
	FaultDirectory Fault = "directory" // the directory's own rules refuse it
)

// FaultsError says what is wrong with a new password.
type FaultsError struct{ Faults []Fault }

func (e *FaultsError) Error() string {
	words := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		words[i] = string(f)
	}
	return "the new password is refused: " + strings.Join(words, ", ")
}

// IsFault tells whether err says that the new password has the fault.
func IsFault(err error, want Fault) bool {
	var e *FaultsError
	if errors.As(err, &e) {
		for _, f := range e.Faults {
			if f == want {
				return true
			}
		}
	}
	return false
}

// Check holds a new password against all rules that need nothing but itself and
// the person's own names. No fault: nil.
func (r PasswordRules) Check(password string, own []string) []Fault {
	if len(password) > MaxPasswordBytes || !utf8.ValidString(password) || strings.TrimSpace(password) == "" ||
		strings.ContainsFunc(password, unicode.IsControl) {
		return []Fault{FaultForm}
	}
	var faults []Fault
	add := func(wrong bool, f Fault) {
		if wrong {
			faults = append(faults, f)
		}
	}
	add(utf8.RuneCountInString(password) < r.MinLength, FaultShort)
	if r.Classes {
		lower, upper, digit, symbol := classes(password)
		add(!lower, FaultLower)
		add(!upper, FaultUpper)
		add(!digit, FaultDigit)
		add(!symbol, FaultSymbol)
	}
	add(holdsOwn(password, own), FaultOwn)
	add(Weak(password), FaultWeak)
	return faults
}

// classes tells which of the four there are. A letter without case, such as a
// Chinese one, is a symbol: it is what guessing programs try last.
func classes(password string) (lower, upper, digit, symbol bool) {
	for _, c := range password {
		switch {
		case c >= 'a' && c <= 'z':
			lower = true
		case c >= 'A' && c <= 'Z':
			upper = true
		case c >= '0' && c <= '9':
			digit = true
		default:
			symbol = true
		}
	}
	return lower, upper, digit, symbol
}

// Due tells whether a password that was set then has to be changed by now.
func (r PasswordRules) Due(setAt, now time.Time) bool {
	return r.MaxAge > 0 && !setAt.IsZero() && now.Sub(setAt) >= r.MaxAge
}

// Young tells whether its owner may not change it yet: who changes it again and
// again would have the old one back.
func (r PasswordRules) Young(setAt, now time.Time) bool {
	return r.MinAge > 0 && !setAt.IsZero() && now.Sub(setAt) < r.MinAge
}

// foldPassword is how passwords are compared with words: without width,
// compatibility forms and case.
func foldPassword(s string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
}

// holdsOwn tells whether a password is made of one of the person's own names:
// all of it, or a part that is long enough to be no accident.
func holdsOwn(password string, own []string) bool {
	folded := foldPassword(password)
	plain := unleet(folded)
	for _, name := range own {
		for _, part := range ownParts(foldPassword(name)) {
			if strings.Contains(folded, part) || strings.Contains(plain, unleet(part)) {
				return true
			}
		}
	}
	return false
}

// ownParts are the parts of a name that may not be in a password: words of four
// letters and more, Chinese names of two, and the name as a whole.
func ownParts(name string) []string {
	var parts []string
	name = strings.TrimSpace(name)
	if n := utf8.RuneCountInString(name); n >= 4 || n >= 2 && !ascii(name) {
		parts = append(parts, name)
	}
	for _, word := range strings.FieldsFunc(name, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsNumber(c) }) {
		runes := []rune(word)
		switch {
		case ascii(word) && len(runes) >= 4:
			parts = append(parts, word)
		case !ascii(word) && len(runes) >= 3:
			parts = append(parts, word, string(runes[len(runes)-2:])) // the given name
		case !ascii(word) && len(runes) == 2:
			parts = append(parts, word)
		}
	}
	return parts
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
