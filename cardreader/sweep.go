package cardreader

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
)

// Bound is what a Sweeper needs of Challenges.
type Bound interface {
	BoundCards(ctx context.Context, after string, limit int) ([]idp.Card, error)
	UnbindCard(ctx context.Context, cardID string, at time.Time, events ...idp.Event) error
}

// Sweeper holds the bound cards against new revocation lists: a card that was
// revoked since it logged in loses its binding and its sessions, not only its
// next login. It also teaches Moduli the keys of all bound cards.
type Sweeper struct {
	Cards      Bound
	Revocation Revocation
	Moduli     *Moduli
	Now        func() time.Time
}

// sweepAtOnce is how many cards are read in one statement.
const sweepAtOnce = 500

// Sweep goes through all bound cards once and returns how many were revoked.
// Several nodes may sweep at the same time.
func (s *Sweeper) Sweep(ctx context.Context) (revoked int, err error) {
	after := ""
	for {
		cards, err := s.Cards.BoundCards(ctx, after, sweepAtOnce)
		if err != nil {
			return revoked, fmt.Errorf("list bound cards: %w", err)
		}
		for i := range cards {
			gone, err := s.check(ctx, &cards[i])
			if err != nil {
				return revoked, err
			}
			if gone {
				revoked++
			}
			after = cards[i].ID
		}
		if len(cards) < sweepAtOnce {
			return revoked, nil
		}
	}
}

func (s *Sweeper) check(ctx context.Context, c *idp.Card) (revoked bool, err error) {
	cert, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		return false, nil // bound before certificates were kept: the next login brings it
	}
	if s.Moduli != nil {
		s.Moduli.Learn(cert.PublicKey) // a shared prime is refused at the login, where it is told
	}
	now := s.Now()
	var refusal *Refusal
	if err := s.Revocation.Check(c.IssuerKeyID, cert, now, true); !errors.As(err, &refusal) || refusal.Cause != CauseRevoked {
		return false, nil
	}
	err = s.Cards.UnbindCard(ctx, c.ID, now, idp.Event{At: now, Kind: "card.revoked", Result: "ok", PersonID: c.PersonID})
	if errors.Is(err, idp.ErrNotFound) {
		return false, nil // another node was first
	}
	if err != nil {
		return false, fmt.Errorf("end a revoked card's binding: %w", err)
	}
	return true, nil
}
