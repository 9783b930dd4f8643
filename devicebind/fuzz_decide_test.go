package devicebind

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/keys"
)

// oneAttempt keeps one attempt and one device, which are never changed.
type oneAttempt struct {
	AttemptStore
	DeviceStore
	attempt Attempt
	device  Device
}

func (o *oneAttempt) Attempt(context.Context, []byte) (*Attempt, error) {
	a := o.attempt
	return &a, nil
}
func (o *oneAttempt) Record(context.Context, ...idp.Event) error { return nil }
func (o *oneAttempt) Device(context.Context, string) (*Device, *idp.Person, error) {
	d := o.device
	return &d, &idp.Person{ID: d.PersonID}, nil
}

func (o *oneAttempt) AttemptOn(ctx context.Context, by AttemptKey) (*Attempt, *Device, *idp.Person, error) {
	t, err := o.Attempt(ctx, by.ID)
	if err != nil {
		return nil, nil, nil, err
	}
	d, p, err := o.Device(ctx, by.DeviceID)
	return t, d, p, err
}

// decider is a server with one scanned attempt of a phone with an
// authenticator, and the phone's key.
func decider(f *testing.F) (*Attempts, *oneAttempt, *ecdsa.PrivateKey) {
	f.Helper()
	must := func(err error) {
		if err != nil {
			f.Fatal(err)
		}
	}
	sealer, err := keys.NewSealer(bytes.Repeat([]byte("k"), 32))
	must(err)
	keeper, err := NewKeeper(sealer)
	must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	must(err)
	point, err := key.PublicKey.Bytes()
	must(err)
	cose := append([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}, point[1:33]...)
	cose = append(append(cose, 0x22, 0x58, 0x20), point[33:]...)
	credential, err := json.Marshal(webauthn.Credential{ID: []byte("credential"), PublicKey: cose})
	must(err)
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	id := b64(make([]byte, idSize))
	sealed, err := keeper.sealDevice(id, "p", Secrets{Public: public, Credential: credential})
	must(err)
	kept := &oneAttempt{
		attempt: Attempt{ID: make([]byte, idSize), DeviceID: id, PersonID: "p", ClientID: "docs", Nonce: make([]byte, 32), State: AttemptScanned, EndsAt: now.Add(time.Minute)},
		device:  Device{ID: id, PersonID: "p", Presence: PresenceWebAuthn, Sealed: sealed, NotAfter: now.Add(time.Hour), PersonState: idp.PersonEnabled},
	}
	return &Attempts{Store: attemptOnly{kept}, Devices: deviceOnly{kept}, Keeper: keeper, Origin: "https://id.example", Now: func() time.Time { return now }}, kept, key
}

type attemptOnly struct{ *oneAttempt }
type deviceOnly struct{ *oneAttempt }

// The promoted methods of two embedded interfaces collide where both have
// them; each view takes its own.
func (a attemptOnly) ScanAttempt(ctx context.Context, t *Attempt, at int64, l ScanLimits, e ...idp.Event) error {
	return a.AttemptStore.ScanAttempt(ctx, t, at, l, e...)
}

func signRaw(f *testing.T, key *ecdsa.PrivateKey, message []byte) string {
	f.Helper()
	sum := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		f.Fatal(err)
	}
	raw := make([]byte, sigSize)
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return b64(raw)
}

// A phone's key in the wrong hands: whatever is said to be an assertion, without
// the authenticator nothing is approved.
func FuzzDecide(f *testing.F) {
	attempts, kept, key := decider(f)
	f.Add([]byte(`{"id":"Y3JlZGVudGlhbA","rawId":"Y3JlZGVudGlhbA","type":"public-key","clientExtensionResults":{},"response":{"clientDataJSON":"e30","authenticatorData":"AAAA","signature":"AA"}}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(``))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		d := DecideRequest{
			DeviceID: kept.device.ID, Attempt: b64(kept.attempt.ID), ClientID: "docs", Number: attempts.Keeper.attemptNumber(&kept.attempt),
			Time: attempts.Now().UnixMilli(), Verdict: VerdictApprove, WebAuthn: answer,
		}
		d.Signature = signRaw(t, key, ApprovalBytes(attempts.Origin, b64(kept.attempt.Nonce), d))
		err := attempts.Decide(t.Context(), d)
		if no := (idp.Denied{}); !errors.As(err, &no) || no.Reason != ReasonPhoneProof {
			t.Fatalf("%q: %v", answer, err)
		}
	})
}

// The bytes that are signed say one thing only.
func FuzzApprovalBytes(f *testing.F) {
	f.Add("attempt", "docs", "42", "nonce", int64(1), "device", "approve")
	f.Add("a\nb", "", "", "", int64(-1), "", "")
	f.Fuzz(func(t *testing.T, attempt, client, number, nonce string, at int64, device, verdict string) {
		if !oneLine(attempt, client, number, nonce, device, verdict) {
			return
		}
		d := DecideRequest{Attempt: attempt, ClientID: client, Number: number, Time: at, DeviceID: device, Verdict: Verdict(verdict)}
		got := strings.Split(string(ApprovalBytes("https://id.example", nonce, d)), "\n")
		if len(got) != 10 || got[0] != tagApproval || got[2] != attempt || got[3] != client || got[4] != number || got[5] != nonce ||
			got[7] != device || got[8] != verdict || got[9] != "" {
			t.Fatalf("%q", got)
		}
	})
}

// No User-Agent makes a code that does not open.
func FuzzPCOf(f *testing.F) {
	codes := &Codes{Keeper: fuzzKeeper(f), Origin: "https://id.example", Now: time.Now}
	f.Add("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0")
	f.Fuzz(func(t *testing.T, agent string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("User-Agent", agent)
		pc := PCOf(r)
		got, err := codes.Open(codes.Make(make([]byte, flowSize), pc).Text)
		if err != nil || got.PC != pc {
			t.Fatalf("%+v: %+v %v", pc, got, err)
		}
	})
}

func fuzzKeeper(f *testing.F) *Keeper {
	f.Helper()
	sealer, err := keys.NewSealer(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		f.Fatal(err)
	}
	keeper, err := NewKeeper(sealer)
	if err != nil {
		f.Fatal(err)
	}
	return keeper
}

func TestPCOf(t *testing.T) {
	for agent, want := range map[string]PC{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0": {"Edge", "Windows", NetworkOutside},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15":         {"Safari", "macOS", NetworkOutside},
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36":                {"Chrome", "ChromeOS", NetworkOutside},
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                        {"Firefox", "Linux", NetworkOutside},
		"curl/8": {"", "", NetworkOutside},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("User-Agent", agent)
		if got := PCOf(r); got != want {
			t.Errorf("%s: %+v", agent, got)
		}
	}
}
