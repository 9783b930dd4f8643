package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"
)

func openTestCA(t testing.TB, store Store) *DeviceCA {
	t.Helper()
	ca, err := OpenDeviceCA(t.Context(), store, testSealer(t), start)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestDeviceCA_OneForAllNodes(t *testing.T) {
	store := &memoryStore{}
	certs := make(chan []byte, 8)
	for range cap(certs) {
		go func() {
			ca, err := OpenDeviceCA(t.Context(), store, testSealer(t), start.Add(time.Millisecond))
			if err != nil {
				t.Error(err)
				certs <- nil
				return
			}
			certs <- ca.Certificate()
		}()
	}
	first := <-certs
	for range cap(certs) - 1 {
		if !bytes.Equal(first, <-certs) {
			t.Fatal("two nodes have two certificates")
		}
	}
	if len(store.records) != 1 {
		t.Fatalf("%d keys", len(store.records))
	}
	// Later, and after a restart, it is the same.
	again, err := OpenDeviceCA(t.Context(), store, testSealer(t), start.Add(time.Hour))
	if err != nil || !bytes.Equal(first, again.Certificate()) {
		t.Fatal(err)
	}
}

func TestDeviceCA_Issues(t *testing.T) {
	ca := openTestCA(t, &memoryStore{})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := base64.RawURLEncoding.EncodeToString(make([]byte, 16))
	der, until, err := ca.Issue(&key.PublicKey, id, start, start.Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(ca.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: start.Add(time.Hour), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil || cert.IsCA || !cert.NotAfter.Equal(until) || !until.Equal(start.Add(24*time.Hour)) || cert.SerialNumber.Sign() != 1 ||
		cert.URIs[0].String() != "urn:taipeion:device:"+id {
		t.Fatalf("%v: %v until %v", err, cert.URIs, until)
	}
	if _, _, err := ca.Issue(&key.PublicKey, "x", start, start.Add(time.Hour)); err == nil {
		t.Fatal("issued for a bad ID")
	}
	if _, _, err := ca.Issue(&key.PublicKey, id, start, start); err == nil {
		t.Fatal("issued without a life")
	}
	if _, until, _ := ca.Issue(&key.PublicKey, id, start, start.Add(100*365*24*time.Hour)); until.After(root.NotAfter) {
		t.Fatal("it outlives its authority")
	}
}

// The authority's key is no token key: not published, and nothing it signed
// passes.
func TestDeviceCA_ApartFromTokens(t *testing.T) {
	store := &memoryStore{}
	openTestCA(t, store)
	r := openTestRing(t, store, func() time.Time { return start }, ES256)
	var set struct {
		Keys []struct {
			KID string `json:"kid"`
		}
	}
	if err := json.Unmarshal(r.PublicJWKS(), &set); err != nil {
		t.Fatal(err)
	}
	for _, rec := range store.records {
		if rec.Use != UseDevice {
			continue
		}
		for _, k := range set.Keys {
			if k.KID == rec.KID {
				t.Fatal("the authority's key is published for tokens")
			}
		}
		if k := r.state.Load().byKID[rec.KID]; k != nil && k.usable(start) {
			t.Fatal("the authority's key vouches for tokens")
		}
	}
}
