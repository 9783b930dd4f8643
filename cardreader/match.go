package cardreader

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"

	"taipeion.internal/idp"
)

// MatchHolder compares a card's holder with a person of the register, by name
// and by the last four of the national ID. It returns nil or an idp.Denied:
// ReasonCardName, ReasonCardID, or ReasonCardMismatch if both differ. An empty
// name or tail never matches.
func MatchHolder(h Holder, name, idTail string) error {
	sameName := name != "" && normalName(h.Name) == normalName(name)
	sameID := idTail != "" && h.IDTail == idTail
	switch {
	case sameName && sameID:
		return nil
	case sameID:
		return idp.Denied{Reason: idp.ReasonCardName}
	case sameName:
		return idp.Denied{Reason: idp.ReasonCardID}
	}
	return idp.Denied{Reason: idp.ReasonCardMismatch}
}

// normalName brings a name to the form in which two registers agree on it: NFC
// (which also unifies the CJK compatibility characters), one width, one letter
// case, one of the dots that part the names of indigenous people, no variation
// selectors, and no blanks beside Chinese characters, with which short names
// are padded.
func normalName(name string) string {
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
