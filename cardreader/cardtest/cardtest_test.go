package cardtest

import (
	"bytes"
	"testing"

	"go.mozilla.org/pkcs7"
)

// The library that the product parses with is a second opinion on what this
// package makes.
func TestLibraryAccepts(t *testing.T) {
	for _, ca := range []*CA{G2(), G3()} {
		cert, err := ca.Issue(Leaf{Name: "王小明", SubjectSerial: "0000000000000001", IDTail: "6789", Key: Key(0).Public()})
		if err != nil {
			t.Fatal(err)
		}
		if err := cert.CheckSignatureFrom(ca.Certificate); err != nil {
			t.Fatal(err)
		}
		p7, err := pkcs7.Parse(Sign([]byte("content"), Key(0), cert))
		if err != nil {
			t.Fatal(err)
		}
		if err := p7.Verify(); err != nil {
			t.Error(err)
		}
	}
}

func TestPairSharesItsName(t *testing.T) {
	if !bytes.Equal(G2().Certificate.RawSubject, G3().Certificate.RawSubject) {
		t.Error("the names differ")
	}
	if ids := KeyIDs(); ids[0] != G2().KeyID() || ids[1] != G3().KeyID() {
		t.Errorf("key identifiers %v, want %s and %s", ids, G2().KeyID(), G3().KeyID())
	}
	again := newCA("ca-g3", 3)
	if !bytes.Equal(again.Certificate.Raw, G3().Certificate.Raw) {
		t.Error("the certificate is not the same at each start")
	}
}
