package agent

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/pkcs11"
)

// Card is a card that can sign, as the window shows it.
type Card struct {
	ID        string `json:"id"`     // opaque; the same card has the same one
	Holder    string `json:"holder"` // common name of the certificate
	Reader    string `json:"reader"`
	TriesLeft int    `json:"tries"`         // pkcs11.Unknown if the card does not tell
	CountLow  bool   `json:"low,omitempty"` // a wrong PIN was entered before
	Keypad    bool   `json:"keypad"`        // the PIN is typed on the reader
	MinPIN    uint   `json:"min_pin"`
	MaxPIN    uint   `json:"max_pin"`

	cert   *x509.Certificate
	module *module
	slot   uint
	serial string
}

// State is what one look at the readers found: each part "ok" or "fail", the
// code of the first thing missing, and the cards that can sign.
type State struct {
	Component string      `json:"component"`
	Reader    string      `json:"reader"`
	Card      string      `json:"card"`
	Code      pkcs11.Kind `json:"code,omitempty"`
	Cards     []Card      `json:"cards,omitempty"`
}

// readers is all modules together.
type readers struct {
	find    func() []string // module files
	command func() *exec.Cmd
	limits  limits

	listMu  sync.Mutex
	modules []*module

	mu     sync.Mutex // held for a whole look
	last   State
	lastAt time.Time
	idle   *time.Timer

	triesMu sync.Mutex
	tries   map[string]int // what wrong PINs told, for cards whose flags don't
}

// state looks at the readers, or tells what was seen less than a second ago.
func (r *readers) state(fresh bool) State {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !fresh && time.Since(r.lastAt) < r.limits.look {
		return r.last
	}
	defer r.restLater() // counted from the end of the look, however long it takes
	modules := r.all()
	results := make([]slotsResult, len(modules))
	var wg sync.WaitGroup
	for i, m := range modules {
		wg.Go(func() {
			res := slotsResult{module: m}
			res.slots, res.busy, res.err = m.slots(r.limits.list)
			results[i] = res
		})
	}
	wg.Wait()
	for _, res := range results {
		if res.busy { // a signature is being made: nothing changed that we may look at
			return r.last
		}
	}
	r.last, r.lastAt = r.merge(results), time.Now()
	return r.last
}

// all is every module, with those that were installed since the last look.
func (r *readers) all() []*module {
	r.listMu.Lock()
	defer r.listMu.Unlock()
	for _, path := range r.find() {
		known := slices.ContainsFunc(r.modules, func(m *module) bool { return m.path == path })
		if !known {
			r.modules = append(r.modules, &module{path: path, command: r.command})
		}
	}
	return slices.Clone(r.modules)
}

type slotsResult struct {
	module *module
	slots  []pkcs11.Slot
	busy   bool
	err    error
}

// merge joins what the modules see. Two modules may see the same reader, and
// one of them know a card that is foreign to the other.
func (r *readers) merge(results []slotsResult) State {
	var s State
	var trouble pkcs11.Kind
	open, slots, present := 0, 0, 0
	for _, res := range results {
		if res.err != nil {
			if k := pkcs11.KindOf(res.err); trouble == "" || trouble == pkcs11.KindNoComponent {
				trouble = k
			}
			continue
		}
		open++
		for _, slot := range res.slots {
			slots++
			if slot.Present {
				present++
			}
			if c, ok := r.card(res.module, slot); ok && !s.has(c) {
				s.Cards = append(s.Cards, c)
			}
		}
	}
	slices.SortFunc(s.Cards, func(a, b Card) int { return strings.Compare(a.Holder+a.ID, b.Holder+b.ID) })
	s.Component, s.Reader, s.Card = passed(open > 0), passed(slots > 0), passed(len(s.Cards) > 0)
	switch {
	case len(s.Cards) > 0:
	case open == 0 && trouble != "":
		s.Code = trouble
	case open == 0:
		s.Code = pkcs11.KindNoComponent
	case trouble == pkcs11.KindHung || trouble == kindCrashed:
		s.Code = trouble // its cards, if any, are not seen
	case present > 0:
		s.Code = pkcs11.KindForeign
	case slots > 0:
		s.Code = pkcs11.KindNoCard
	default:
		s.Code = pkcs11.KindNoReader
	}
	return s
}

func passed(ok bool) string {
	if ok {
		return "ok"
	}
	return "fail"
}

func (s *State) has(c Card) bool {
	for _, have := range s.Cards {
		if bytes.Equal(have.cert.Raw, c.cert.Raw) {
			return true
		}
	}
	return false
}

func (r *readers) card(m *module, slot pkcs11.Slot) (Card, bool) {
	t := slot.Token
	if t == nil || len(t.Certificate) == 0 {
		return Card{}, false
	}
	cert, err := x509.ParseCertificate(t.Certificate)
	if err != nil {
		return Card{}, false
	}
	h := sha256.New()
	h.Write([]byte(m.path + "\x00" + t.Serial + "\x00"))
	h.Write(t.Certificate)
	c := Card{
		ID:     hex.EncodeToString(h.Sum(nil)[:16]),
		Holder: plain(cert.Subject.CommonName), Reader: plain(slot.Reader),
		TriesLeft: t.TriesLeft(), CountLow: t.CountLow, Keypad: t.ProtectedPath,
		MinPIN: t.MinPIN, MaxPIN: t.MaxPIN,
		cert: cert, module: m, slot: slot.ID, serial: t.Serial,
	}
	if c.TriesLeft == pkcs11.Unknown {
		c.TriesLeft = r.remembered(c.ID)
	}
	return c, true
}

// plain makes a name from a card or driver fit to be shown: it is a stranger's
// text, and must not read as part of the window.
func plain(s string) string {
	s = strings.Map(func(c rune) rune {
		if unicode.IsGraphic(c) && !unicode.Is(unicode.Cf, c) {
			return c
		}
		return -1
	}, s)
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return strings.TrimSpace(s)
}

func (r *readers) remembered(id string) int {
	r.triesMu.Lock()
	defer r.triesMu.Unlock()
	if n, ok := r.tries[id]; ok {
		return n
	}
	return pkcs11.Unknown
}

func (r *readers) remember(id string, tries int) {
	r.triesMu.Lock()
	defer r.triesMu.Unlock()
	if tries == pkcs11.Unknown {
		delete(r.tries, id)
		return
	}
	if r.tries == nil || len(r.tries) > 100 {
		r.tries = map[string]int{}
	}
	r.tries[id] = tries
}

// Codes of ours beside the kinds of pkcs11.
const codeLastTry pkcs11.Kind = "last_try" // the holder must first agree to use the last try

// order is one signature that a person asked for.
type order struct {
	card      string // Card.ID
	pin       []byte // empty with a keypad; the caller wipes it
	lastTry   bool   // the person agreed to use the last try
	challenge string
	at        time.Time
}

// sign makes the CMS message over the challenge.
func (r *readers) sign(o order) ([]byte, error) {
	start := time.Now()
	state := r.state(true)
	var card *Card
	for i := range state.Cards {
		if state.Cards[i].ID == o.card {
			card = &state.Cards[i]
		}
	}
	switch {
	case card == nil && (state.Code == pkcs11.KindHung || state.Code == kindCrashed):
		return nil, pkcs11.Fail(state.Code, "look")
	case card == nil:
		return nil, pkcs11.Fail(pkcs11.KindRemoved, "look")
	case card.TriesLeft == 0:
		return nil, pkcs11.Fail(pkcs11.KindBlocked, "look")
	case card.TriesLeft == 1 && !o.lastTry:
		return nil, &pkcs11.Error{Kind: codeLastTry, Op: "look", TriesLeft: 1}
	}
	pending, err := cardreader.PrepareCMS([]byte(o.challenge), card.cert, o.at)
	if err != nil {
		return nil, pkcs11.Fail(pkcs11.KindForeign, "certificate")
	}
	limit := max(r.limits.sign-time.Since(start), r.limits.sign/2)
	if card.Keypad {
		limit = r.limits.keypad
	}
	signature, err := card.module.sign(moduleRequest{
		Op: opSign, Slot: card.slot, Serial: card.serial, Certificate: card.cert.Raw, Data: pending.ToSign(),
	}, o.pin, limit)
	r.learn(card.ID, err)
	if err != nil {
		return nil, err
	}
	cms, err := pending.Finish(signature)
	if err != nil {
		return nil, pkcs11.Fail(pkcs11.KindFailed, "signature")
	}
	return cms, nil
}

// learn keeps what the answer told about the tries left. That a card is
// blocked is not kept: it may be unlocked meanwhile, and asking a blocked one
// costs nothing.
func (r *readers) learn(id string, err error) {
	e, _ := err.(*pkcs11.Error)
	switch {
	case err == nil, e != nil && e.Kind == pkcs11.KindBlocked:
		r.remember(id, pkcs11.Unknown)
	case e != nil && e.Kind == pkcs11.KindWrongPIN && e.TriesLeft != pkcs11.Unknown:
		r.remember(id, e.TriesLeft)
	}
	r.mu.Lock()
	r.lastAt = time.Time{}
	r.mu.Unlock()
}

// restLater puts off the rest; r.mu is held.
func (r *readers) restLater() {
	if r.idle == nil {
		r.idle = time.AfterFunc(r.limits.idle, r.rest)
		return
	}
	r.idle.Reset(r.limits.idle)
}

// rest ends the processes while no window is open.
func (r *readers) rest() {
	for _, m := range r.all() {
		m.rest()
	}
}

// close ends all processes, also those in the middle of a call.
func (r *readers) close() {
	for _, m := range r.all() {
		m.close()
	}
}
