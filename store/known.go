package store

import (
	"context"
	"time"
)

const (
	knownBrowser    query = `SELECT proved_at FROM known_browsers WHERE person_id = $1 AND browser = $2`
	rememberBrowser query = `INSERT INTO known_browsers (person_id, browser, proved_at) VALUES ($1, $2, $3)
		ON CONFLICT (person_id, browser) DO UPDATE SET proved_at = excluded.proved_at WHERE known_browsers.proved_at < excluded.proved_at`
	forgetBrowsers query = `DELETE FROM known_browsers WHERE person_id = $1`
	pruneKnown     query = `DELETE FROM known_browsers WHERE browser IN (SELECT browser FROM known_browsers WHERE proved_at < $1 LIMIT $2) AND proved_at < $1`
)

// keepKnown is longer than any browser counts as used.
const keepKnown = 400 * 24 * time.Hour

// KnownBrowser implements login.KnownBrowsers.
func (s *Store) KnownBrowser(ctx context.Context, personID string, browser []byte) (at time.Time, err error) {
	err = s.read(ctx, func(r runner) error {
		return r.row(with(knownBrowser, personID, notNil(browser)), moment{&at})
	})
	return at, err
}

// RememberBrowser implements login.KnownBrowsers.
func (s *Store) RememberBrowser(ctx context.Context, personID string, browser []byte, at time.Time) error {
	_, err := s.one(ctx, with(rememberBrowser, personID, notNil(browser), micros(at)))
	return err
}

// ForgetBrowsers makes every browser a new one to the person.
func (s *Store) ForgetBrowsers(ctx context.Context, personID string) error {
	_, err := s.one(ctx, with(forgetBrowsers, personID))
	return err
}
