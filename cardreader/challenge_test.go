package cardreader

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
)

var (
	challengeSeed = ed25519.NewKeyFromSeed([]byte("test-only seed of a challenge ke"))
	challengePub  = challengeSeed.Public().(ed25519.PublicKey)
	challengeNow  = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
)

func testChallenge() Challenge {
	return Challenge{
		Origin: "https://id.example.test", Purpose: PurposeLogin, Client: "documents", ClientName: "公文 <A&B>",
		Flow: FlowHash("cookie"), Nonce: NewNonce(),
		IssuedAt: challengeNow, ExpiresAt: challengeNow.Add(ChallengeLife),
	}
}

func TestChallengeRoundTrip(t *testing.T) {
	c := testChallenge()
	jws := c.Sign(challengeSeed)
	if again := c.Sign(challengeSeed); again != jws {
		t.Fatal("two signatures of one challenge differ")
	}
	got, err := ParseChallenge(jws, challengePub, challengeNow.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if got != c {
		t.Errorf("got %+v, want %+v", got, c)
	}
}

// resign signs any header and payload with the right key.
func resign(header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(ed25519.Sign(challengeSeed, []byte(input)))
}

func TestT102_ChallengeRefused(t *testing.T) {
	header := `{"alg":"EdDSA","typ":"` + ChallengeType + `"}`
	good := testChallenge()
	payload := string(good.payload())
	with := func(change func(*Challenge)) string {
		c := good
		change(&c)
		return c.Sign(challengeSeed)
	}
	other := ed25519.NewKeyFromSeed([]byte("another test-only seed, 32 bytes"))
	jws := good.Sign(challengeSeed)
	for name, s := range map[string]string{
		"empty":             "",
		"two parts":         jws[:strings.LastIndex(jws, ".")],
		"four parts":        jws + ".",
		"other key":         good.Sign(other),
		"alg none":          b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(payload)) + ".",
		"header spaced":     resign(`{"alg": "EdDSA","typ":"`+ChallengeType+`"}`, payload),
		"header typ":        resign(`{"alg":"EdDSA","typ":"JWT"}`, payload),
		"header kid":        resign(`{"alg":"EdDSA","kid":"x","typ":"`+ChallengeType+`"}`, payload),
		"padded":            jws + "=",
		"line break":        jws + "\n",
		"payload spaced":    resign(header, strings.Replace(payload, ":", ": ", 1)),
		"unknown member":    resign(header, strings.TrimSuffix(payload, "}")+`,"x":1}`),
		"repeated member":   resign(header, strings.Replace(payload, `{`, `{"iss":"https://evil.test",`, 1)),
		"upper-case member": resign(header, strings.Replace(payload, `"iss"`, `"ISS"`, 1)),
		"trailing":          resign(header, payload+payload),
		"array":             resign(header, "["+payload+"]"),
		"escaped":           resign(header, strings.Replace(payload, "documents", `\u0064ocuments`, 1)),
		"exponent":          resign(header, strings.Replace(payload, `"exp":`, `"exp":0`, 1)),
		"too long":          with(func(c *Challenge) { c.ClientName = strings.Repeat("名", 2000) }),
		"long name":         with(func(c *Challenge) { c.ClientName = strings.Repeat("x", 201) }),
		"bidi name":         with(func(c *Challenge) { c.ClientName = "mail\u202egpj" }),
		"line in name":      with(func(c *Challenge) { c.ClientName = "mail\nPIN" }),
		"purpose":           with(func(c *Challenge) { c.Purpose = "sign" }),
		"no purpose":        with(func(c *Challenge) { c.Purpose = "" }),
		"http":              with(func(c *Challenge) { c.Origin = "http://id.example.test" }),
		"path":              with(func(c *Challenge) { c.Origin += "/" }),
		"user info":         with(func(c *Challenge) { c.Origin = "https://a@id.example.test" }),
		"upper case":        with(func(c *Challenge) { c.Origin = "https://ID.example.test" }),
		"short nonce":       with(func(c *Challenge) { c.Nonce = c.Nonce[:22] }),
		"no flow":           with(func(c *Challenge) { c.Flow = "" }),
		"long life":         with(func(c *Challenge) { c.ExpiresAt = c.ExpiresAt.Add(time.Second) }),
		"no life":           with(func(c *Challenge) { c.ExpiresAt = c.IssuedAt }),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseChallenge(s, challengePub, challengeNow); !errors.Is(err, ErrChallenge) {
				t.Errorf("got %v, want ErrChallenge", err)
			}
		})
	}
	if _, err := ParseChallenge(jws, nil, challengeNow); !errors.Is(err, ErrChallenge) {
		t.Errorf("no key: got %v", err)
	}
}

func TestT103_ChallengeTime(t *testing.T) {
	jws := testChallenge().Sign(challengeSeed)
	for name, at := range map[string]time.Time{
		"at its end":      challengeNow.Add(ChallengeLife),
		"later":           challengeNow.Add(time.Hour),
		"from the future": challengeNow.Add(-clockAhead - time.Second),
	} {
		if _, err := ParseChallenge(jws, challengePub, at); !errors.Is(err, idp.ErrExpired) {
			t.Errorf("%s: got %v, want ErrExpired", name, err)
		}
	}
	if _, err := ParseChallenge(jws, challengePub, challengeNow.Add(ChallengeLife-time.Second)); err != nil {
		t.Errorf("last second: %v", err)
	}
}

func TestT104_NoncesDiffer(t *testing.T) {
	seen := make(map[string]bool, 1_000_000)
	for range 1_000_000 {
		n := NewNonce()
		if len(n) != 43 || seen[n] {
			t.Fatalf("nonce of %d characters, or a repeated one", len(n))
		}
		seen[n] = true
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(testChallenge().Sign(challengeSeed))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseChallenge(s, challengePub, challengeNow)
		if err == nil && c.Sign(challengeSeed) != s {
			t.Fatalf("%q parses and is written %q", s, c.Sign(challengeSeed))
		}
	})
}

func FuzzChallengeClaims(f *testing.F) {
	f.Add(testChallenge().payload())
	f.Add([]byte(`{"iss":"https://a.test"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseClaims(b)
		if err == nil && string(c.payload()) != string(b) {
			t.Fatalf("%q parses and is written %q", b, c.payload())
		}
	})
}
