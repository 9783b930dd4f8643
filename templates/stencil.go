package templates

import (
	"bytes"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A login page that says nothing about anybody yet is the same each time but for
// its flow, its code and its seconds. Such a page is drawn once with marks in
// their places, by html/template as all others, and from then on put together
// around what belongs there. Nothing of a visit is in what is kept: what is drawn
// has marks alone, and the whole of it is the key.
type stencils struct {
	mu    sync.RWMutex
	drawn map[string]stencil
}

// maxStencils bounds what is kept, about 9 KB each: systems, languages, places.
const maxStencils = 256

// stencil is a page cut at its marks: text, mark, text, mark, ..., text.
type stencil []string

// The marks are letters and digits, which no escaping changes. So is what takes
// their place: see plain.
const (
	markFlow    = "Q7fMarkOfFlowQ7f"
	markText    = "Q7tMarkOfTextQ7t"
	markPath    = "Q7pMarkOfPathQ7p"
	markSeconds = 918273645
)

// around is the page's stencil and what is to be put in; ok is false where the
// page is drawn as a whole.
func (r *Renderer) around(p *page) (s stencil, fill map[string]string, ok bool, err error) {
	v, ok := p.V.(Login)
	if !ok || !v.stencilled() {
		return nil, nil, false, nil
	}
	fill = map[string]string{markFlow: v.Flow}
	if v.QR != nil {
		fill[markText], fill[markPath] = v.QR.Text, v.QR.Code.Path()
		fill[strconv.Itoa(markSeconds)] = p.Seconds()
	}
	marked := v.marked()
	key := p.Lang + " " + p.Computer() + " " + marked.key() // the page names the computer whose card component it offers
	r.stencils.mu.RLock()
	s = r.stencils.drawn[key]
	r.stencils.mu.RUnlock()
	if s == nil {
		if s, err = r.cut(p, marked, fill); err != nil {
			return nil, nil, false, err
		}
		r.stencils.keep(key, s)
	}
	return s, fill, true, nil
}

// stencilled tells whether all that varies in the page is what is marked.
func (v Login) stencilled() bool {
	if v.Reason != "" || v.Base.Account != nil || v.Account != "" || v.Self == "" || !plain64(v.Flow) {
		return false
	}
	if v.Tab != TabQR || v.QR == nil {
		return v.QR == nil
	}
	if !strings.HasSuffix(v.QR.EventsURL, v.Flow) || !strings.HasSuffix(v.QR.LookURL, v.Flow) {
		return false // what was over before is this browser's own
	}
	return v.QR.State == QRWaiting && v.QR.Number == "" && plain64(v.QR.Text) && v.QR.Code != nil
}

// plain64 tells whether text is of base64url's letters, one at least.
func plain64(text string) bool {
	return text != "" && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// marked is the view with marks for what varies. What is not drawn while a code
// waits is left out.
func (v Login) marked() Login {
	mark := func(address *string) { *address = strings.ReplaceAll(*address, v.Flow, markFlow) }
	m := v
	m.Flow = markFlow
	m.Reference, m.Locales = "", "" // the language is in the key
	for _, address := range []*string{&m.Self, &m.ChallengeURL, &m.BindURL, &m.CodeURL} {
		mark(address)
	}
	if v.QR != nil {
		qr := *v.QR
		qr.Text, qr.Link, qr.AgainURL, qr.Left = markText, "", "", markSeconds*time.Second
		mark(&qr.EventsURL)
		mark(&qr.LookURL)
		m.QR = &qr
	}
	if v.Passkey != nil {
		offer := *v.Passkey
		mark(&offer.OptionsURL)
		m.Passkey = &offer
	}
	return m
}

// key holds all that the page is drawn from.
func (v Login) key() string {
	var qr QR
	var offer PasskeyOffer
	has := [2]bool{v.QR != nil, v.Passkey != nil}
	size := 0
	if has[0] {
		qr, size = *v.QR, v.QR.Code.Size()
		qr.Code = nil
	}
	if has[1] {
		offer = *v.Passkey
	}
	v.QR, v.Passkey = nil, nil
	return fmt.Sprintf("%+v %v %+v %d %+v", v, has, qr, size, offer)
}

// cut draws the marked page and cuts it up.
func (r *Renderer) cut(p *page, marked Login, fill map[string]string) (stencil, error) {
	var body bytes.Buffer
	q := *p
	q.V, q.B = marked, marked.Base
	if err := r.draw(&body, &q); err != nil {
		return nil, err
	}
	text := body.String()
	if path := fill[markPath]; path != "" { // the modules have no mark: their path is its own
		text = strings.ReplaceAll(text, template.HTMLEscapeString(path), markPath)
	}
	var s stencil
	for at := 0; ; {
		next, mark := len(text), ""
		for m := range fill {
			if i := strings.Index(text[at:], m); i >= 0 && at+i < next {
				next, mark = at+i, m
			}
		}
		s = append(s, strings.Clone(text[at:next]))
		if mark == "" {
			return s, nil
		}
		s = append(s, mark)
		at = next + len(mark)
	}
}

func (k *stencils) keep(key string, s stencil) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.drawn == nil || len(k.drawn) >= maxStencils {
		k.drawn = map[string]stencil{}
	}
	k.drawn[key] = s
}

// write puts the page together.
func (s stencil) write(body *bytes.Buffer, fill map[string]string) {
	size := 0
	for i, text := range s {
		if i%2 == 1 {
			text = fill[text]
		}
		size += len(text)
	}
	body.Grow(size)
	for i, text := range s {
		if i%2 == 1 {
			text = fill[text]
		}
		body.WriteString(text)
	}
}
