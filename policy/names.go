package policy

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// MaxName bounds a name in bytes; a longer one is nobody's, and becomes empty.
const MaxName = 256

// NormalizeName makes one of the many ways to type a name: width, compatibility
// forms, case, and white space or dots around it do not count.
func NormalizeName(s string) string {
	if len(s) > 4*MaxName {
		return ""
	}
	s = norm.NFKC.String(width.Fold.String(s))
	s = norm.NFKC.String(cases.Fold().String(s))
	s = strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '.' || !unicode.IsPrint(r) })
	if len(s) > MaxName {
		return ""
	}
	return s
}

// Names knows the decorations that a name may be typed with.
type Names struct {
	Domains  []string // NetBIOS domains, as in TPEAD\ab1234
	Suffixes []string // UPN suffixes and mail domains, as in ab1234@tpead.gov.taipei
}

// Normalize is NormalizeName without a domain of ours before the name or a
// suffix of ours after it. A name with a foreign one stays as it is, and is
// nobody's.
func (n Names) Normalize(s string) string {
	s = NormalizeName(s)
	for _, d := range n.Domains {
		d = NormalizeName(d)
		for _, separator := range []string{`\`, "/"} {
			if rest, ok := strings.CutPrefix(s, d+separator); ok {
				return NormalizeName(rest)
			}
		}
	}
	for _, x := range n.Suffixes {
		if rest, ok := strings.CutSuffix(s, "@"+NormalizeName(strings.TrimPrefix(x, "@"))); ok {
			return NormalizeName(rest)
		}
	}
	return s
}
