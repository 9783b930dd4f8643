package agent

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

//go:embed window
var files embed.FS

var (
	page   = template.Must(template.ParseFS(files, "window/window.html"))
	words  = mustWords()
	assets = map[string]string{"/window.js": "text/javascript; charset=utf-8", "/window.css": "text/css; charset=utf-8"}
)

// languages in the order in which they are offered.
var languages = []string{"zh-Hant", "en"}

func mustWords() map[string]map[string]string {
	text, err := files.ReadFile("window/words.json")
	if err != nil {
		panic(err)
	}
	var w map[string]map[string]string
	if err := json.Unmarshal(text, &w); err != nil {
		panic(err)
	}
	return w
}

// setup is what the window's script starts from.
type setup struct {
	Secret  string            `json:"secret"`
	Origins []string          `json:"origins"`
	Words   map[string]string `json:"words"`
}

// window makes a new window: a new secret each time it is loaded.
func (h *handler) window(w http.ResponseWriter, r *http.Request) {
	lang := language(r)
	s := setup{Secret: h.windows.open(h.now()), Words: words[lang]}
	for origin := range h.sites {
		s.Origins = append(s.Origins, origin)
	}
	slices.Sort(s.Origins)
	other := languages[0]
	if lang == other {
		other = languages[1]
	}
	var out bytes.Buffer
	err := page.Execute(&out, map[string]any{"Lang": lang, "Other": other, "W": words[lang], "Setup": s})
	if err != nil {
		h.log.Error("window", "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", lang)
	_, _ = w.Write(out.Bytes()) // the browser went away
}

func (h *handler) asset(w http.ResponseWriter, r *http.Request) {
	body, err := files.ReadFile("window" + r.URL.Path)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", assets[r.URL.Path])
	_, _ = w.Write(body) // the browser went away
}

// language is the one that the page asked for, else the browser's first if we
// have it, else Traditional Chinese.
func language(r *http.Request) string {
	if l := r.URL.Query().Get("lang"); slices.Contains(languages, l) {
		return l
	}
	if strings.HasPrefix(strings.ToLower(r.Header.Get("Accept-Language")), "en") {
		return "en"
	}
	return languages[0]
}
