package directory

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"taipeion.internal/idp/policy"
)

// maxReason is how many characters a reason may have.
const maxReason = 200

// idLike is what may be a national ID.
var idLike = regexp.MustCompile(`[A-Za-z][0-9]{9}`)

// Reason makes of what an administrator wrote what is kept on record: without
// national IDs but for their ends. ErrReason: there is none; ErrUnfit: it is too
// long, or has characters that nobody sees.
func Reason(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", ErrReason
	}
	if utf8.RuneCountInString(text) > maxReason {
		return "", fmt.Errorf("%w: a reason has at most %d characters", ErrUnfit, maxReason)
	}
	if hidden(text) {
		return "", fmt.Errorf("%w: a character that can't be seen", ErrUnfit)
	}
	return idLike.ReplaceAllStringFunc(text, func(id string) string {
		if !policy.ValidNationalID(id) {
			return id
		}
		return "…" + id[len(id)-4:]
	}), nil
}

// ErrUnfit says that a text can't be kept.
var ErrUnfit = fmt.Errorf("the text can't be kept")

// hidden tells whether a text has characters that nobody sees, that stand for
// none, or that turn the direction of writing. Private ones have no meaning of
// their own. Selectors of a character's variant follow it in names.
func hidden(text string) bool {
	if !utf8.ValidString(text) {
		return true
	}
	return strings.ContainsFunc(text, func(c rune) bool {
		return c == utf8.RuneError || unicode.In(c, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) ||
			c == 0x3164 || c == 0x115f || c == 0x1160 || c == 0x034f || c == 0xffa0
	})
}
