package cardreader_test

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
)

func TestProfiles(t *testing.T) {
	certs := []*x509.Certificate{cardtest.G2().Certificate, cardtest.G3().Certificate}
	if _, err := cardreader.NewAnchors(certs, []cardreader.Profile{cardreader.MOICAG2(), cardreader.MOICAG3()}); err != nil {
		t.Errorf("the shipped profiles: %v", err)
	}
	for name, change := range map[string]func(*cardreader.Profile){
		"policy":            func(p *cardreader.Profile) { p.Policies = []string{"level 3"} },
		"key usage":         func(p *cardreader.Profile) { p.KeyUsages = []string{"keyCertSign"} },
		"ext key usage":     func(p *cardreader.Profile) { p.ExtKeyUsages = []string{"clientAuth"} },
		"algorithm":         func(p *cardreader.Profile) { p.Algorithms = []cardreader.Algorithm{"rsa-pkcs1-sha1"} },
		"no ID tail":        func(p *cardreader.Profile) { p.IDTailOID = "" },
		"bad ID tail":       func(p *cardreader.Profile) { p.IDTailOID = "x" },
		"type without kind": func(p *cardreader.Profile) { p.SubjectType = "" },
		"issuer twice":      func(p *cardreader.Profile) { p.Issuers = append(p.Issuers, p.Issuers[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			p := profile()
			change(&p)
			if _, err := cardreader.NewAnchors(certs, []cardreader.Profile{p}); err == nil {
				t.Error("was accepted")
			}
		})
	}
	t.Run("key identifier as people write it", func(t *testing.T) {
		p := profile()
		var pairs []string
		for pair := range slices.Chunk([]byte(strings.ToUpper(cardtest.G2().KeyID())), 2) {
			pairs = append(pairs, string(pair))
		}
		p.Issuers = []string{strings.Join(pairs, ":")}
		accepted(t, verifierOf(t, []cardreader.Profile{p}, cardtest.G2()), message(issue()))
	})
}

func TestParseCertificates(t *testing.T) {
	g2, g3 := cardtest.G2(), cardtest.G3()
	both := append(g2.PEM(), g3.PEM()...)
	certs, err := cardreader.ParseCertificates(both)
	if err != nil || len(certs) != 2 {
		t.Fatalf("got %d, %v", len(certs), err)
	}
	anchors, err := cardreader.NewAnchors(certs, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := cardtest.KeyIDs()
	slices.Sort(want)
	if got := anchors.KeyIDs(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if certs, err := cardreader.ParseCertificates(g3.Certificate.Raw); err != nil || len(certs) != 1 {
		t.Errorf("DER: got %d, %v", len(certs), err)
	}
	for name, file := range map[string][]byte{
		"empty":       nil,
		"text":        []byte("issuer"),
		"another PEM": []byte(strings.ReplaceAll(string(g2.PEM()), "CERTIFICATE", "PUBLIC KEY")),
	} {
		if _, err := cardreader.ParseCertificates(file); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestRefresh(t *testing.T) {
	certificate := issue()
	r := newRevocable(t, list(1))
	if err := r.files.Load(); err != nil {
		t.Fatal(err)
	}
	if end := r.files.NextUpdates()[cardtest.G2().KeyID()]; !end.Equal(now.Add(time.Hour)) {
		t.Errorf("counts until %v", end)
	}
	ctx, cancel := context.WithCancel(t.Context())
	faults := make(chan error, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.files.Refresh(ctx, time.Millisecond, func(err error) {
			if err == nil {
				return
			}
			select {
			case faults <- err:
			default:
			}
		})
	}()
	if err := r.replace(t, []byte("no list")); err == nil {
		t.Error("was loaded")
	}
	if err := <-faults; err == nil || strings.Contains(err.Error(), "王") {
		t.Errorf("reported %v", err)
	}
	accepted(t, r.Verifier, message(certificate))
	if err := r.replace(t, list(2, serialOf(t, certificate))); err != nil {
		t.Error(err)
	}
	refused(t, r.Verifier, message(certificate), cardreader.CauseRevoked)
	cancel()
	<-done
}

func TestRefusalText(t *testing.T) {
	for want, r := range map[string]*cardreader.Refusal{
		"card refused: revoked":               {Cause: cardreader.CauseRevoked},
		"card refused: cert_key_weak: even":   {Cause: cardreader.CauseKeyWeak, Detail: "even"},
		"card refused: cert_usage: key usage": {Cause: cardreader.CauseUsage, Detail: "key usage"},
	} {
		if r.Error() != want {
			t.Errorf("got %q, want %q", r.Error(), want)
		}
	}
}
