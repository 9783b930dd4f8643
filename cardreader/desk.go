package cardreader

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"time"

	"taipeion.internal/idp"
)

// Desk gives challenges out and takes signed ones back. A challenge is used up
// by the first answer, whatever that is.
type Desk struct {
	Store    Challenges
	Key      ed25519.PrivateKey // signs challenges; the component on the PC knows its public half
	Verifier *Verifier
	Origin   string // of this server, as the person sees it
	Now      func() time.Time
	Random   io.Reader // nil: crypto/rand
}

// Issue makes a challenge for i's key, browser, purpose, client and person, and
// keeps what is needed to rebuild it. An older one of the same key is void.
func (d *Desk) Issue(ctx context.Context, i Issued) (jws string, err error) {
	random := d.Random
	if random == nil {
		random = rand.Reader
	}
	i.Nonce = make([]byte, 32)
	if _, err := io.ReadFull(random, i.Nonce); err != nil {
		return "", fmt.Errorf("draw nonce: %w: %w", idp.ErrUnavailable, err)
	}
	// The challenge counts in whole seconds: what is kept must say the same.
	i.IssuedAt = d.Now().UTC().Truncate(time.Second)
	i.EndsAt = i.IssuedAt.Add(ChallengeLife)
	c := d.challenge(&i)
	if err := c.check(); err != nil {
		return "", fmt.Errorf("make challenge: %w", err)
	}
	if err := d.Store.CreateChallenge(ctx, &i); err != nil {
		return "", fmt.Errorf("keep challenge: %w", err)
	}
	return c.Sign(d.Key), nil
}

// Redeem takes the signed challenge of key and browser: it says which holder
// signed it, and what was issued. idp.ErrUsed: there is no open one. A *Refusal:
// the answer is not a card's to exactly what was issued.
func (d *Desk) Redeem(ctx context.Context, key, browser []byte, purpose Purpose, cms []byte) (Holder, *Issued, error) {
	issued, err := d.Store.UseChallenge(ctx, key, browser, d.Now())
	if err != nil {
		return Holder{}, nil, fmt.Errorf("use challenge: %w", err)
	}
	if Purpose(issued.Purpose) != purpose || subtle.ConstantTimeCompare(issued.Browser, browser) != 1 {
		return Holder{}, nil, refuse(CauseContent, "purpose or browser")
	}
	holder, err := d.Verifier.Verify(cms, []byte(d.challenge(issued).Sign(d.Key)))
	if err != nil {
		return Holder{}, issued, err
	}
	return holder, issued, nil
}

// challenge rebuilds what was issued, to the byte.
func (d *Desk) challenge(i *Issued) Challenge {
	return Challenge{
		Origin: d.Origin, Purpose: Purpose(i.Purpose), Client: i.Client, ClientName: i.ClientName,
		Flow: b64(i.Browser), Nonce: b64(i.Nonce), IssuedAt: i.IssuedAt, ExpiresAt: i.EndsAt,
	}
}
