package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"taipeion.internal/idp/devicebind"
)

// Phone is a bound phone: one account of one person at one origin.
type Phone struct {
	Origin      string `json:"origin"`
	DeviceID    string `json:"device_id"`
	Name        string `json:"name"` // of the phone
	Person      string `json:"person"`
	Agency      string `json:"agency"`
	Key         []byte `json:"key"` // PKCS#8, P-256
	Certificate []byte `json:"certificate"`
	CA          []byte `json:"ca"`
}

// Binding is an enrolment that the phone has claimed and the PC has not
// confirmed.
type Binding struct {
	Phone       Phone  `json:"phone"`
	Digits      string `json:"digits"`
	StatusToken string `json:"status_token"`
	Ends        int64  `json:"ends"` // Unix milliseconds
}

// Link is what a key QR code says.
type Link struct {
	Origin string
	ID     string
	secret []byte
}

// ParseLink reads the link of a key QR code: ORIGIN/phone/bind/ID#SECRET. Only
// https will do, or http on loopback.
func ParseLink(text string) (Link, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return Link{}, errors.New("not a link") // the text holds the secret
	}
	id, ok := strings.CutPrefix(u.Path, "/phone/bind/")
	loopback := u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	secret, err := base64.RawURLEncoding.Strict().DecodeString(u.Fragment)
	if !ok || err != nil || len(secret) != 32 || devicebind.EnrolKey(id) == nil || u.RawQuery != "" || u.User != nil ||
		u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
		return Link{}, errors.New("not the link of a key QR code")
	}
	return Link{Origin: u.Scheme + "://" + u.Host, ID: id, secret: secret}, nil
}

// NewKey makes a phone's key, PKCS#8. A nil source is crypto/rand.
func NewKey(random io.Reader) ([]byte, error) {
	if random == nil {
		random = rand.Reader
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return x509.MarshalPKCS8PrivateKey(key)
}

func parseKey(pkcs8 []byte) (*ecdsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, errors.New("the phone's key can't be read")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("the phone's key is not a P-256 key")
	}
	return key, nil
}

// NewClaim makes the claim of a link by a phone that has its key and name.
func NewClaim(l Link, p *Phone, platform, pin string) (*devicebind.Claim, error) {
	key, err := parseKey(p.Key)
	if err != nil {
		return nil, err
	}
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: p.Name}, SignatureAlgorithm: x509.ECDSAWithSHA256}
	csr, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	proof := devicebind.EnrolProof(l.secret, devicebind.EnrolKey(l.ID), csr)
	return &devicebind.Claim{CSR: csr, Proof: b64(proof), Name: p.Name, Platform: platform, PIN: pin}, nil
}

// Digits are the six digits that the phone shows: its own, whatever the
// provider says.
func (p *Phone) Digits(l Link) (string, error) {
	public, err := p.public()
	if err != nil {
		return "", err
	}
	return devicebind.EnrolDigits(devicebind.EnrolKey(l.ID), public), nil
}

func (p *Phone) public() ([]byte, error) {
	key, err := parseKey(p.Key)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(&key.PublicKey)
}

// Sign signs as WebCrypto does: ECDSA with P-256 and SHA-256, r and s of 32
// bytes each, base64url.
func (p *Phone) Sign(message []byte) (string, error) {
	key, err := parseKey(p.Key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	raw := make([]byte, 64)
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return b64(raw), nil
}

// NewScan makes a signed scan of a code. Of a link only one of the phone's own
// origin will do.
func (p *Phone) NewScan(code string, now time.Time) (*devicebind.ScanRequest, error) {
	code = strings.TrimSpace(code)
	if strings.Contains(code, "://") {
		text, ok := strings.CutPrefix(code, p.Origin+"/phone/q/")
		if !ok {
			return nil, errors.New("the QR code is of another site")
		}
		code = text
	}
	s := &devicebind.ScanRequest{DeviceID: p.DeviceID, Code: code, Time: now.UnixMilli(), Nonce: nonce()}
	var err error
	s.Signature, err = p.Sign(devicebind.ScanBytes(p.Origin, *s))
	return s, err
}

// NewDecision makes a signed verdict about what was scanned.
func (p *Phone) NewDecision(s *devicebind.Scanned, v devicebind.Verdict, number, pin string, now time.Time) (*devicebind.DecideRequest, error) {
	d := &devicebind.DecideRequest{
		DeviceID: p.DeviceID, Attempt: s.Attempt, ClientID: s.ClientID, Number: number, Time: now.UnixMilli(), Verdict: v,
	}
	switch v {
	case devicebind.VerdictApprove:
		d.PIN = pin
	case devicebind.VerdictReport:
		d.Nonce = s.Nonce
	}
	var err error
	d.Signature, err = p.Sign(devicebind.ApprovalBytes(p.Origin, s.Nonce, *d))
	return d, err
}

// NewSelf makes a signed word about the phone itself. The PIN is for
// devicebind.SelfUnbind.
func (p *Phone) NewSelf(action, pin string, now time.Time) (*devicebind.Self, error) {
	s := &devicebind.Self{DeviceID: p.DeviceID, Action: action, Time: now.UnixMilli(), Nonce: nonce(), Shown: devicebind.Shown{PIN: pin}}
	var err error
	s.Signature, err = p.Sign(devicebind.SelfBytes(p.Origin, *s))
	return s, err
}

// Complete takes what the provider answered once the PC had confirmed. The
// certificate must be for our own key and by the authority that came with it.
func (p *Phone) Complete(c *devicebind.Collected) error {
	cert, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		return errors.New("the device certificate can't be read")
	}
	ca, err := x509.ParseCertificate(c.CA)
	if err != nil || cert.CheckSignatureFrom(ca) != nil {
		return errors.New("the device certificate is not by the provider's authority")
	}
	public, err := p.public()
	if err != nil {
		return err
	}
	if string(cert.RawSubjectPublicKeyInfo) != string(public) {
		return errors.New("the device certificate is for another key")
	}
	p.DeviceID, p.Person, p.Agency, p.Certificate, p.CA = c.DeviceID, c.Name, c.Agency, c.Certificate, c.CA
	return nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func nonce() string {
	var b [16]byte
	rand.Read(b[:])
	return b64(b[:])
}
