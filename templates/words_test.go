package templates

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestWordsComplete fails on a missing or unused key, an empty text, differing
// placeholders, and an exclamation mark.
func TestWordsComplete(t *testing.T) {
	r := newRenderer(t)
	used := r.keys
	for _, lang := range languages {
		for _, key := range used {
			if r.words[lang][key] == "" {
				t.Errorf("%s: %q is missing", lang, key)
			}
		}
		for key, text := range r.words[lang] {
			if !slices.Contains(used, key) {
				t.Errorf("%s: %q is not used", lang, key)
			}
			if strings.ContainsAny(text, "!！") {
				t.Errorf("%s: %q shouts", lang, key)
			}
		}
	}
	for key, text := range r.words[Chinese] {
		if zh, en := holes(text), holes(r.words[English][key]); !slices.Equal(zh, en) {
			t.Errorf("%q has %v in Chinese and %v in English", key, zh, en)
		}
	}
}

func holes(text string) []string {
	found := placeholder.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// TestGoKeys looks for the keys that Go code names.
func TestGoKeys(t *testing.T) {
	w, err := loadWords()
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(?:T|text|format|Word)\((?:lang, )?"([a-z0-9_.]+[a-z0-9])"[,)]`)
	names, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(source), -1) {
			if !strings.HasSuffix(name, "_test.go") && !w.has(m[1]) {
				t.Errorf("%s: %q has no words", name, m[1])
			}
		}
	}
}

// TestArgumentsAreNotRead puts a placeholder into an argument.
func TestArgumentsAreNotRead(t *testing.T) {
	r := newRenderer(t)
	if got := r.Word(English, "home.card.ends", "{1}", "{0}"); got != "Your citizen card ends on {1} ({0})" {
		t.Errorf("got %q", got)
	}
	if got := r.Word("xx", "login.submit"); got != "登入" {
		t.Errorf("an unknown language gives %q", got)
	}
}

// TestNoTextInPages looks for words in the templates themselves.
func TestNoTextInPages(t *testing.T) {
	names, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		t.Fatal(err)
	}
	action, element := regexp.MustCompile(`\{\{.*?\}\}`), regexp.MustCompile(`<[^>]*>`)
	for _, name := range names {
		source, err := pageFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rest := element.ReplaceAllString(action.ReplaceAllString(string(source), ""), "")
		if rest = strings.Trim(strings.Join(strings.Fields(rest), ""), "·"); rest != "" && rest != "page-s" && rest != "page-l" && rest != "page-m" {
			t.Errorf("%s has words of its own: %q", name, rest)
		}
	}
}
