package demo

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/cardreader/pkcs11"
)

func issuerOf(c *Card) *cardtest.CA {
	if c.Generation == "G3" {
		return cardtest.G3()
	}
	return cardtest.G2()
}

// certificate is the same each time it is asked for.
func (c *Card) certificate() (*x509.Certificate, error) {
	cert, err := issuerOf(c).Issue(cardtest.Leaf{
		Name: c.Holder, SubjectSerial: c.Serial, IDTail: c.IDTail, Key: cardtest.Key(c.Key).Public(),
	})
	if err != nil {
		return nil, fmt.Errorf("card of %s: %w", c.Holder, err)
	}
	return cert, nil
}

// Label is what the software card is called: readers of the demo hold many
// cards at once.
func (c *Card) Label() string { return fmt.Sprintf("demo card %02d", c.Key+1) }

// Binding is the card as it is kept when bound to the person.
func (c *Card) Binding(personID string, at time.Time) (*idp.Card, error) {
	cert, err := c.certificate()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(cert.Raw)
	return &idp.Card{
		PersonID:      personID,
		IssuerKeyID:   hex.EncodeToString(cert.AuthorityKeyId),
		SubjectSerial: c.Serial,
		Fingerprint:   hex.EncodeToString(sum[:]),
		Certificate:   cert.Raw,
		Name:          c.Holder,
		NotAfter:      cert.NotAfter,
		BoundAt:       at,
	}, nil
}

// SoftCards lists the cards for SoftHSM2.
func (p *Plan) SoftCards() ([]pkcs11.SoftCard, error) {
	var cards []pkcs11.SoftCard
	for _, m := range p.Staff {
		if m.Card == nil {
			continue
		}
		cert, err := m.Card.certificate()
		if err != nil {
			return nil, err
		}
		cards = append(cards, pkcs11.SoftCard{
			Label: m.Card.Label(), SOPIN: "so-" + m.Card.PIN, PIN: m.Card.PIN,
			Key: cardtest.Key(m.Card.Key), Certificate: cert.Raw,
		})
	}
	return cards, nil
}

// SoftHSM is the folder of the demo's software cards.
func (p *Plan) SoftHSM() *pkcs11.SoftHSM {
	return &pkcs11.SoftHSM{Dir: filepath.Join(p.Dir, "cards")}
}

// CardsMade tells whether MakeCards has nothing left to do.
func (p *Plan) CardsMade() bool {
	_, err := os.Stat(p.cardsMark())
	return err == nil
}

func (p *Plan) cardsMark() string { return filepath.Join(p.SoftHSM().Dir, "made") }

// MakeCards makes the software cards, once for each folder. It loads SoftHSM2
// into the process that calls it, for good.
func (p *Plan) MakeCards() error {
	hsm := p.SoftHSM()
	if p.CardsMade() {
		return nil
	}
	// A start that was interrupted here begins again from nothing.
	if err := os.RemoveAll(hsm.Dir); err != nil {
		return fmt.Errorf("software cards: %w", err)
	}
	cards, err := p.SoftCards()
	if err != nil {
		return err
	}
	if err := hsm.Provision(cards); err != nil {
		return err
	}
	if err := os.WriteFile(p.cardsMark(), []byte("made\n"), 0o600); err != nil {
		return fmt.Errorf("software cards: %w", err)
	}
	return nil
}
