package store

import (
	"context"
	"time"
)

const (
	pruneFlows      query = `DELETE FROM flows WHERE handle IN (SELECT handle FROM flows WHERE ends_at < $1 LIMIT $2)`
	pruneGrants     query = `DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE prune_at < $1 LIMIT $2)`
	pruneChallenges query = `DELETE FROM challenges WHERE key IN (SELECT key FROM challenges WHERE ends_at < $1 LIMIT $2)`
	prunePending    query = `DELETE FROM pending_cards WHERE key IN (SELECT key FROM pending_cards WHERE ends_at < $1 LIMIT $2)`
	pruneAssertions query = `DELETE FROM assertions WHERE jti_hash IN (SELECT jti_hash FROM assertions WHERE ends_at < $1 LIMIT $2) AND ends_at < $1`
	pruneSessions   query = `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE kept_until < $1 AND ends_at < $1 LIMIT $2)`
	pruneTries      query = `DELETE FROM tries WHERE key IN (SELECT key FROM tries WHERE f1 < $1 AND locked_until < $1 LIMIT $2) AND f1 < $1 AND locked_until < $1`
	pruneEvents     query = `DELETE FROM events WHERE id IN (SELECT id FROM events WHERE id < $1 ORDER BY id LIMIT $2)`
	pruneEnrolments query = `DELETE FROM enrolments WHERE id IN (SELECT id FROM enrolments WHERE ends_at < $1 LIMIT $2) AND ends_at < $1`
	pruneAttempts   query = `DELETE FROM qr_attempts WHERE browser IN (SELECT browser FROM qr_attempts WHERE ends_at < $1 LIMIT $2) AND ends_at < $1`
	pruneAnswered   query = `DELETE FROM used_challenges WHERE challenge IN (SELECT challenge FROM used_challenges WHERE ends_at < $1 LIMIT $2)`
	pruneGivenUp    query = `DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE given_up_at <> 0 AND given_up_at < $1 LIMIT $2)`
	// The certificate of a card that nobody bound in time.
	wipeWaiting  query = `UPDATE waiting_cards SET card = '{}' WHERE id IN (SELECT id FROM waiting_cards WHERE (state <> 'waiting' OR ends_at < $1) AND card <> '{}' LIMIT $2)`
	pruneWaiting query = `DELETE FROM waiting_cards WHERE id IN (SELECT id FROM waiting_cards WHERE ends_at < $1 LIMIT $2)`
	pruneSources query = `DELETE FROM source_names WHERE name_key IN (SELECT name_key FROM source_names WHERE failed_at < $1 LIMIT $2) AND failed_at < $1`
)

const (
	pruneBatch = 500              // rows for each transaction
	pruneSlack = 10 * time.Minute // clocks of several nodes differ
	keepTries  = 7 * 24 * time.Hour

	keepGivenUp    = 30 * 24 * time.Hour
	keepDeliveries = 30 * 24 * time.Hour // for the helpdesk; they hold no secret any more
)

// Prune deletes what can't matter any more: requests, challenges, assertions
// and sessions past their end and that of what outlives them, grants some time
// after their last token, and counters without a failure for a week. It works in small transactions, so
// that nobody waits for it, until nothing is left or the context ends. It is
// meant to be run every few minutes, on any number of nodes.
func (s *Store) Prune(ctx context.Context, now time.Time) (deleted int64, err error) {
	for _, old := range []struct {
		query  query
		before time.Time
	}{
		{pruneFlows, now.Add(-pruneSlack)},
		{pruneChallenges, now.Add(-pruneSlack)},
		{prunePending, now.Add(-pruneSlack)},
		{pruneAssertions, now.Add(-pruneSlack)},
		{pruneEnrolments, now.Add(-pruneSlack)},
		{pruneAttempts, now.Add(-pruneSlack)},
		{pruneAnswered, now.Add(-pruneSlack)},
		{pruneGivenUp, now.Add(-keepGivenUp)},
		{pruneGrants, now},
		{pruneSessions, now.Add(-pruneSlack)},
		{pruneTries, now.Add(-keepTries)},
		{pruneSources, now.Add(-keepTries)},
		{pruneKnown, now.Add(-keepKnown)},
		{pruneDeliveries, now.Add(-keepDeliveries)},
		{pruneEffects, now.Add(-keepEffects)},
		{wipeWaiting, now},
	} {
		n, err := s.pruneAll(ctx, old.query, micros(old.before))
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// PruneEvents deletes what is on record from before that time, as Prune does.
func (s *Store) PruneEvents(ctx context.Context, before time.Time) (deleted int64, err error) {
	if deleted, err = s.pruneAll(ctx, pruneWaiting, micros(before)); err != nil {
		return deleted, err
	}
	n, err := s.pruneAll(ctx, pruneEvents, timePrefix(before))
	return deleted + n, err
}

func (s *Store) pruneAll(ctx context.Context, q query, before any) (deleted int64, err error) {
	for {
		n, err := s.one(ctx, with(q, before, int64(pruneBatch)))
		deleted += n
		if n == 0 || err != nil {
			return deleted, err
		}
	}
}
