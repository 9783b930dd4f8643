package devicebind_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"strings"
	"testing"

	"taipeion.internal/idp/devicebind"
)

// vectors is testdata/vectors.json, for those who write an app.
type vectors struct {
	Origin    string `json:"origin"`
	ID        string `json:"enrolment_id"`
	Secret    string `json:"secret"`
	Key       string `json:"private_key"` // the scalar, hex
	Public    string `json:"public_key"`  // PKIX DER, hex
	CSR       string `json:"csr"`         // DER, base64
	Proof     string `json:"proof"`
	Digits    string `json:"digits"`
	Challenge string `json:"registration_challenge"`

	Scan               devicebind.ScanRequest   `json:"scan"`
	ScanBytes          string                   `json:"scan_bytes"`
	Nonce              string                   `json:"attempt_nonce"`
	Decision           devicebind.DecideRequest `json:"decision"`
	ApprovalBytes      string                   `json:"approval_bytes"`
	AssertionChallenge string                   `json:"assertion_challenge"`
	Self               devicebind.Self          `json:"self"`
	SelfBytes          string                   `json:"self_bytes"`
}

const vectorFile = "testdata/vectors.json"

func encoded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// count is 0, 1, 2, ... from a start: bytes that nobody takes for random ones.
func count(from byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func vectorKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), count(1, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign is deterministic (RFC 6979), so that the vectors don't change.
func sign(t *testing.T, key *ecdsa.PrivateKey, message []byte) string {
	t.Helper()
	der, err := key.Sign(nil, sum(message), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return encoded(rawSignature(t, der))
}

func newVectors(t *testing.T) vectors {
	t.Helper()
	key := vectorKey(t)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "Pixel 9"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	id, secret := count(0x10, 16), count(0x80, 32)
	v := vectors{
		Origin: origin, ID: encoded(id), Secret: encoded(secret), Key: hex.EncodeToString(count(1, 32)), Public: hex.EncodeToString(public),
		CSR: base64.StdEncoding.EncodeToString(csr), Proof: encoded(devicebind.EnrolProof(secret, id, csr)),
		Digits: devicebind.EnrolDigits(id, public), Challenge: encoded(devicebind.EnrolChallenge(id, public)),
	}
	v.Scan = devicebind.ScanRequest{DeviceID: v.ID, Code: encoded(count(0, 66)), Time: 1795219200123, Nonce: encoded(count(0x40, 16))}
	v.ScanBytes = string(devicebind.ScanBytes(origin, v.Scan))
	v.Scan.Signature = sign(t, key, []byte(v.ScanBytes))
	v.Nonce = encoded(count(0x60, 32))
	v.Decision = devicebind.DecideRequest{DeviceID: v.ID, Attempt: encoded(count(0x30, 16)), ClientID: "docs", Number: "42", Time: 1795219205456,
		Verdict: devicebind.VerdictApprove, PIN: pin}
	v.ApprovalBytes = string(devicebind.ApprovalBytes(origin, v.Nonce, v.Decision))
	v.AssertionChallenge = encoded(sum([]byte(v.ApprovalBytes)))
	v.Decision.Signature = sign(t, key, []byte(v.ApprovalBytes))
	v.Self = devicebind.Self{DeviceID: v.ID, Action: devicebind.SelfStatus, Time: 1795219210789, Nonce: encoded(count(0x50, 16))}
	v.SelfBytes = string(devicebind.SelfBytes(origin, v.Self))
	v.Self.Signature = sign(t, key, []byte(v.SelfBytes))
	return v
}

// The file is what the code does. It is written anew with UPDATE_VECTORS=1,
// which must not be needed: phones out there do what it says.
func TestVectors(t *testing.T) {
	want := newVectors(t)
	if os.Getenv("UPDATE_VECTORS") != "" {
		text, err := json.MarshalIndent(want, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var got vectors
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	// A request is signed with a random number: its proof is checked, not its bytes.
	csr, err := base64.StdEncoding.DecodeString(got.CSR)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := devicebind.ParseRequest(csr); err != nil || hex.EncodeToString(r.Public) != got.Public || r.Name != "Pixel 9" {
		t.Fatal(err)
	}
	want.CSR, want.Proof = got.CSR, encoded(devicebind.EnrolProof(count(0x80, 32), count(0x10, 16), csr))
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(got)
	if string(a) != string(b) {
		t.Fatalf("the code does\n%s\nand the file says\n%s", a, b)
	}
	for _, s := range [][2]string{{got.ScanBytes, got.Scan.Signature}, {got.ApprovalBytes, got.Decision.Signature}, {got.SelfBytes, got.Self.Signature}} {
		raw, err := base64.RawURLEncoding.DecodeString(s[1])
		if err != nil || len(raw) != 64 {
			t.Fatal(err)
		}
		digest := sha256.Sum256([]byte(s[0]))
		if !ecdsa.Verify(&vectorKey(t).PublicKey, digest[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])) {
			t.Fatalf("the signature over %q", s[0])
		}
	}
}

// The page for those who write an app shows the same values.
func TestVectors_InTheDocument(t *testing.T) {
	page, err := os.ReadFile("../docs/phone-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	v := newVectors(t)
	text, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var kept vectors
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{v.ID, v.Secret, v.Key, v.Public, v.Digits, v.Challenge, v.Scan.Code, v.Scan.Signature, v.ScanBytes,
		v.ApprovalBytes, v.AssertionChallenge, v.Decision.Signature, v.SelfBytes, v.Self.Signature, kept.CSR, kept.Proof} {
		if !strings.Contains(string(page), value) {
			t.Errorf("not in the document: %q", value)
		}
	}
}

func rawSignature(t *testing.T, der []byte) []byte {
	t.Helper()
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 64)
	sig.R.FillBytes(raw[:32])
	sig.S.FillBytes(raw[32:])
	return raw
}
