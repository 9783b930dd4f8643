package agent

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"sync/atomic"
	"time"

	"taipeion.internal/idp/cardreader"
)

const (
	windowLife = 15 * time.Minute
	maxWindows = 64
)

// windows are those that were opened and not closed yet. Each has a secret
// that only its own script knows, and takes one challenge in its life.
type windows struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*window
}

// window is one load of the window page.
type window struct {
	secret [sha256.Size]byte
	opened time.Time

	taken atomic.Bool // a challenge was taken: it goes last where there is no room

	mu        sync.Mutex
	site      site
	jws       string // empty until a challenge was taken
	challenge cardreader.Challenge
	signing   bool
	used      bool // signed, cancelled or refused for good
}

func (w *windows) open(now time.Time) (secret string) {
	var b [32]byte
	rand.Read(b[:]) // never fails: it ends the program instead
	secret = base64.RawURLEncoding.EncodeToString(b[:])
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[[sha256.Size]byte]*window{}
	}
	w.sweep(now)
	n := &window{secret: sha256.Sum256([]byte(secret)), opened: now}
	w.all[n.secret] = n
	return secret
}

// sweep forgets old windows, and the oldest if there are too many; one that
// somebody works in only if all are such, so that a site can't end it by
// opening many.
func (w *windows) sweep(now time.Time) {
	var oldest *window
	for key, one := range w.all {
		if now.Sub(one.opened) > windowLife {
			delete(w.all, key)
			continue
		}
		if oldest == nil || one.before(oldest) {
			oldest = one
		}
	}
	if oldest != nil && len(w.all) >= maxWindows {
		delete(w.all, oldest.secret)
	}
}

func (one *window) before(other *window) bool {
	if a, b := one.taken.Load(), other.taken.Load(); a != b {
		return b
	}
	return one.opened.Before(other.opened)
}

func (w *windows) find(secret string, now time.Time) *window {
	key := sha256.Sum256([]byte(secret))
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.all[key]
	if one == nil || now.Sub(one.opened) > windowLife {
		return nil
	}
	return one
}

func (w *windows) close(one *window) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, one.secret)
}
