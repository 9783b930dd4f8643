package agent

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
	"taipeion.internal/idp/cardreader/pkcs11"
	"taipeion.internal/idp/internal/testenv"
)

// TestMain is also the module process and, for the look into memory, an agent
// of its own.
func TestMain(m *testing.M) {
	for _, arg := range os.Args[1:] {
		switch arg {
		case ModuleArg:
			if err := RunModule(os.Stdin, os.Stdout); err != nil {
				os.Exit(1)
			}
			os.Exit(0)
		case "agent-in-a-process":
			runAlone()
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

const siteOrigin = "https://id.test"

var siteKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))

func publicKey(k ed25519.PrivateKey) string {
	return base64.RawURLEncoding.EncodeToString(k.Public().(ed25519.PublicKey))
}

// rig is an agent that runs, and what a browser would say to it.
type rig struct {
	t    *testing.T
	base string // http://localhost:port
	log  *lockedBuffer
	env  []string
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func config(modules ...string) Config {
	return Config{Listen: "localhost:0", Modules: modules, Servers: []Server{
		{Origin: siteOrigin, ChallengeKey: publicKey(siteKey), Name: "測試市政府"},
		{Origin: "https://other.test", ChallengeKey: publicKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, 32))), Name: "Other"},
	}}
}

// newRig starts an agent whose module processes get env.
func newRig(t *testing.T, c Config, env ...string) *rig {
	t.Helper()
	return newPatientRig(t, c, limits{}, env...)
}

func newPatientRig(t *testing.T, c Config, l limits, env ...string) *rig {
	t.Helper()
	log := &lockedBuffer{}
	a := &Agent{
		Config:        c,
		limits:        l,
		Log:           slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		ModuleCommand: moduleCommand(t, env...),
	}
	listeners, err := a.Listen()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listeners[0].Addr().String())
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, listeners) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("agent ended with %v", err)
			}
		case <-time.After(15 * time.Second):
			t.Error("agent does not stop")
		}
	})
	return &rig{t: t, base: "http://localhost:" + port, log: log, env: env}
}

// moduleCommand runs this test program as a module process.
func moduleCommand(t *testing.T, env ...string) func() *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return func() *exec.Cmd {
		cmd := exec.Command(self, ModuleArg)
		cmd.Env = append(os.Environ(), env...)
		return cmd
	}
}

// softRig is an agent with software cards.
func softRig(t *testing.T, names ...string) *rig {
	t.Helper()
	hsm := testenv.SoftHSM(t)
	cards := make([]pkcs11.SoftCard, 0, len(names))
	for i, name := range names {
		cards = append(cards, softCard(t, i, name))
	}
	if err := hsm.Provision(cards); err != nil {
		t.Fatal(err)
	}
	return newRig(t, config(hsm.Path()), hsm.Env())
}

const pin = "739184"

func softCard(t *testing.T, i int, name string) pkcs11.SoftCard {
	t.Helper()
	key := cardtest.Key(i)
	cert, err := cardtest.G3().Issue(cardtest.Leaf{Name: name, SubjectSerial: "0000000000000001", IDTail: "6789", Key: &key.PublicKey})
	if err != nil {
		t.Fatal(err)
	}
	return pkcs11.SoftCard{Label: name, SOPIN: "12345678", PIN: pin, Key: key, Certificate: cert.Raw}
}

func goodChallenge() cardreader.Challenge {
	now := time.Now().Truncate(time.Second)
	return cardreader.Challenge{
		Origin: siteOrigin, Purpose: cardreader.PurposeLogin, Client: "documents", ClientName: "公文系統",
		Flow: cardreader.FlowHash("cookie"), Nonce: cardreader.NewNonce(), IssuedAt: now, ExpiresAt: now.Add(2 * time.Minute),
	}
}

var secretPattern = regexp.MustCompile(`"secret":"([A-Za-z0-9_-]{43})"`)

// open loads the window and returns its secret.
func (r *rig) open() string {
	r.t.Helper()
	res, body := r.do("GET", "/window", nil, nil)
	found := secretPattern.FindStringSubmatch(body)
	if res.StatusCode != 200 || found == nil {
		r.t.Fatalf("window: %d %s", res.StatusCode, body)
	}
	return found[1]
}

func (r *rig) do(method, path string, body []byte, head map[string]string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.base+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for k, v := range head {
		if k == "Host" {
			req.Host = v
		} else {
			req.Header.Set(k, v)
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	for name := range res.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			r.t.Errorf("%s %s answers with %s", method, path, name)
		}
	}
	return res, string(text)
}

// post is what the window's script does.
func (r *rig) post(path string, body map[string]any, into any) int {
	r.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	res, answer := r.do("POST", path, text, map[string]string{"Content-Type": "application/json", "Origin": r.base, "Sec-Fetch-Site": "same-origin"})
	if into != nil {
		if err := json.Unmarshal([]byte(answer), into); err != nil {
			r.t.Fatalf("%s: %d %q: %v", path, res.StatusCode, answer, err)
		}
	}
	return res.StatusCode
}

type reply struct {
	Code  string `json:"code"`
	Tries *int   `json:"tries"`
	CMS   []byte `json:"cms"`
	State State  `json:"state"`
	prepared
}

// prepare opens a window and gives it a good challenge.
func (r *rig) prepare() (window, jws string, p reply) {
	r.t.Helper()
	window, jws = r.open(), goodChallenge().Sign(siteKey)
	if status := r.post("/api/prepare", map[string]any{"window": window, "challenge": jws, "origin": siteOrigin}, &p); status != 200 {
		r.t.Fatalf("prepare: %d %s", status, p.Code)
	}
	return window, jws, p
}

func (r *rig) sign(window, card, pin string, extra ...any) (reply, int) {
	r.t.Helper()
	body := map[string]any{"window": window, "card": card, "pin": []byte(pin)}
	if len(extra) > 0 {
		body["last_try"] = extra[0]
	}
	var a reply
	status := r.post("/api/sign", body, &a)
	return a, status
}
