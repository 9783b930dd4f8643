package devicebind

import "strings"

// asciiDigits reads what a person typed: full-width digits as plain ones, and
// no spaces or dashes.
func asciiDigits(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '０' && r <= '９':
			return r - '０' + '0'
		case r == ' ' || r == '\u3000' || r == '\u00a0' || r == '-' || r == '\u2010' || r == '\t':
			return -1
		}
		return r
	}, s)
}
