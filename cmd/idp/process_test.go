package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is a node of its own: "idp serve" as operators start it.
type process struct {
	*exec.Cmd
	base  string
	log   *safeBuffer
	ended chan struct{}
}

// safeBuffer is what a process says, to be read while it runs.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// put writes files into the folder.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// startProcess serves with the configuration (without issuer and listen), and
// returns when it is ready. It is killed with the test.
func startProcess(t *testing.T, dir, config string) *process {
	t.Helper()
	address := strings.Replace(freeAddress(t), "127.0.0.1", "localhost", 1)
	p := &process{base: "http://" + address, log: &safeBuffer{}, ended: make(chan struct{})}
	file := "node-" + strings.ReplaceAll(address, ":", "-") + ".yaml"
	put(t, dir, map[string]string{file: "issuer: " + p.base + "\nlisten: " + address + "\ndrain_delay: 0s\n" + config})
	p.Cmd = exec.Command("idp", "serve", "--config", filepath.Join(dir, file))
	p.Stdout, p.Stderr = p.log, p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(p.base + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return p
			}
		}
		select {
		case <-p.ended:
			t.Fatalf("the node ended:\n%s", p.log)
		default:
		}
	}
	t.Fatalf("the node does not serve:\n%s", p.log)
	return nil
}

// kill ends it as a power cut does.
func (p *process) kill() {
	_ = p.Process.Kill()
	<-p.ended
}

// operate runs a command of operators, which must end well.
func operate(t *testing.T, dir string, args ...string) string {
	t.Helper()
	command := exec.Command("idp", append(args, "--config", filepath.Join(dir, "idp.yaml"))...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("idp %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// visitor is somebody's browser at a node.
type visitor struct {
	*http.Client
	t    *testing.T
	base string
}

func newVisitor(t *testing.T, base string) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t: t, base: base, Client: &http.Client{
		Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// send posts a form, or gets where there is none.
func (v *visitor) send(path string, form url.Values) (*http.Response, string) {
	v.t.Helper()
	var resp *http.Response
	var err error
	if strings.HasPrefix(path, "/") {
		path = v.base + path
	}
	if form == nil {
		resp, err = v.Get(path)
	} else {
		resp, err = v.PostForm(path, form)
	}
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp, string(body)
}

// flow begins a login.
func (v *visitor) flow() string {
	v.t.Helper()
	resp, body := v.send("/", nil)
	at, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || at.Query().Get("flow") == "" {
		v.t.Fatalf("the first page leads to %q: %d %s", resp.Header.Get("Location"), resp.StatusCode, body)
	}
	return at.Query().Get("flow")
}

// login tries a name and a password at the form, and gives its answer.
func (v *visitor) login(name, password string) (*http.Response, string) {
	v.t.Helper()
	return v.send("/login/password", url.Values{"flow": {v.flow()}, "account": {name}, "password": {password}})
}

// let wants the login to be let in or not.
func (v *visitor) let(name, password string, in bool) string {
	v.t.Helper()
	resp, body := v.login(name, password)
	if got := resp.StatusCode == http.StatusSeeOther; got != in {
		v.t.Errorf("%s: %d, let in %v", name, resp.StatusCode, got)
	}
	return body
}

// fedPeople is a feed of so many portal accounts.
func fedPeople(n int) string {
	var b strings.Builder
	b.WriteString("account,name,national_id,agency,agency_name,unit,title,state\n")
	for i := range n {
		fmt.Fprintf(&b, "user%d,人員%d,%s,A%03d,機關%d,一科,科員,在職\n", i, i, nationalID(i), i%20, i%20)
	}
	return b.String()
}

// nationalID is a valid one.
func nationalID(n int) string {
	for check := range 10 {
		id := fmt.Sprintf("A1%07d%d", n, check)
		sum := 1
		for i := 1; i < 10; i++ {
			sum += int(id[i]-'0') * max(9-i, 1)
		}
		if sum%10 == 0 {
			return id
		}
	}
	panic("no check digit")
}
