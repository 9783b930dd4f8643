package devicetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

// Maker makes authenticators, and vouches for them with certificates of its own
// root.
type Maker struct {
	Root    *x509.Certificate
	rootKey *ecdsa.PrivateKey
}

// NewMaker makes a maker.
func NewMaker(name string) *Maker {
	m := &Maker{rootKey: newKey()}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: longAgo, NotAfter: farAhead,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	m.Root = issue(root, root, &m.rootKey.PublicKey, m.rootKey)
	return m
}

var (
	longAgo  = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	farAhead = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
)

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func issue(cert, by *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, cert, by, public, key)
	if err == nil {
		cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		panic(err)
	}
	return cert
}

// aaguidOID is id-fido-gen-ce-aaguid (Web Authentication Level 3, section 8.2.1).
var aaguidOID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}

// Create answers a registration as the authenticator would, with an attestation
// "packed" by a certificate that names the model.
func (m *Maker) Create(a *Authenticator, model [16]byte, challenge []byte) []byte {
	key := newKey()
	named, err := asn1.Marshal(model[:])
	if err != nil {
		panic(err)
	}
	leaf := issue(&x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: longAgo, NotAfter: farAhead, BasicConstraintsValid: true,
		Subject:         pkix.Name{Country: []string{"TW"}, Organization: []string{"Maker"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Model"},
		ExtraExtensions: []pkix.Extension{{Id: aaguidOID, Value: named}},
	}, m.Root, &key.PublicKey, m.rootKey)
	data, client := a.attested(), a.clientData(a.CreateType, challenge)
	// {"alg": -7, "sig": signature, "x5c": [leaf]}
	statement := append([]byte{0xa3, 0x63}, "alg"...)
	statement = append(append(statement, 0x26, 0x63), "sig"...)
	statement = append(statement, cborBytes(signed(key, data, client))...)
	statement = append(append(statement, 0x63), "x5c"...)
	statement = append(append(statement, 0x81), cborBytes(leaf.Raw)...)
	return a.created("packed", statement, data, client)
}

// CreateSelf answers with an attestation "packed" by the new key itself.
func (a *Authenticator) CreateSelf(challenge []byte) []byte {
	data, client := a.attested(), a.clientData(a.CreateType, challenge)
	statement := append([]byte{0xa2, 0x63}, "alg"...)
	statement = append(append(statement, 0x26, 0x63), "sig"...)
	statement = append(statement, cborBytes(signed(a.Key, data, client))...)
	return a.created("packed", statement, data, client)
}

// signed is a signature over authenticator data and client data.
func signed(key *ecdsa.PrivateKey, data, client []byte) []byte {
	hash := sha256.Sum256(client)
	sum := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		panic(err)
	}
	return signature
}
