package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

var b64 = base64.RawURLEncoding

// forge assembles a token with any header; sign gets what is to be signed.
func forge(header string, sign func(input []byte) []byte) string {
	input := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(`{"sub":"victim"}`))
	return input + "." + b64.EncodeToString(sign([]byte(input)))
}

func TestT040_VerifyRefusesForgedTokens(t *testing.T) {
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a key was fetched from an address in a token")
	}))
	defer canary.Close()
	r := openTestRing(t, &memoryStore{}, time.Now)
	kid, _ := r.SignsWith(RS256)
	ecKID, _ := r.SignsWith(ES256)
	ours := r.state.Load().byKID[kid]
	challenge, err := KeyID(r.ChallengeKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	_, foreign, _ := ed25519.GenerateKey(rand.Reader)
	jwk, _ := json.Marshal(jose.JSONWebKey{Key: foreign.Public()})
	none := func([]byte) []byte { return nil }
	mac := func(secret []byte) func([]byte) []byte {
		return func(in []byte) []byte {
			m := hmac.New(sha256.New, secret)
			m.Write(in)
			return m.Sum(nil)
		}
	}
	right := func(in []byte) []byte {
		sig, err := ours.sign(in)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	byForeign := func(in []byte) []byte { return ed25519.Sign(foreign, in) }
	record, _ := r.state.Load().find(slot{UseToken, RS256}, StateActive)
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: record.Public})

	good := forge(`{"alg":"RS256","kid":"`+kid+`","typ":"JWT"}`, right)
	if _, _, err := r.Verify(good); err != nil {
		t.Fatalf("the control is refused: %v", err)
	}
	for name, token := range map[string]string{
		"none":             forge(`{"alg":"none"}`, none),
		"none with kid":    forge(`{"alg":"none","kid":"`+kid+`"}`, none),
		"None":             forge(`{"alg":"None","kid":"`+kid+`"}`, none),
		"empty signature":  forge(`{"alg":"RS256","kid":"`+kid+`"}`, none),
		"HS256 DER":        forge(`{"alg":"HS256","kid":"`+kid+`"}`, mac(record.Public)),
		"HS256 PEM":        forge(`{"alg":"HS256","kid":"`+kid+`"}`, mac(text)),
		"HS256 key set":    forge(`{"alg":"HS256","kid":"`+kid+`"}`, mac(r.PublicJWKS())),
		"jwk":              forge(`{"alg":"EdDSA","jwk":`+string(jwk)+`}`, byForeign),
		"jwk and our kid":  forge(`{"alg":"RS256","kid":"`+kid+`","jwk":`+string(jwk)+`}`, right),
		"jku":              forge(`{"alg":"RS256","kid":"`+kid+`","jku":"`+canary.URL+`"}`, right),
		"x5u":              forge(`{"alg":"RS256","kid":"`+kid+`","x5u":"`+canary.URL+`"}`, right),
		"crit unknown":     forge(`{"alg":"RS256","kid":"`+kid+`","crit":["exp"],"exp":1}`, right),
		"crit b64":         forge(`{"alg":"RS256","kid":"`+kid+`","crit":["b64"],"b64":false}`, right),
		"kid path":         forge(`{"alg":"EdDSA","kid":"../../../dev/null"}`, byForeign),
		"kid SQL":          forge(`{"alg":"EdDSA","kid":"' OR '1'='1"}`, byForeign),
		"no kid":           forge(`{"alg":"RS256"}`, right),
		"other alg's kid":  forge(`{"alg":"RS256","kid":"`+ecKID+`"}`, right),
		"PS256 by RS key":  forge(`{"alg":"PS256","kid":"`+kid+`"}`, right),
		"challenge key":    forge(`{"alg":"EdDSA","kid":"`+challenge+`"}`, func(in []byte) []byte { return ed25519.Sign(r.ChallengeKey(), in) }),
		"trailing header":  forge(`{"alg":"RS256","kid":"`+kid+`"}{}`, right),
		"header array":     forge(`["RS256"]`, right),
		"JSON form":        `{"payload":"e30","signatures":[]}`,
		"four parts":       good + ".x",
		"padded":           good + "=",
		"line break":       good + "\n",
		"empty":            "",
		"dots":             "..",
		"10 million dots":  strings.Repeat(".", 10_000_000),
		"changed":          good[:len(good)-4] + "AAAA",
		"trailing bits":    good[:len(good)-1] + "B",
		"ECDSA zero":       forge(`{"alg":"ES256","kid":"`+ecKID+`"}`, func([]byte) []byte { return make([]byte, 64) }),
		"ECDSA one number": forge(`{"alg":"ES256","kid":"`+ecKID+`"}`, func([]byte) []byte { return []byte{1} }),
	} {
		if claims, _, err := r.Verify(token); !errors.Is(err, ErrSignature) || claims != nil {
			t.Errorf("%s: accepted (%v)", name, err)
		}
	}
}

// clientSign signs as a client's library would.
func clientSign(t *testing.T, alg string, private crypto.Signer, kid string, extra map[jose.HeaderKey]any) string {
	t.Helper()
	opts := &jose.SignerOptions{ExtraHeaders: extra}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(alg), Key: jose.JSONWebKey{Key: private, KeyID: kid},
	}, opts)
	if err != nil {
		t.Fatal(err)
	}
	object, err := signer.Sign([]byte(`{"iss":"client"}`))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return jws
}

func keySet(t *testing.T, list ...jose.JSONWebKey) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: list})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestVerifyWithJWKSAcceptsEveryAlgorithm(t *testing.T) {
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	set := keySet(t, // no "use", no "alg", and no kid for one
		jose.JSONWebKey{Key: rsaKey.Public()}, jose.JSONWebKey{Key: p256.Public(), KeyID: "p256"},
		jose.JSONWebKey{Key: p384.Public()}, jose.JSONWebKey{Key: p521.Public()}, jose.JSONWebKey{Key: ed.Public(), Use: "sig"},
	)
	for alg, private := range map[string]crypto.Signer{
		"RS256": rsaKey, "RS512": rsaKey, "PS256": rsaKey, "PS384": rsaKey,
		"ES256": p256, "ES384": p384, "ES512": p521, "EdDSA": ed,
	} {
		kid := ""
		if alg == "ES256" {
			kid = "p256"
		}
		jws := clientSign(t, alg, private, kid, nil)
		claims, err := VerifyWithJWKS(jws, set, nil)
		if err != nil || string(claims) != `{"iss":"client"}` {
			t.Errorf("%s: %q, %v", alg, claims, err)
		}
		if _, err := VerifyWithJWKS(jws, set, []string{"HS256"}); err == nil {
			t.Errorf("%s: accepted though not allowed", alg)
		}
	}
}

func TestT040_VerifyWithJWKSRefusesForgedAssertions(t *testing.T) {
	own, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	foreign, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	weak, _ := rsa.GenerateKey(rand.Reader, 2048)
	set := keySet(t, jose.JSONWebKey{Key: own.Public(), KeyID: "own"},
		jose.JSONWebKey{Key: weak.Public(), KeyID: "enc", Use: "enc"})
	if _, err := VerifyWithJWKS(clientSign(t, "ES256", own, "own", nil), set, nil); err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{"JWT", "jwt", "application/jwt", "client-authentication+jwt"} {
		if _, err := VerifyWithJWKS(clientSign(t, "ES256", own, "own", map[jose.HeaderKey]any{"typ": typ}), set, nil); err != nil {
			t.Errorf("typ %s: %v", typ, err)
		}
	}
	embedded, err := jose.NewSigner(jose.SigningKey{Algorithm: "ES256", Key: foreign}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	object, _ := embedded.Sign([]byte(`{}`))
	withJWK, _ := object.CompactSerialize()
	mac := func(in []byte) []byte {
		m := hmac.New(sha256.New, []byte(set))
		m.Write(in)
		return m.Sum(nil)
	}
	for name, jws := range map[string]string{
		"foreign key":     clientSign(t, "ES256", foreign, "own", nil),
		"embedded key":    withJWK,
		"encryption key":  clientSign(t, "RS256", weak, "enc", nil),
		"wrong kid":       clientSign(t, "ES256", own, "other", nil),
		"jku":             clientSign(t, "ES256", own, "own", map[jose.HeaderKey]any{"jku": "http://127.0.0.1:1/"}),
		"an access token": clientSign(t, "ES256", own, "own", map[jose.HeaderKey]any{"typ": "at+jwt"}),
		"a logout token":  clientSign(t, "ES256", own, "own", map[jose.HeaderKey]any{"typ": "application/logout+jwt"}),
		"typ is no text":  clientSign(t, "ES256", own, "own", map[jose.HeaderKey]any{"typ": 1}),
		"x5u":             clientSign(t, "ES256", own, "own", map[jose.HeaderKey]any{"x5u": "http://127.0.0.1:1/"}),
		"x5c":             clientSign(t, "ES256", own, "own", map[jose.HeaderKey]any{"x5c": []string{}}),
		"none":            forge(`{"alg":"none","kid":"own"}`, func([]byte) []byte { return nil }),
		"HS256":           forge(`{"alg":"HS256","kid":"own"}`, mac),
		"10 million dots": strings.Repeat(".", 10_000_000),
		"empty":           "",
	} {
		if _, err := VerifyWithJWKS(jws, set, nil); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, bad := range map[string]string{
		"private":   keySet(t, jose.JSONWebKey{Key: own}),
		"symmetric": `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`,
		"empty":     `{"keys":[]}`,
		"no JSON":   `keys`,
	} {
		if _, err := ParseJWKS(bad); err == nil {
			t.Errorf("%s key set accepted", name)
		}
	}
}

func FuzzVerify(f *testing.F) {
	r := openTestRing(f, &memoryStore{}, time.Now, ES256)
	good, err := r.Sign(ES256, "JWT", []byte(`{}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if _, _, err := r.Verify(token); err == nil && token != good {
			// An ECDSA signature has a twin; header and claims must be ours.
			if token[:strings.LastIndexByte(token, '.')] != good[:strings.LastIndexByte(good, '.')] {
				t.Fatalf("accepted %q", token)
			}
		}
	})
}
