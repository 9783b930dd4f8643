package policy

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

//go:embed weakwords.txt
var weakText string

// weakWords are the words that guessing begins with, folded. Each stands for all
// the passwords that are made of it by the usual decorations.
var weakWords = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{}
	for line := range strings.Lines(weakText) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for word := range strings.FieldsSeq(line) {
			word = foldPassword(word)
			words[word] = true
			words[unleet(word)] = true
		}
	}
	return words
})

// What around a word of the list does not make it a better one: so many digits
// and symbols, or so many characters of any kind.
const (
	maxDecoration = 8
	maxRest       = 3
	maxRead       = 64 // characters; what is longer is not made of one word
)

// Weak tells whether a password is one of those that are tried first: a word of
// the list with digits and symbols around it or in place of letters, two such
// words, rows of the keyboard or the alphabet, or the same again and again.
func Weak(password string) bool {
	s := foldPassword(password)
	words := weakWords()
	if words[s] || words[unleet(s)] || repeats(s) || rows(s) {
		return true
	}
	plain, like := []rune(s), []rune(unleet(s)) // character for character
	if len(plain) > maxRead || len(like) != len(plain) {
		return false
	}
	for i := range plain {
		for j := len(plain); j-i >= 2; j-- {
			known := words[string(plain[i:j])] || words[string(like[i:j])] || pair(words, like[i:j])
			if known && j-i >= 2 && decoration(plain[:i], plain[j:]) {
				return true
			}
		}
	}
	return false
}

// decoration tells whether what stands around a word is worth nothing.
func decoration(before, behind []rune) bool {
	rest := append(append([]rune(nil), before...), behind...)
	if len(rest) <= maxRest {
		return true
	}
	for _, c := range rest {
		if unicode.IsLetter(c) {
			return false
		}
	}
	return len(rest) <= maxDecoration
}

// pair tells whether s is two words of the list, of three letters and more, with
// nothing or a separator between them.
func pair(words map[string]bool, s []rune) bool {
	for i := 3; i <= len(s)-3; i++ {
		behind := s[i:]
		if !unicode.IsLetter(behind[0]) && len(behind) > 3 {
			behind = behind[1:]
		}
		if words[string(s[:i])] && words[string(behind)] {
			return true
		}
	}
	return false
}

// unleet puts the letters back that digits and symbols stand for.
func unleet(s string) string {
	return strings.Map(func(c rune) rune {
		switch c {
		case '0':
			return 'o'
		case '1', '!', '|':
			return 'i'
		case '3':
			return 'e'
		case '4', '@':
			return 'a'
		case '5', '$':
			return 's'
		case '7', '+':
			return 't'
		}
		return c
	}, s)
}

// repeats tells whether s is a short piece again and again, or made of three
// characters at most.
func repeats(s string) bool {
	runes := []rune(s)
	seen := map[rune]bool{}
	for _, c := range runes {
		seen[c] = true
	}
	if len(seen) <= 3 {
		return true
	}
	for n := 1; n <= len(runes)/2; n++ {
		same := true
		for i := n; i < len(runes) && same; i++ {
			same = runes[i] == runes[i-n]
		}
		if same && n <= 4 {
			return true
		}
	}
	return false
}

// keyRows are what fingers walk along, in both directions.
var keyRows = []string{
	"abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "qazwsxedcrfvtgbyhnujmik,ol.p;/", "147258369", "159357",
}

// shifted puts a key's other character in place of it.
var shifted = strings.NewReplacer("!", "1", "@", "2", "#", "3", "$", "4", "%", "5", "^", "6", "&", "7", "*", "8", "(", "9", ")", "0",
	"{", "[", "}", "]", ":", ";", "\"", "'", "<", ",", ">", ".", "?", "/")

// rows tells whether hardly anything is left without pieces of rows.
func rows(s string) bool {
	s = shifted.Replace(s)
	rest, total := 0, utf8.RuneCountInString(s)
	for s != "" {
		n := longestRow(s)
		if n == 0 {
			_, n = utf8.DecodeRuneInString(s)
			rest++
		}
		s = s[n:]
	}
	return total > rest && rest < 4 && rest*2 < total
}

// longestRow is how many bytes at the beginning of s are a piece of a row of
// three keys or more.
func longestRow(s string) int {
	best := again(s)
	for _, row := range keyRows {
		for _, r := range []string{row, reversed(row)} {
			at := strings.IndexByte(r, s[0]) // no row holds a byte of a longer character
			if at < 0 {
				continue
			}
			n := 0
			for n < len(s) && at+n < len(r) && s[n] == r[at+n] {
				n++
			}
			if n >= 3 && n > best {
				best = n
			}
		}
	}
	return best
}

// again is how many bytes at the beginning of s are one or two characters again
// and again.
func again(s string) int {
	best := 0
	for unit := 1; unit <= 2; unit++ {
		n := unit
		for n < len(s) && s[n] < utf8.RuneSelf && s[n] == s[n-unit] {
			n++
		}
		if n >= unit+2 && n > best {
			best = n
		}
	}
	return best
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
