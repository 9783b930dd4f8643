package cardreader_test

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
)

func TestFinishReadsTheMessageBack(t *testing.T) {
	now := time.Now()
	cert, err := cardtest.G2().Issue(cardtest.Leaf{Name: "王小明", SubjectSerial: "0000000000000001", IDTail: "6789", Key: cardtest.Key(0).Public()})
	if err != nil {
		t.Fatal(err)
	}
	p, err := cardreader.PrepareCMS([]byte("challenge"), cert, now)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(p.ToSign())
	signature, err := cardtest.Key(0).Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Finish(signature); err != nil {
		t.Errorf("a good signature: %v", err)
	}
	signature[7] ^= 1
	for name, bad := range map[string][]byte{"altered": signature, "short": signature[:100], "empty": nil, "long": append(signature, 0)} {
		if _, err := p.Finish(bad); !errors.Is(err, cardreader.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
