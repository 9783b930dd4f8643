package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/devicebind"
)

var (
	id     = strings.Repeat("A", 22)
	secret = strings.Repeat("A", 43)
)

func TestParseLink(t *testing.T) {
	for _, good := range []string{
		"https://id.example.gov.tw/phone/bind/" + id + "#" + secret, " http://localhost:8080/phone/bind/" + id + "#" + secret + "\n",
		"http://127.0.0.1/phone/bind/" + id + "#" + secret, "http://[::1]:1/phone/bind/" + id + "#" + secret,
	} {
		l, err := ParseLink(good)
		if err != nil || l.ID != id || strings.Contains(l.Origin, "phone") {
			t.Errorf("%s: %+v %v", good, l, err)
		}
	}
	for _, bad := range []string{
		"", "x", "http://id.example.gov.tw/phone/bind/" + id + "#" + secret, "https://id.example.gov.tw/phone/bind/" + id,
		"https://id.example.gov.tw/phone/bind/" + id + "#" + secret[1:], "https://id.example.gov.tw/phone/bind/x#" + secret,
		"https://user@id.example.gov.tw/phone/bind/" + id + "#" + secret, "https://id.example.gov.tw/phone/bind/" + id + "?a=b#" + secret,
		"https://id.example.gov.tw/other/" + id + "#" + secret, "ftp://localhost/phone/bind/" + id + "#" + secret, "\x7f",
	} {
		if _, err := ParseLink(bad); err == nil {
			t.Errorf("%q is taken", bad)
		} else if strings.Contains(err.Error(), secret[1:]) {
			t.Error("the secret is in the error")
		}
	}
}

func phone(t *testing.T, origin string) *Phone {
	t.Helper()
	key, err := NewKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Phone{Origin: origin, DeviceID: id, Name: "phone", Key: key}
}

func TestNewScan_OwnOriginOnly(t *testing.T) {
	p := phone(t, "https://id.example.gov.tw")
	for _, bad := range []string{"https://evil.example/phone/q/AAA", "https://id.example.gov.tw.evil.example/phone/q/AAA", "http://id.example.gov.tw/phone/q/AAA",
		"https://id.example.gov.tw/other/AAA"} {
		if _, err := p.NewScan(bad, time.Now()); err == nil {
			t.Errorf("%s was signed", bad)
		}
	}
	s, err := p.NewScan("https://id.example.gov.tw/phone/q/AAA", time.Now())
	if err != nil || s.Code != "AAA" {
		t.Fatal(err)
	}
}

// certificate is one of a fresh authority, for the key.
func certificate(t *testing.T, key *ecdsa.PublicKey) (cert, ca []byte) {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	if ca, err = x509.CreateCertificate(rand.Reader, root, root, &signer.PublicKey, signer); err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour)}
	if cert, err = x509.CreateCertificate(rand.Reader, leaf, root, key, signer); err != nil {
		t.Fatal(err)
	}
	return cert, ca
}

func TestComplete_OnlyItsOwnCertificate(t *testing.T) {
	p := phone(t, "https://id.example.gov.tw")
	key, err := parseKey(p.Key)
	if err != nil {
		t.Fatal(err)
	}
	other, err := parseKey(phone(t, "").Key)
	if err != nil {
		t.Fatal(err)
	}
	good, ca := certificate(t, &key.PublicKey)
	foreign, foreignCA := certificate(t, &other.PublicKey)
	for name, c := range map[string]*devicebind.Collected{
		"another's key": {Certificate: foreign, CA: foreignCA}, "another authority": {Certificate: good, CA: foreignCA}, "nothing": {},
	} {
		if err := p.Complete(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := p.Complete(&devicebind.Collected{DeviceID: id, Certificate: good, CA: ca, Name: "王小明"}); err != nil || p.Person != "王小明" {
		t.Fatal(err)
	}
}

func TestClient(t *testing.T) {
	var seen *http.Request
	var body []byte
	answer, status := "{}", http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	defer srv.Close()
	c := &Client{}
	answer = `{"status_token":"token","agency":"資訊局","ends":7}`
	b, err := c.Claim(t.Context(), srv.URL+"/phone/bind/"+id+"#"+secret, "phone", "294716")
	if err != nil {
		t.Fatal(err)
	}
	var claim devicebind.Claim
	if err := json.Unmarshal(body, &claim); err != nil || seen.URL.Path != "/phone/api/enrolments/"+id || len(b.Digits) != 6 || b.StatusToken != "token" {
		t.Fatalf("%v %s %+v", err, seen.URL, b)
	}
	if strings.Contains(string(body), secret) {
		t.Fatal("the secret was sent")
	}
	want := devicebind.EnrolProof(make([]byte, 32), make([]byte, 16), claim.CSR)
	if claim.Proof != base64.RawURLEncoding.EncodeToString(want) {
		t.Fatal("proof")
	}
	answer = `{"state":"claimed"}`
	if state, err := c.Collect(t.Context(), b); err != nil || state != devicebind.EnrolClaimed || seen.Header.Get("Authorization") != "Bearer token" {
		t.Fatal(state, err)
	}
	answer, status = `{"error":"attempt_taken"}`, http.StatusConflict
	_, err = c.Scan(t.Context(), &b.Phone, "AAA")
	var no *Error
	if !errors.As(err, &no) || no.Reason != "attempt_taken" || no.Status != http.StatusConflict {
		t.Fatal(err)
	}
	answer, status = "<html>", http.StatusBadGateway
	if err = c.Decide(t.Context(), &b.Phone, &devicebind.Scanned{}, devicebind.VerdictDeny, "", "294716"); !errors.As(err, &no) || no.Reason != "Bad Gateway" {
		t.Fatal(err)
	}
	if strings.Contains(string(body), "294716") {
		t.Fatal("a PIN was sent where none is needed")
	}
	answer, status = `{"standing":"active","person":"王小明"}`, http.StatusOK
	if s, err := c.Self(t.Context(), &b.Phone, devicebind.SelfStatus, ""); err != nil || s.Standing != devicebind.StandingActive {
		t.Fatal(err)
	}
}
