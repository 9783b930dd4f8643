package cardreader_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
)

// revocable is a verifier of G2's cards with a revocation list in a file.
type revocable struct {
	*cardreader.Verifier
	files *cardreader.CRLFiles
	clock time.Time
	path  string
	round int
}

func newRevocable(t testing.TB, list []byte, change ...func(*cardreader.Profile)) *revocable {
	t.Helper()
	p := profile()
	for _, c := range change {
		c(&p)
	}
	anchors, err := cardreader.NewAnchors([]*x509.Certificate{cardtest.G2().Certificate}, []cardreader.Profile{p})
	if err != nil {
		t.Fatal(err)
	}
	r := &revocable{clock: now}
	r.path = writeFiles(t, list)[0]
	r.files = &cardreader.CRLFiles{Anchors: anchors, Paths: []string{r.path}, Now: func() time.Time { return r.clock }}
	r.Verifier = &cardreader.Verifier{Anchors: anchors, Revocation: r.files, Now: func() time.Time { return r.clock }}
	return r
}

// replace puts another list in the file's place and loads it.
func (r *revocable) replace(t testing.TB, list []byte) error {
	t.Helper()
	if err := os.WriteFile(r.path, list, 0o600); err != nil {
		t.Fatal(err)
	}
	r.round++
	at := now.Add(time.Duration(r.round) * time.Second) // a file system's clock may be coarse
	if err := os.Chtimes(r.path, at, at); err != nil {
		t.Fatal(err)
	}
	return r.files.Load()
}

func list(number int, serials ...[]byte) []byte {
	return cardtest.G2().CRL(cardtest.CRL{Number: number, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour), Serials: serials})
}

func serialOf(t testing.TB, certificate []byte) []byte {
	t.Helper()
	cert, err := x509.ParseCertificate(certificate)
	if err != nil {
		t.Fatal(err)
	}
	return cert.SerialNumber.Bytes()
}

func TestT106_Revoked(t *testing.T) {
	certificate := issue()
	other := issue(func(l *cardtest.Leaf) { l.SubjectSerial = "0000000000000002" })
	r := newRevocable(t, list(1))
	if err := r.files.Load(); err != nil {
		t.Fatal(err)
	}
	accepted(t, r.Verifier, message(certificate))
	if err := r.replace(t, list(2, []byte{1}, serialOf(t, certificate), bytes.Repeat([]byte{0x7f}, 16))); err != nil {
		t.Fatal(err)
	}
	refused(t, r.Verifier, message(certificate), cardreader.CauseRevoked)
	accepted(t, r.Verifier, message(other))

	// An older list cannot make it good again.
	if err := r.replace(t, list(1)); err == nil {
		t.Error("an older list was loaded")
	}
	refused(t, r.Verifier, message(certificate), cardreader.CauseRevoked)
	// Nor does the end of the list that revoked it.
	r.clock = now.Add(2 * time.Hour)
	refused(t, r.Verifier, message(certificate), cardreader.CauseRevoked)
	refused(t, r.Verifier, message(other), cardreader.CauseRevocationUnknown)
}

// Many look while the lists change: each sees one list or the next, whole.
func TestT107_ReloadWhileVerifying(t *testing.T) {
	certificate := issue()
	cms := message(certificate)
	r := newRevocable(t, list(1, serialOf(t, certificate)))
	if err := r.files.Load(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				var refusal *cardreader.Refusal
				if _, err := r.Verify(cms, content); !errors.As(err, &refusal) || refusal.Cause != cardreader.CauseRevoked {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	for i := range 20 {
		if err := r.replace(t, list(2+i, serialOf(t, certificate))); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

// baseList is a good list; with makes it with a change, critical with an
// extension of that kind.
var baseList = cardtest.CRL{Number: 1, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(time.Hour)}

func with(change func(*cardtest.CRL)) []byte {
	c := baseList
	change(&c)
	return cardtest.G2().CRL(c)
}

func critical(oid string, value []byte) []byte {
	return with(func(c *cardtest.CRL) { c.Extra = []cardtest.Extension{{OID: oid, Critical: true, Value: value}} })
}

// point is where a partition of the list is found.
func point() []byte {
	return cardtest.TLV(0xa0, cardtest.TLV(0xa0, cardtest.TLV(0x86, []byte("http://crl.example.test/1.crl"))))
}

func TestT108_UnfitLists(t *testing.T) {
	certificate := issue()
	stranger := newCA(t, cardtest.CAOptions{Key: cardtest.Key(5), Template: func(c *x509.Certificate) {
		c.SubjectKeyId = cardtest.G2().Certificate.SubjectKeyId
	}})
	for name, der := range map[string][]byte{
		"none":                  {},
		"not a list":            certificate,
		"trailing bytes":        append(list(1), 0),
		"spoiled signature":     with(func(c *cardtest.CRL) { c.BadSigning = true }),
		"another's signature":   stranger.CRL(baseList),
		"of another issuer":     cardtest.G3().CRL(baseList),
		"another issuer's name": with(func(c *cardtest.CRL) { c.Issuer = rdnName() }),
		"SHA-1":                 with(func(c *cardtest.CRL) { c.Hash = crypto.SHA1 }),
		"no next update":        with(func(c *cardtest.CRL) { c.NextUpdate = time.Time{} }),
		"outdated":              with(func(c *cardtest.CRL) { c.NextUpdate = now }),
		"from the future":       with(func(c *cardtest.CRL) { c.ThisUpdate = now.Add(10 * time.Minute) }),
		"no extensions":         with(func(c *cardtest.CRL) { c.Drop = true }),
		"only changes":          critical("2.5.29.27", cardtest.Integer(1)),
		"unknown critical":      critical("1.2.3.4", cardtest.TLV(0x05)),
		"for issuers only":      critical("2.5.29.28", cardtest.TLV(0x30, cardtest.TLV(0x82, []byte{0xff}))),
		"for some reasons only": critical("2.5.29.28", cardtest.TLV(0x30, cardtest.TLV(0x83, []byte{1, 0x40}))),
		"indirect":              critical("2.5.29.28", cardtest.TLV(0x30, cardtest.TLV(0x84, []byte{0xff}))),
		"a partition of others": critical("2.5.29.28", cardtest.TLV(0x30, point())),
		"of other issuers' entries": with(func(c *cardtest.CRL) {
			c.Serials = [][]byte{{1}}
			c.EntryExtra = cardtest.TLV(0x30, cardtest.TLV(0x30, cardtest.OID("2.5.29.29"), cardtest.TLV(0x01, []byte{0xff}), cardtest.TLV(0x04, cardtest.TLV(0x30))))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRevocable(t, der)
			err := r.files.Load()
			refused(t, r.Verifier, message(certificate), cardreader.CauseRevocationUnknown)
			if name != "a partition of others" && err == nil {
				t.Error("was loaded without a word")
			}
		})
	}
}

func TestT108_FitLists(t *testing.T) {
	certificate := issue()
	reason := cardtest.TLV(0x30, cardtest.TLV(0x30, cardtest.OID("2.5.29.21"), cardtest.TLV(0x04, cardtest.TLV(0x0a, []byte{1}))))
	for name, der := range map[string][]byte{
		"PEM":         pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list(1)}),
		"with reason": with(func(c *cardtest.CRL) { c.Serials, c.EntryExtra = [][]byte{{1}, {0, 0x80}}, reason }),
		"for holders": critical("2.5.29.28", cardtest.TLV(0x30, cardtest.TLV(0x81, []byte{0xff}))),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRevocable(t, der)
			if err := r.files.Load(); err != nil {
				t.Fatal(err)
			}
			accepted(t, r.Verifier, message(certificate))
		})
	}
	t.Run("a partition of its own", func(t *testing.T) {
		r := newRevocable(t, critical("2.5.29.28", cardtest.TLV(0x30, point())))
		if err := r.files.Load(); err != nil {
			t.Fatal(err)
		}
		accepted(t, r.Verifier, message(issue(extra("2.5.29.31", false, cardtest.TLV(0x30, cardtest.TLV(0x30, point()))))))
	})
}

func rdnName() []byte { return cardtest.Name(rdnC) }

func TestT109_SourceDown(t *testing.T) {
	certificate := issue()
	optional := func(p *cardreader.Profile) { p.WithoutCRL = true }
	t.Run("never loaded", func(t *testing.T) {
		r := newRevocable(t, list(1))
		refused(t, r.Verifier, message(certificate), cardreader.CauseRevocationUnknown)
		accepted(t, newRevocable(t, list(1), optional).Verifier, message(certificate))
	})
	t.Run("file gone", func(t *testing.T) {
		for _, r := range []*revocable{newRevocable(t, list(1)), newRevocable(t, list(1), optional)} {
			if err := r.files.Load(); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(r.path); err != nil {
				t.Fatal(err)
			}
			if err := r.files.Load(); err == nil {
				t.Error("a missing file was not reported")
			}
			// Until its nextUpdate the last list counts, and not a second longer.
			r.clock = now.Add(time.Hour - time.Second)
			accepted(t, r.Verifier, message(certificate))
			r.clock = now.Add(time.Hour)
			refused(t, r.Verifier, message(certificate), cardreader.CauseRevocationUnknown)
		}
	})
	t.Run("file spoiled", func(t *testing.T) {
		r := newRevocable(t, list(1, serialOf(t, certificate)))
		if err := r.files.Load(); err != nil {
			t.Fatal(err)
		}
		if err := r.replace(t, list(2)[:100]); err == nil {
			t.Error("half a list was loaded")
		}
		refused(t, r.Verifier, message(certificate), cardreader.CauseRevoked)
	})
}

func manySerials(n int) [][]byte {
	serials := make([][]byte, n)
	for i := range serials {
		serials[i] = binary.BigEndian.AppendUint64([]byte{0x5a, 0x20, 0x2d, 0x14, 0xb3, 0x97, 0x87, 0xd0}, uint64(i*7919%n)<<8)
	}
	return serials
}

func TestLargeList(t *testing.T) {
	certificate := issue()
	serials := append(manySerials(400_000), serialOf(t, certificate))
	r := newRevocable(t, list(1, serials...))
	start := time.Now()
	if err := r.files.Load(); err != nil {
		t.Fatal(err)
	}
	t.Logf("loaded %d entries in %v", len(serials), time.Since(start))
	refused(t, r.Verifier, message(certificate), cardreader.CauseRevoked)
}
