package bench

import (
	"testing"
	"time"
)

// cardCost is the time for a card's answer, and for the bare signatures in it.
type cardCost struct{ verify, bare time.Duration }

func measureCard(b testing.TB) cardCost {
	b.Helper()
	return cardCost{}
}
