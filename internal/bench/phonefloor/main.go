// Command phonefloor is what logins by phone are measured against: a bare
// net/http server that verifies the signatures of each step and makes the
// durable statements of each step, with the conditions in them, in the product's
// own schema and by its own store. It reads nothing else and draws nothing. What
// the store itself costs stands on both sides.
//
// It prints its address when it listens, and ends with its standard input.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/oidc"
	"taipeion.internal/idp/session"
	"taipeion.internal/idp/store"
)

func main() {
	lite := flag.String("sqlite", "", "the store's SQLite file")
	postgres := flag.String("postgres", "", "or its PostgreSQL database")
	flag.Parse()
	if err := run(store.Options{SQLite: *lite, PostgreSQL: *postgres}); err != nil {
		log.Fatal(err)
	}
}

func run(options store.Options) error {
	st, err := store.Open(context.Background(), options)
	if err != nil {
		return err
	}
	defer st.Close()
	f := &floor{store: st, message: make([]byte, 256), logins: map[string]*login{}}
	if f.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	sum := sha256.Sum256(f.message)
	if f.signature, err = ecdsa.SignASN1(rand.Reader, f.key, sum[:]); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	mux := http.NewServeMux()
	for _, s := range []step{
		{"authorize", 0, f.keepRequest},
		{"page", 0, nil},
		{"scan", 1, f.scan},
		{"state", 0, nil},
		{"decide", 2, f.approve}, // the phone's signature, and its authenticator's
		{"enter", 0, f.enter},
		{"resume", 0, f.keepCode},
	} {
		mux.Handle("POST /"+s.name, f.serve(s))
	}
	go func() { _ = http.Serve(listener, mux) }()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// step is a request of a login by phone.
type step struct {
	name   string
	verify int // signatures
	keep   func(context.Context, *login) error
}

type floor struct {
	store     *store.Store
	key       *ecdsa.PrivateKey
	message   []byte
	signature []byte

	mu     sync.Mutex
	logins map[string]*login // of each phone, which does one thing at a time
}

// login is one under way.
type login struct {
	device, person        string
	flow, browser, opened []byte
	attempt               *devicebind.Attempt
	session               string
	signs                 uint32
}

func (f *floor) serve(s step) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l := f.login(r.FormValue("device"), r.FormValue("person"))
		for range s.verify {
			sum := sha256.Sum256(f.message)
			if !ecdsa.VerifyASN1(&f.key.PublicKey, sum[:], f.signature) {
				http.Error(w, "signature", http.StatusInternalServerError)
				return
			}
		}
		if s.keep != nil {
			if err := s.keep(r.Context(), l); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"done":true}`)
	})
}

func (f *floor) login(device, person string) *login {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.logins[device]
	if l == nil {
		l = &login{device: device, person: person}
		f.logins[device] = l
	}
	return l
}

func random() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	return b
}

// keepRequest keeps the authorization request.
func (f *floor) keepRequest(ctx context.Context, l *login) error {
	l.flow, l.browser = random(), random()
	now := time.Now()
	return f.store.CreateFlow(ctx, &idp.Flow{Handle: l.flow, Browser: l.browser, Request: strings.Repeat("x", 310), RedirectTo: "http://127.0.0.1:9999",
		Ask: idp.Ask{ClientID: "load", FirstParty: true, Scopes: []string{"openid"}, At: now}, CreatedAt: now, EndsAt: now.Add(time.Hour)})
}

// event is what is on record of each step.
func (l *login) event(kind string, now time.Time) idp.Event {
	return idp.Event{At: now, Kind: kind, Result: "ok", PersonID: l.person, ClientID: "load", SessionID: l.session, Address: "127.0.0.1",
		RequestID: "XELJWRSM3ORV7", Detail: "device " + l.device + " attempt " + base64.RawURLEncoding.EncodeToString(l.attempt.ID)}
}

// scan notes it on the device, and keeps the attempt.
func (f *floor) scan(ctx context.Context, l *login) error {
	now := time.Now()
	l.session = ""
	l.attempt = &devicebind.Attempt{ID: random()[:16], Browser: l.browser, Flow: l.flow, ClientID: "load", DeviceID: l.device, PersonID: l.person,
		Nonce: random(), PC: devicebind.PC{Browser: "Chrome", System: "Windows", Network: "city"}, ScannedAt: now, ChangedAt: now, EndsAt: now.Add(devicebind.AttemptLife)}
	limits := devicebind.ScanLimits{Open: 3, Scans: 5, Window: 10 * time.Minute}
	return f.store.ScanAttempt(ctx, l.attempt, now.UnixMilli(), limits, l.event("phone.scan", now))
}

// approve notes it on the device, and decides the attempt.
func (f *floor) approve(ctx context.Context, l *login) error {
	if l.attempt == nil {
		return errors.New("approve: nothing was scanned")
	}
	now := time.Now()
	l.signs = max(l.signs+1, uint32(now.Unix()))
	return f.store.DecideAttempt(ctx, l.attempt.ID, l.device, devicebind.AttemptApproved, l.signs, now, l.event("phone.approve", now))
}

// enter uses the approval up, opens the session, and notes the browser.
func (f *floor) enter(ctx context.Context, l *login) error {
	now := time.Now()
	l.session, l.opened = base64.RawURLEncoding.EncodeToString(random())[:22], random()
	s := &idp.Session{ID: l.session, PersonID: l.person, CreatedAt: now, SeenAt: now, EndsAt: now.Add(12 * time.Hour), Address: "127.0.0.1",
		UserAgent: "Go-http-client/1.1", Evidence: []idp.Evidence{{Method: idp.MethodPhone, At: now, Device: l.device, Near: true,
			Act: base64.RawURLEncoding.EncodeToString(l.attempt.ID)}}}
	a := session.Approval{Flow: l.flow, Browser: l.browser, PersonID: l.person, Known: random()}
	return f.store.CreateByPhone(ctx, s, l.opened, nil, a, l.event("login.phone", now))
}

// keepCode uses the request up, and keeps the code.
func (f *floor) keepCode(ctx context.Context, l *login) error {
	now := time.Now()
	return f.store.CreateGrant(ctx, &oidc.Grant{ID: append(binary.BigEndian.AppendUint64(nil, uint64(now.UnixMicro())), random()[:8]...), Kind: oidc.GrantCode, ClientID: "load", PersonID: l.person, SessionID: l.session,
		Scopes: "openid", Request: []byte(strings.Repeat("x", 240)), CodeHash: random(), CodeEndsAt: now.Add(time.Minute), EndsAt: now.Add(time.Hour),
		CreatedAt: now, Uses: &idp.Flow{Handle: l.flow, Browser: l.browser}})
}
