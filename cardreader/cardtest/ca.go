package cardtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// The keys are test data, known to everybody.
//
//go:embed testkeys/*.pem
var testkeys embed.FS

// Keys is how many keys Key knows.
const Keys = 12

// Key is the RSA-2048 key of test card i, from 0 to Keys-1.
func Key(i int) *rsa.PrivateKey { return loadKey(fmt.Sprintf("leaf-%02d", i)) }

// KeyRSA is an RSA key of 3072 or 4096 bits.
func KeyRSA(bits int) *rsa.PrivateKey { return loadKey(fmt.Sprintf("leaf-%d", bits)) }

// KeyEC makes a new key on the curve.
func KeyEC(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

var loaded sync.Map // name -> *rsa.PrivateKey: reading one checks its primes, which takes time

func loadKey(name string) *rsa.PrivateKey {
	if key, ok := loaded.Load(name); ok {
		return key.(*rsa.PrivateKey)
	}
	text, err := testkeys.ReadFile("testkeys/" + name + ".pem")
	if err != nil {
		panic("cardtest: no such key: " + name)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	got, _ := loaded.LoadOrStore(name, key)
	return got.(*rsa.PrivateKey)
}

// CA is an issuer of test cards.
type CA struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// IssuerName is the name that both generations share byte by byte:
// C=TW, O=行政院, OU=內政部憑證管理中心. Only the key identifier tells them apart.
func IssuerName() []byte {
	return Name(
		RDN(OIDCountry, Printable("TW")),
		RDN(OIDOrganisation, UTF8("行政院")),
		RDN(OIDUnit, UTF8("內政部憑證管理中心")),
	)
}

var (
	caG2 = sync.OnceValue(func() *CA { return newCA("ca-g2", 2) })
	caG3 = sync.OnceValue(func() *CA { return newCA("ca-g3", 3) })
)

// G2 is the older generation: RSA-2048.
func G2() *CA { return caG2() }

// G3 is the newer generation: RSA-4096.
func G3() *CA { return caG3() }

// KeyIDs lists the key identifiers of G2 and G3 in lower-case hex: the issuers
// that a production server must refuse at its start, when there is no time to
// read keys.
func KeyIDs() []string { return []string{keyIDG2, keyIDG3} }

const (
	keyIDG2 = "ddf9eb65fe59e02730b808a68fd83bf14bed5209"
	keyIDG3 = "a3dcba88107466b965508b89d18e552dbf00b36b"
)

// newCA makes the same certificate at each start: RSA signatures with PKCS#1
// v1.5 padding are deterministic.
func newCA(key string, serial int64) *CA {
	ca, err := NewCA(CAOptions{Key: loadKey(key), Serial: serial})
	if err != nil {
		panic(err)
	}
	return ca
}

// CAOptions describe an issuer. The zero value of each is that of the pair.
type CAOptions struct {
	Key      crypto.Signer
	Serial   int64
	Parent   *CA // nil: self-signed
	Template func(*x509.Certificate)
}

// NewCA makes an issuer of a test's own.
func NewCA(o CAOptions) (*CA, error) {
	spki, err := x509.MarshalPKIXPublicKey(o.Key.Public())
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(spki)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(o.Serial + 1),
		RawSubject:            IssuerName(),
		SubjectKeyId:          id[:20],
		NotBefore:             time.Date(2014, 1, 2, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2044, 1, 23, 15, 59, 59, 0, time.UTC),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if o.Template != nil {
		o.Template(template)
	}
	parent, signer := template, o.Key
	if o.Parent != nil {
		parent, signer = o.Parent.Certificate, o.Parent.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, o.Key.Public(), signer)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &CA{Certificate: cert, Key: o.Key}, nil
}

// KeyID is the issuer's subject key identifier in lower-case hex.
func (ca *CA) KeyID() string { return hex.EncodeToString(ca.Certificate.SubjectKeyId) }

// PEM is the issuer's certificate as a PEM file.
func (ca *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate.Raw})
}
