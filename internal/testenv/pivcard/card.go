package pivcard

import (
	"crypto/rsa"
	"crypto/sha256"
	"sync"
	"time"
)

// MaxTries is how many wrong PINs in a row block the card.
const MaxTries = 3

// Faults are what goes wrong.
type Faults struct {
	PullAtSign   bool            // the card is pulled when it is asked to sign
	PullAtVerify bool            // the card is pulled when it is given a PIN
	SignDelay    time.Duration   // before a signature
	SignKey      *rsa.PrivateKey // signs instead of the certificate's key
}

// Card is one card. Set the fields before Insert; change them later through
// its methods only.
type Card struct {
	Key         *rsa.PrivateKey
	Certificate []byte // DER
	PIN         string // up to eight characters

	mu       sync.Mutex
	faults   Faults
	wrong    int // wrong PINs in a row
	verifies int
	signs    int

	reader *reader
}

// Order sets what goes wrong from now on.
func (c *Card) Order(f Faults) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = f
}

// SetTriesLeft puts the count of tries.
func (c *Card) SetTriesLeft(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = MaxTries - n
}

// TriesLeft is the count of tries; 0 is blocked.
func (c *Card) TriesLeft() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return MaxTries - c.wrong
}

// Verifies counts the PINs that the card was given.
func (c *Card) Verifies() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.verifies
}

// Signs counts the signatures that were asked for.
func (c *Card) Signs() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.signs
}

// guid makes the card's serial number out of its certificate.
func (c *Card) guid() []byte {
	sum := sha256.Sum256(c.Certificate)
	return sum[:16]
}
