package demo

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// DefaultListen is where the provider of the demo listens.
const DefaultListen = "localhost:8080"

// Plan is a demo: its folder, its addresses, its people, clients and keys.
// cmd/idp reads it and does as it says.
type Plan struct {
	Dir           string
	Listen        string // of the provider
	Issuer        string
	AgentListen   string
	AgentURL      string
	MetricsListen string
	Staff         []Member
	Clients       []Client
	Systems       []*System // the relying systems, one for each client with a site
	SigningKeys   []SigningKey
}

// state is what a second start must find again.
type state struct {
	Host    string            `json:"host"`
	Ports   map[string]int    `json:"ports"`
	Secrets map[string]string `json:"secrets"`
}

// NewPlan plans a demo in the folder, with the provider at listen
// (host:port; port 0 for any). What a former plan chose is kept: secrets, and
// ports as long as they are free.
func NewPlan(dir, listen string) (*Plan, error) {
	host, port, err := parseListen(listen)
	if err != nil {
		return nil, fmt.Errorf("%w: --listen %s: %w", ErrListen, listen, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("demo folder: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("demo folder: %w", err)
	}
	s, err := readState(dir)
	if err != nil {
		return nil, err
	}
	if err := s.choosePorts(host, port); err != nil {
		return nil, err
	}
	p := &Plan{
		Dir:           dir,
		Listen:        s.address("issuer"),
		Issuer:        "http://" + s.address("issuer"),
		AgentListen:   s.address("agent"),
		AgentURL:      "http://" + s.address("agent"),
		MetricsListen: s.address("metrics"),
	}
	if p.Staff, err = Staff(); err != nil {
		return nil, err
	}
	if p.SigningKeys, err = SigningKeys(); err != nil {
		return nil, err
	}
	p.addClients(s)
	return p, s.write(dir)
}

const stateFile = "demo-state.json"

func readState(dir string) (*state, error) {
	s := &state{}
	raw, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err == nil {
		err = json.Unmarshal(raw, s)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("demo folder: %w", err)
	}
	if s.Ports == nil {
		s.Ports = map[string]int{}
	}
	if s.Secrets == nil {
		s.Secrets = map[string]string{}
	}
	return s, nil
}

func (s *state) write(dir string) error { return writeJSON(filepath.Join(dir, stateFile), s) }

// writeJSON replaces the file in one step; it is the owner's alone.
func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(raw, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (s *state) address(name string) string {
	return net.JoinHostPort(s.Host, strconv.Itoa(s.Ports[name]))
}

// secret returns the named secret, drawing 256 bits the first time.
func (s *state) secret(name string) string {
	if s.Secrets[name] == "" {
		raw := make([]byte, 32)
		_, _ = rand.Read(raw) // never fails (crypto/rand)
		s.Secrets[name] = base64.RawURLEncoding.EncodeToString(raw)
	}
	return s.Secrets[name]
}

// ErrListen says that the demo can't listen at such an address.
var ErrListen = errors.New("not an address for the demo")

func parseListen(listen string) (host string, port int, err error) {
	host, portText, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, errors.New("want HOST:PORT")
	}
	if host == "" {
		host = "localhost"
	}
	if host != "localhost" && !net.ParseIP(host).IsLoopback() {
		return "", 0, errors.New("the demo's passwords and keys are public, so it listens on loopback only")
	}
	port, err = strconv.Atoi(portText)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, errors.New("the port is no number from 0 to 65535")
	}
	return host, port, nil
}

// choosePorts settles where everything listens: the provider at the port, the
// agent and the systems at the free ports that follow it.
func (s *state) choosePorts(host string, port int) (err error) {
	s.Host = host
	if port == 0 && free(host, s.Ports["issuer"]) {
		port = s.Ports["issuer"]
	}
	if port, err = claim(host, port); err != nil {
		return fmt.Errorf("port of the provider: %w (choose another with --listen)", err)
	}
	s.Ports["issuer"] = port
	taken := map[int]bool{port: true}
	for _, name := range []string{"documents", "attendance", "mail", "training", "agent", "metrics"} {
		chosen := s.Ports[name]
		for next := port + 1; chosen == 0 || taken[chosen] || !free(host, chosen); next++ {
			if next > 65535 {
				return errors.New("no free port is left above that of the provider")
			}
			chosen = next
		}
		s.Ports[name] = chosen
		taken[chosen] = true
	}
	return nil
}

// claim finds out whether the port can be listened on, and which one it is.
func claim(host string, port int) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func free(host string, port int) bool {
	if port == 0 {
		return false
	}
	_, err := claim(host, port)
	return err == nil
}
