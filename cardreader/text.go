package cardreader

import "unicode"

// oddRune says whether a character has no place in a name: controls, other
// spaces than the plain one, and the invisible ones that join, separate or
// turn the reading direction.
func oddRune(r rune) bool {
	switch {
	case r == ' ', r == '\u3000': // plain, and the ideographic space of Chinese text
		return false
	case r == unicode.ReplacementChar:
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zs, unicode.Zl, unicode.Zp, unicode.Noncharacter_Code_Point)
}
