package policy

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// PersonName brings a person's name to the form in which two registers agree on it: NFC
// (which also unifies the CJK compatibility characters), one width, one letter
// case, one of the dots that part the names of indigenous people, no variation
// selectors, and no blanks beside Chinese characters, with which short names
// are padded.
func PersonName(name string) string {
	name = norm.NFC.String(width.Fold.String(norm.NFC.String(name)))
	name = cases.Fold().String(name)
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune("·‧•・.", r) {
			return '·'
		}
		return r
	}, name)
	words := strings.FieldsFunc(name, unicode.IsSpace)
	var b strings.Builder
	var last rune
	for _, word := range words {
		for i, r := range word {
			if unicode.Is(unicode.Variation_Selector, r) {
				continue
			}
			if i == 0 && last != 0 && !(unicode.Is(unicode.Han, last) || unicode.Is(unicode.Han, r)) {
				b.WriteByte(' ')
			}
			b.WriteRune(r)
			last = r
		}
	}
	return b.String()
}
