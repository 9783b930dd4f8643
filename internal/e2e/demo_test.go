package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// world is a running demo, as its demo.json describes it.
type world struct {
	Issuer  string   `json:"issuer"`
	Agent   string   `json:"agent"`
	Staff   []member `json:"staff"`
	Clients []struct {
		ID           string   `json:"client_id"`
		Secret       string   `json:"client_secret"`
		RedirectURIs []string `json:"redirect_uris"`
	} `json:"clients"`
	Systems []struct {
		ID  string `json:"client_id"`
		URL string `json:"url"`
	} `json:"systems"`

	dir   string
	ready time.Duration // from the start of the program to its first page

	mu   sync.Mutex
	used map[string]bool // accounts that a story has to itself
}

type member struct {
	Name     string `json:"name"`
	Account  string `json:"account"`
	Password string `json:"password"`
	PIN      string `json:"card_pin"`
	Agency   string `json:"agency"`
	Card     string `json:"card"` // bound, unbound, foreign or none
}

// The program, and the demo that most stories share.
var (
	binary string
	shared struct {
		once sync.Once
		*world
		err  error
		stop func()
	}
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "idp-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "idp")
	build := exec.Command("go", "build", "-o", binary, "taipeion.internal/idp/cmd/idp")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		return 1
	}
	code := m.Run()
	if shared.stop != nil {
		shared.stop()
	}
	if browser.stop != nil {
		browser.stop()
	}
	return code
}

// theCity is the demo that stories share; each takes staff of its own.
func theCity(t *testing.T) *world {
	t.Helper()
	shared.once.Do(func() {
		dir, err := os.MkdirTemp("", "idp-demo-")
		if err != nil {
			shared.err = err
			return
		}
		var stop func()
		shared.world, stop, shared.err = startDemo(dir)
		shared.stop = func() {
			if stop != nil {
				stop()
			}
			_ = os.RemoveAll(dir)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.world
}

// startDemo runs "idp demo" on free ports until stop is called.
func startDemo(dir string) (w *world, stop func(), err error) {
	command := exec.Command(binary, "demo", "--listen", "localhost:0", "--data", dir)
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	command.Stderr = os.Stderr
	begin := time.Now()
	if err := command.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		_ = command.Process.Signal(os.Interrupt)
		killed := time.AfterFunc(10*time.Second, func() { _ = command.Process.Kill() })
		_ = command.Wait()
		killed.Stop()
	}
	lines := bufio.NewScanner(output)
	for lines.Scan() && !strings.Contains(lines.Text(), "demo is ready") {
	}
	go func() { _, _ = io.Copy(io.Discard, output) }()
	w = &world{dir: dir, used: map[string]bool{}}
	raw, err := os.ReadFile(filepath.Join(dir, "demo.json"))
	if err == nil {
		err = json.Unmarshal(raw, w)
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	for {
		resp, err := http.Get(w.Issuer + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Since(begin) > 20*time.Second {
			stop()
			return nil, nil, fmt.Errorf("the demo does not become ready: %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.ready = time.Since(begin)
	return w, stop, nil
}

// somebody takes a member whose card is in that state, for this story alone.
func (w *world) somebody(t *testing.T, card string) member {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.Staff {
		// Old names, which are shown in small letters afterwards, are not meant.
		if m.Card == card && !w.used[m.Account] && !strings.Contains(m.Account, "-") {
			w.used[m.Account] = true
			return m
		}
	}
	t.Fatalf("no staff are left with the card state %q", card)
	return member{}
}

// system is the address of a relying system, without a slash at the end.
func (w *world) system(id string) string {
	for _, s := range w.Systems {
		if s.ID == id {
			return strings.TrimSuffix(s.URL, "/")
		}
	}
	panic("no system " + id)
}

func (w *world) secret(id string) string {
	for _, c := range w.Clients {
		if c.ID == id {
			return c.Secret
		}
	}
	panic("no client " + id)
}

// idp runs an operator's command on the demo's configuration.
func (w *world) idp(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.Command(binary, append(args, "--config", filepath.Join(w.dir, "idp.yaml"))...)
	out, err := command.Output()
	if err != nil {
		var text []byte
		if exit, ok := err.(*exec.ExitError); ok {
			text = exit.Stderr
		}
		t.Fatalf("idp %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return string(out)
}

// busy tells whether the machine has more to do than it can: then times prove
// nothing.
func busy() bool {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return false
	}
	var load float64
	_, err = fmt.Sscan(string(raw), &load)
	return err == nil && load > 1.5*float64(runtime.NumCPU())
}

func TestDemo_IsReadyInTwoSecondsAndGoesOn(t *testing.T) {
	dir := t.TempDir()
	first, stop, err := startDemo(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Staff) != 60 || len(first.Systems) < 3 {
		t.Errorf("%d staff, %d systems", len(first.Staff), len(first.Systems))
	}
	agencies := map[string]bool{}
	for _, m := range first.Staff {
		agencies[m.Agency] = true
	}
	if len(agencies) != 3 {
		t.Errorf("agencies %v", agencies)
	}
	if t.Logf("ready after %v", first.ready); first.ready > 2*time.Second && !busy() {
		t.Error("that is too long")
	}
	info, err := os.Stat(filepath.Join(dir, "demo.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("demo.json: %v, %v", info.Mode(), err)
	}
	m := first.somebody(t, "")
	b := newScript(t, first)
	b.loginByPassword(first.system("documents")+"/", m)
	stop()

	second, stop, err := startDemo(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if second.Issuer != first.Issuer || second.secret("load") != first.secret("load") || second.system("mail") != first.system("mail") {
		t.Error("the second start is another demo")
	}
	// The session lives on, so the restarted system needs no login page.
	if page := b.get(first.system("documents") + "/"); !strings.Contains(page.body, m.Name) {
		t.Errorf("after the restart: %s", page)
	}
	t.Logf("the second time after %v", second.ready)
}

func TestDemo_ListsTheClientsForMeasuring(t *testing.T) {
	w := theCity(t)
	ids := make([]string, len(w.Clients))
	for i, c := range w.Clients {
		ids[i] = c.ID
		if c.Secret == "" {
			t.Errorf("%s has no secret", c.ID)
		}
		if c.ID == "load" && !slices.Equal(c.RedirectURIs, []string{"http://127.0.0.1:9999/callback"}) {
			t.Errorf("load: %v", c.RedirectURIs)
		}
	}
	for _, want := range []string{"documents", "attendance", "mail", "load", "load-service"} {
		if !slices.Contains(ids, want) {
			t.Errorf("no client %s", want)
		}
	}
}
