package directory

import (
	"context"
	"crypto/rand"
	"strings"
	"time"
)

// nameLetters leaves out what is taken for another sign: i, l and o.
const nameLetters = "abcdefghjkmnpqrstuvwxyz"

// Pairs of letters and groups of digits that nobody wants to be called by, in
// English or as they sound in Mandarin and Taiwanese.
var (
	rudeLetters = words("as bj bs by cb cu dk ed fa ff fk fq fu fy gg gy hj hv jb jk kk km kp md mf nb nc ng nm np ns nt pg pm pp " +
		"pu px qq rb rp sb sd sg sm ss st sx tm tt vd wc wt xx xy zz")
	rudeDigits = words("0000 0204 0250 0487 0857 1111 1234 1414 1444 1450 1514 2222 2266 3333 3838 4141 4321 4444 4487 5144 " +
		"5354 5414 5438 5487 5555 6666 6969 7414 7474 7777 7878 8181 8787 8888 8964 9414 9487 9527 9999")
)

func words(s string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(s) {
		set[w] = true
	}
	return set
}

// FitSingleName tells whether a name has the form of a single account 單一帳號 (two
// letters, four digits) and is one that is given.
func FitSingleName(name string) bool {
	if len(name) != 6 || !strings.Contains(nameLetters, name[:1]) || !strings.Contains(nameLetters, name[1:2]) {
		return false
	}
	for _, c := range name[2:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	digits := name[2:]
	return !rudeLetters[name[:2]] && !rudeDigits[digits] && !strings.Contains(digits, "666") && !strings.Contains(digits, "444")
}

// SingleName draws a name, each with the same chance.
func SingleName() string {
	var b [16]byte
	for {
		rand.Read(b[:])
		name := make([]byte, 0, 6)
		for _, c := range b {
			switch {
			case len(name) < 2 && int(c) < 11*len(nameLetters):
				name = append(name, nameLetters[int(c)%len(nameLetters)])
			case len(name) >= 2 && c < 250:
				name = append(name, '0'+c%10)
			}
			if len(name) == 6 {
				break
			}
		}
		if FitSingleName(string(name)) {
			return string(name)
		}
	}
}

// UsedNames remembers names for ever.
type UsedNames interface {
	// ClaimName takes a name; false if it is or ever was anybody's.
	ClaimName(ctx context.Context, name string, at time.Time) (bool, error)
}
