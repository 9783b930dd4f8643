package templates

import (
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The languages of the pages; the first is what is shown if nothing else is
// asked for.
const (
	Chinese = "zh-Hant"
	English = "en"
)

var languages = []string{Chinese, English}

//go:embed locale/*.json
var localeFiles embed.FS

// words holds, for each language, the text of each key. A text may hold {0},
// {1}... for its arguments.
type words map[string]map[string]string

func loadWords() (words, error) {
	w := words{}
	for _, lang := range languages {
		w[lang] = map[string]string{}
		for _, name := range []string{lang, "factors." + lang, "phone." + lang, "passwords." + lang, "admin." + lang, "events." + lang} {
			data, err := localeFiles.ReadFile("locale/" + name + ".json")
			if err != nil {
				return nil, fmt.Errorf("words: %w", err)
			}
			texts := w[lang] // reading adds to what is there
			if err := json.Unmarshal(data, &texts); err != nil {
				return nil, fmt.Errorf("words in %s: %w", name, err)
			}
		}
	}
	return w, nil
}

func (w words) has(key string) bool {
	for _, lang := range languages {
		if w[lang][key] == "" {
			return false
		}
	}
	return true
}

// text returns the text of a key; a key nobody knows is shown as itself, which
// the check in New keeps from happening.
func (w words) text(lang, key string) string {
	if text := w[lang][key]; text != "" {
		return text
	}
	if text := w[Chinese][key]; text != "" {
		return text
	}
	return key
}

// part is a piece of a text: Arg is the number of the argument that it holds,
// counted from 1, or 0 for the words between the arguments.
type part struct {
	Text string
	Arg  int
}

var placeholder = regexp.MustCompile(`\{(\d)\}`)

// parts splits a text at its placeholders and puts the arguments in. What an
// argument holds is never read as a placeholder.
func (w words) parts(lang, key string, args []any) []part {
	text := w.text(lang, key)
	var out []part
	at := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		if m[0] > at {
			out = append(out, part{Text: text[at:m[0]]})
		}
		at = m[1]
		n, _ := strconv.Atoi(text[m[2]:m[3]])
		if n < len(args) {
			out = append(out, part{Text: fmt.Sprint(args[n]), Arg: n + 1})
		}
	}
	if at < len(text) {
		out = append(out, part{Text: text[at:]})
	}
	return out
}

func (w words) format(lang, key string, args []any) string {
	if len(args) == 0 {
		return w.text(lang, key)
	}
	var b strings.Builder
	for _, p := range w.parts(lang, key, args) {
		b.WriteString(p.Text)
	}
	return b.String()
}

// Word returns a word in a language, with its {0}, {1}... replaced.
func (r *Renderer) Word(lang, key string, args ...any) string {
	return r.words.format(lang, key, args)
}
