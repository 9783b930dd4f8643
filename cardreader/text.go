package cardreader

import "unicode"

// oddRune says whether a character has no place in a name: controls, other
// spaces than the plain one, and those that are not seen: they join, separate,
// fill, or turn the reading direction.
func oddRune(r rune) bool {
	switch r {
	case ' ', '\u3000': // plain, and the ideographic space of Chinese text
		return false
	case unicode.ReplacementChar, '\u2800': // the blank of Braille
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zs, unicode.Zl, unicode.Zp,
		unicode.Noncharacter_Code_Point, unicode.Other_Default_Ignorable_Code_Point)
}
