package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	idp "taipeion.internal/idp"
)

// touchEvery is how exact Session.SeenAt is: reading a session more often than
// this costs no write.
const touchEvery = time.Minute

// Manager opens, finds, renews and ends sessions.
type Manager struct {
	Store    Store
	Now      func() time.Time
	Idle     time.Duration // a session not used for so long has ended
	Absolute time.Duration // a session ends after this in any case
	Insecure bool          // plain cookies: only where the issuer is http on loopback
	// Believe is how long Recent believes what was read of a session; 0: it
	// always asks; at most 500 ms.
	Believe time.Duration

	known known
}

// Current is the session of a request, with its person as they were at AsOf.
// Nobody changes what it points to.
type Current struct {
	Session   *idp.Session
	Person    *idp.Person
	AsOf      time.Time // when both were read
	tokenHash []byte
}

// NewHandle makes a value for an address or a cookie: 256 random bits in
// base64url, and its SHA-256, which is all that is kept.
func NewHandle() (handle string, hash []byte) {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program rather
	handle = base64.RawURLEncoding.EncodeToString(b[:])
	return handle, HandleHash(handle)
}

// HandleHash is the SHA-256 by which a handle is known.
func HandleHash(handle string) []byte {
	h := sha256.Sum256([]byte(handle))
	return h[:]
}

// CookieName is the name of the session cookie.
func (m *Manager) CookieName() string { return m.name("idp-session") }

func (m *Manager) flowCookieName() string { return m.name("idp-flow") }

func (m *Manager) name(base string) string {
	if m.Insecure {
		return base
	}
	return "__Host-" + base // RFC 6265bis section 4.1.3.2: no sub-domain can plant it
}

func (m *Manager) cookie(name, value string) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/",
		Secure: !m.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// maxCookies bounds how many cookies of one name are tried: where the prefix
// does not protect the name, others may have planted some.
const maxCookies = 4

// Current returns the request's session as it is now, nil if nobody is logged in.
func (m *Manager) Current(r *http.Request) (*Current, error) { return m.each(r, m.find) }

// each looks at the request's cookies, one after the other, until one is good.
func (m *Manager) each(r *http.Request, find func(context.Context, []byte) (*Current, error)) (*Current, error) {
	for i, c := range r.CookiesNamed(m.CookieName()) {
		if i == maxCookies {
			break
		}
		if len(c.Value) != base64.RawURLEncoding.EncodedLen(32) {
			continue
		}
		current, err := find(r.Context(), HandleHash(c.Value))
		if current != nil || err != nil {
			return current, err
		}
	}
	return nil, nil
}

func (m *Manager) find(ctx context.Context, tokenHash []byte) (*Current, error) {
	now := m.Now()
	s, p, err := m.Store.Session(ctx, tokenHash)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up session: %w", err)
	}
	return m.judge(ctx, s, p, tokenHash, now)
}

// Token is the hash under which to look for the request's session, for who reads
// it together with something else; nil if it has no session cookie. It is not
// plain where there are several: Current tries them all.
func (m *Manager) Token(r *http.Request) (tokenHash []byte, plain bool) {
	cookies := r.CookiesNamed(m.CookieName())
	if len(cookies) == 1 && len(cookies[0].Value) == base64.RawURLEncoding.EncodedLen(32) {
		tokenHash = HandleHash(cookies[0].Value)
	}
	return tokenHash, len(cookies) < 2
}

// Judge is Current for a session that was read just now by that hash; s is nil
// if there was none.
func (m *Manager) Judge(ctx context.Context, s *idp.Session, p *idp.Person, tokenHash []byte) (*Current, error) {
	if s == nil {
		return nil, nil
	}
	return m.judge(ctx, s, p, tokenHash, m.Now())
}

func (m *Manager) judge(ctx context.Context, s *idp.Session, p *idp.Person, tokenHash []byte, now time.Time) (*Current, error) {
	current := &Current{Session: s, Person: p, AsOf: now, tokenHash: tokenHash}
	if !m.good(current, now) {
		return nil, nil
	}
	if now.Sub(s.SeenAt) >= touchEvery {
		if err := m.Store.TouchSession(ctx, s.ID, now); err != nil {
			return nil, fmt.Errorf("touch session: %w", err)
		}
		s.SeenAt = now
	}
	return current, nil
}

// good tells whether the session may be used at that time.
func (m *Manager) good(c *Current, now time.Time) bool {
	return c.Person.State == idp.PersonEnabled && now.Before(c.Session.EndsAt) && now.Sub(c.Session.SeenAt) <= m.Idle
}

// Begin opens a session for the person and sets its cookie. Whatever session
// the browser had ends.
func (m *Manager) Begin(w http.ResponseWriter, r *http.Request, personID string, ev idp.Evidence,
	events ...idp.Event) (*idp.Session, error) {
	return m.BeginAll(w, r, personID, []idp.Evidence{ev}, events...)
}

// BeginAll is Begin with several pieces of evidence, one of each method.
func (m *Manager) BeginAll(w http.ResponseWriter, r *http.Request, personID string, evidence []idp.Evidence,
	events ...idp.Event) (*idp.Session, error) {
	return m.begin(w, r, personID, evidence, func(s *idp.Session, hash, replaces []byte) error {
		return m.Store.CreateSession(r.Context(), s, hash, replaces, noted(events, s.ID)...)
	})
}

// BeginByPhone is Begin for a login that a phone approved, which is used up by
// it: idp.ErrUsed if it can't be any more.
func (m *Manager) BeginByPhone(w http.ResponseWriter, r *http.Request, ev idp.Evidence, a Approval,
	events ...idp.Event) (*idp.Session, error) {
	return m.begin(w, r, a.PersonID, []idp.Evidence{ev}, func(s *idp.Session, hash, replaces []byte) error {
		return m.Store.CreateByPhone(r.Context(), s, hash, replaces, a, noted(events, s.ID)...)
	})
}

// noted are the events with the session that they happened in.
func noted(events []idp.Event, sessionID string) []idp.Event {
	for i := range events {
		events[i].SessionID = sessionID
	}
	return events
}

func (m *Manager) begin(w http.ResponseWriter, r *http.Request, personID string, evidence []idp.Evidence,
	create func(s *idp.Session, hash, replaces []byte) error) (*idp.Session, error) {
	old, err := m.Current(r)
	if err != nil {
		return nil, err
	}
	var replaces []byte
	if old != nil {
		replaces = old.tokenHash
	}
	token, hash := NewHandle()
	sid, _ := NewHandle()
	now := m.Now()
	agent := r.UserAgent()
	if len(agent) > 256 {
		agent = agent[:256]
	}
	s := &idp.Session{
		ID: sid[:22], PersonID: personID, Evidence: evidence,
		CreatedAt: now, SeenAt: now, EndsAt: now.Add(m.Absolute), UserAgent: agent,
	}
	if a := idp.OriginFrom(r.Context()).Address; a.IsValid() {
		s.Address = a.String()
	}
	if err := create(s, hash, replaces); err != nil {
		return nil, fmt.Errorf("create session: %w", err)
	}
	if replaces != nil {
		m.Forget()
	}
	http.SetCookie(w, m.cookie(m.CookieName(), token))
	return s, nil
}

// StepUp adds evidence to the session and gives it a new token; the old one is
// dead at once. idp.ErrConflict: the session was renewed or ended meanwhile.
func (m *Manager) StepUp(w http.ResponseWriter, r *http.Request, c *Current, ev idp.Evidence,
	events ...idp.Event) error {
	return m.StepUpAll(w, r, c, []idp.Evidence{ev}, events...)
}

// StepUpAll is StepUp with several pieces of evidence, one of each method.
func (m *Manager) StepUpAll(w http.ResponseWriter, r *http.Request, c *Current, added []idp.Evidence,
	events ...idp.Event) error {
	return m.raise(w, c, added, func(hash []byte, evidence []idp.Evidence, now time.Time) error {
		return m.Store.RenewSession(r.Context(), c.tokenHash, hash, evidence, now, noted(events, c.Session.ID)...)
	})
}

// StepUpByPhone is StepUp for a login that a phone approved: see BeginByPhone.
func (m *Manager) StepUpByPhone(w http.ResponseWriter, r *http.Request, c *Current, ev idp.Evidence, a Approval,
	events ...idp.Event) error {
	return m.raise(w, c, []idp.Evidence{ev}, func(hash []byte, evidence []idp.Evidence, now time.Time) error {
		return m.Store.RenewByPhone(r.Context(), c.tokenHash, hash, evidence, now, a, noted(events, c.Session.ID)...)
	})
}

func (m *Manager) raise(w http.ResponseWriter, c *Current, added []idp.Evidence,
	renew func(hash []byte, evidence []idp.Evidence, now time.Time) error) error {
	evidence := slices.Clone(added)
	for _, e := range c.Session.Evidence {
		if !slices.ContainsFunc(added, func(a idp.Evidence) bool { return replaces(a, e) }) {
			evidence = append(evidence, e)
		}
	}
	token, hash := NewHandle()
	now := m.Now()
	if err := renew(hash, evidence, now); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	m.Forget()
	renewed := *c.Session
	renewed.Evidence, renewed.SeenAt = evidence, now
	c.Session, c.tokenHash = &renewed, hash
	http.SetCookie(w, m.cookie(m.CookieName(), token))
	return nil
}

// replaces tells whether the newer evidence stands for the older. What a phone
// approved stays, however often one approves: a report of any of it, or the end
// of its phone, ends the session.
func replaces(newer, older idp.Evidence) bool {
	return newer.Method == older.Method && (newer.Method != idp.MethodPhone || newer.Device == older.Device && newer.Act == older.Act)
}

// End ends the session, removes its cookie, and returns the IDs of the clients
// that had been logged in to.
func (m *Manager) End(w http.ResponseWriter, r *http.Request, c *Current, events ...idp.Event) ([]string, error) {
	clients, err := m.Store.EndSession(r.Context(), c.Session.ID, m.Now(), events...)
	if err != nil {
		return nil, fmt.Errorf("end session: %w", err)
	}
	m.Forget()
	gone := m.cookie(m.CookieName(), "")
	gone.MaxAge = -1
	http.SetCookie(w, gone)
	return clients, nil
}

// EndOther ends another session than the request's own.
func (m *Manager) EndOther(ctx context.Context, id string, events ...idp.Event) error {
	if _, err := m.Store.EndSession(ctx, id, m.Now(), events...); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	m.Forget()
	return nil
}

// Browser returns the SHA-256 of the flow cookie, nil without one.
func (m *Manager) Browser(r *http.Request) []byte {
	c, err := r.Cookie(m.flowCookieName())
	if err != nil || len(c.Value) != base64.RawURLEncoding.EncodedLen(32) {
		return nil
	}
	return HandleHash(c.Value)
}

// EnsureBrowser is Browser, and sets the cookie if there is none.
func (m *Manager) EnsureBrowser(w http.ResponseWriter, r *http.Request) []byte {
	if hash := m.Browser(r); hash != nil {
		return hash
	}
	value, hash := NewHandle()
	http.SetCookie(w, m.cookie(m.flowCookieName(), value))
	return hash
}

func (m *Manager) knownCookieName() string { return m.name("idp-known") }

// knownLife is how long a browser keeps its mark of having been used.
const knownLife = 400 * 24 * time.Hour // the longest that browsers keep a cookie

// Known returns the SHA-256 of the cookie by which a browser is known to have
// been used, nil without one. Whose browser it is, the store knows.
func (m *Manager) Known(r *http.Request) []byte {
	c, err := r.Cookie(m.knownCookieName())
	if err != nil || len(c.Value) != base64.RawURLEncoding.EncodedLen(32) {
		return nil
	}
	return HandleHash(c.Value)
}

// NewKnown sets the cookie anew and returns its SHA-256. A mark is one person's:
// where several people use a browser, the last one is known in it.
func (m *Manager) NewKnown(w http.ResponseWriter) []byte {
	value, hash := NewHandle()
	c := m.cookie(m.knownCookieName(), value)
	c.MaxAge = int(knownLife.Seconds())
	http.SetCookie(w, c)
	return hash
}
