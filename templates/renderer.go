package templates

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"
	"unicode"
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
	TextEN         string // the same in English; Text if empty
}

// Renderer renders pages. It is safe for concurrent use.
type Renderer struct {
	*book
	opts     Options
	stencils stencils
}

// book is what is made of the embedded files alone. It is read once in a process.
type book struct {
	words  words
	assets *assets
	pages  map[string]map[string]*template.Template // of each language
	keys   []string                                 // of the words that they use
}

var theBook = sync.OnceValues(readBook)

//go:embed pages/*.html
var pageFiles embed.FS

// New parses every page and checks that no word is missing.
func New(opts Options) (*Renderer, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Location == nil {
		opts.Location = taipei
	}
	b, err := theBook()
	if err != nil {
		return nil, err
	}
	return &Renderer{book: b, opts: opts}, nil
}

func readBook() (*book, error) {
	b := &book{pages: map[string]map[string]*template.Template{}}
	var err error
	if b.words, err = loadWords(); err != nil {
		return nil, err
	}
	if b.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	for _, lang := range languages {
		pages, err := b.parse()
		if err != nil {
			return nil, fmt.Errorf("pages: %w", err)
		}
		b.keys = usedKeys(pages)
		if err := b.settle(pages, lang); err != nil {
			return nil, fmt.Errorf("pages: %w", err)
		}
		b.pages[lang] = pages
	}
	return b, checkKeys(b.words, b.keys)
}

func (b *book) parse() (map[string]*template.Template, error) {
	pages := map[string]*template.Template{}
	layout, err := template.New("layout.html").Funcs(b.functions()).ParseFS(pageFiles, "pages/layout.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		base := path.Base(name)
		if base == "layout.html" {
			continue
		}
		page, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if page, err = page.ParseFS(pageFiles, name); err != nil {
			return nil, err
		}
		pages[strings.TrimSuffix(base, ".html")] = page
	}
	return pages, nil
}

func (b *book) functions() template.FuncMap {
	return template.FuncMap{
		"asset":      func(name string) string { return b.assets.paths[name] },
		"icon":       b.icon,
		"glyph":      glyph,
		"safeURL":    safeURL,
		"tabIcon":    func(tab string) string { return tabIcons[tab] },
		"checkIcon":  func(check string) string { return checkIcons[check] },
		"deviceIcon": deviceIcon,
		"grouped":    grouped,
		"pieces":     pieces,
	}
}

// pieces cuts a certificate's full name after its first two commas, where it may
// break into lines; always three, so that what is in it doesn't shape the page.
func pieces(subject string) [3]string {
	var out [3]string
	copy(out[:], strings.SplitAfterN(subject, ",", len(out)))
	return out
}

// icon draws an icon of the sprite. It always stands beside words.
func (b *book) icon(name string) template.HTML {
	return template.HTML(`<svg class="icon" aria-hidden="true"><use href="` + b.assets.paths["icons.svg"] + "#" +
		template.HTMLEscapeString(name) + `"></use></svg>`)
}

// glyph is the sign of a system without an icon: its name's first letter.
func glyph(name string) string {
	for _, letter := range name {
		if unicode.IsLetter(letter) || unicode.IsNumber(letter) {
			return string(unicode.ToUpper(letter))
		}
	}
	return "·"
}

// safeURL lets the registered address of an app through, which html/template
// knows nothing of (RFC 8252 section 7.1); what could run in the page stays out.
func safeURL(address string) any {
	if u, err := url.Parse(address); err == nil && strings.Contains(u.Scheme, ".") && !executable(u.Scheme) {
		return template.URL(address)
	}
	return address // filtered by html/template
}

// Render writes a whole page. Nothing is sent before the page is complete, so
// that an error in it becomes a plain 500.
func (r *Renderer) Render(w http.ResponseWriter, req *http.Request, status int, v View) {
	p := r.page(req, status, v)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", ContentSecurityPolicy(p.formAction()...)+p.furtherPolicy())
	if p.opensAgent() {
		h.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups")
	}
	var body bytes.Buffer
	if err := r.write(&body, p); err != nil {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintln(w, r.words.text(p.Lang, ErrorInternal))
		return
	}
	h.Set("Content-Language", p.Lang)
	remember(w, req)
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the reader has gone: nobody to tell
}

func (r *Renderer) write(body *bytes.Buffer, p *page) error {
	s, fill, ok, err := r.around(p)
	if !ok {
		return errors.Join(err, r.draw(body, p))
	}
	s.write(body, fill)
	return nil
}

func (r *Renderer) draw(body *bytes.Buffer, p *page) error {
	t := r.pages[p.Lang][p.V.Page()]
	if t == nil {
		return fmt.Errorf("no page %q", p.V.Page())
	}
	return t.ExecuteTemplate(body, "layout", p)
}
