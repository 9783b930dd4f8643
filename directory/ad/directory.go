package ad

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"taipeion.internal/idp/directory"
)

// What can go wrong besides the sentinels of the root and of directory.
var (
	// ErrAmbiguous says that more than one entry has the name.
	ErrAmbiguous = errors.New("more than one entry")
	// ErrReferral says that the server sent us elsewhere, where we don't go.
	ErrReferral = errors.New("a referral, which is not followed")
	// ErrRefused says that the directory does not allow it; of a new password:
	// its own rules refuse it.
	ErrRefused = errors.New("refused by the directory")
)

// Options are what a Directory needs. Zero times and numbers get the defaults.
type Options struct {
	Name    string   // of this directory, for logs and as the first part of identities
	Servers []string // in order of preference: ldaps://host:636, or ldap://host:389 for StartTLS
	CA      *x509.CertPool
	BindDN  string // the service account
	Secret  string // and its password
	// SecretNow reads the password for each new connection, so that it can be
	// changed while we run; nil: it is Secret for ever.
	SecretNow func() (string, error)

	Base string // where people are looked for
	// Where groups are looked for; empty: the whole domain that Base is in.
	GroupBase string
	Filter    string // further condition on those who may log in
	Plain     bool   // a plain LDAP directory (RFC 4511), not Active Directory
	// Plain only: the attributes with the name and the identity; uid, entryUUID.
	NameAttribute, IDAttribute string
	ServiceBase                string // accounts below are services', and never log in
	// Places are the containers of agencies, by code; of others entries stay where they are.
	Places       map[string]string
	Suffix       string   // of user principal names: tpead.gov.taipei
	LockDuration duration // where the directory does not tell its own; 15 min
	// Failures is how many it may have counted for a password to be looked at:
	// whatever its own rule is, ours is never passed by us; 5.
	Failures int

	Connect duration // TCP and TLS; 1 s
	Answer  duration // one answer; 2 s
	Login   duration // looking at a password, all in all; 4 s
	Pool    int      // service connections; 8
	Binds   int      // passwords looked at at once; 64

	Identities directory.Identities // whose entries they are; nil: nobody is remembered
	Now        func() time.Time
	Logger     *slog.Logger
}

type duration = time.Duration

// Directory is one Active Directory domain or LDAP directory, with all its
// servers. It is safe for concurrent use.
type Directory struct {
	o        Options
	page     uint32 // entries of a page
	servers  []*server
	tls      *tls.Config
	slots    chan struct{} // service connections
	binds    chan struct{} // users' connections
	mu       sync.Mutex
	idle     []*conn
	closed   bool
	rules    lockRules // the domain's own, once they were read
	lockRead time.Time

	refusedUntil time.Time // the service account was: nothing is tried
	refused      string    // with that password
}

var (
	_ directory.Backend = (*Directory)(nil)
	_ directory.Locker  = (*Directory)(nil)
	_ directory.Watched = (*Directory)(nil)
)

// New checks the options; it connects to nobody yet.
func New(o Options) (*Directory, error) {
	o.defaults()
	if o.CA == nil {
		return nil, errors.New("no authority is pinned")
	}
	if o.BindDN == "" || o.Secret == "" {
		return nil, errors.New("the service account needs a name and a password")
	}
	if _, err := ldap.ParseDN(o.Base); err != nil || o.Base == "" {
		return nil, fmt.Errorf("base %q: not a distinguished name", o.Base)
	}
	if o.Filter != "" {
		if _, err := ldap.CompileFilter(o.Filter); err != nil {
			return nil, fmt.Errorf("filter: %w", err)
		}
	}
	for code, place := range o.Places {
		if !below(place, o.Base) {
			return nil, fmt.Errorf("place of %s: %q is not below the base", code, place)
		}
	}
	d := &Directory{
		o: o, page: pageSize, slots: make(chan struct{}, o.Pool), binds: make(chan struct{}, o.Binds),
		tls: &tls.Config{RootCAs: o.CA, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(16)},
	}
	for _, address := range o.Servers {
		s, err := parseServer(address)
		if err != nil {
			return nil, err
		}
		d.servers = append(d.servers, s)
	}
	if len(d.servers) == 0 {
		return nil, errors.New("no server is named")
	}
	return d, nil
}

func (o *Options) defaults() {
	for _, p := range []struct {
		v *time.Duration
		d time.Duration
	}{
		{&o.Connect, time.Second}, {&o.Answer, 2 * time.Second}, {&o.Login, 4 * time.Second}, {&o.LockDuration, 15 * time.Minute},
	} {
		if *p.v <= 0 {
			*p.v = p.d
		}
	}
	if o.Failures <= 0 {
		o.Failures = 5
	}
	if o.Pool <= 0 {
		o.Pool = 8
	}
	if o.Binds <= 0 {
		o.Binds = 64
	}
	if !o.Plain {
		o.NameAttribute, o.IDAttribute = "sAMAccountName", "objectGUID"
	}
	if o.NameAttribute == "" {
		o.NameAttribute = "uid"
	}
	if o.IDAttribute == "" {
		o.IDAttribute = "entryUUID"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// server is one of the controllers.
type server struct {
	address  string // host:port
	host     string
	startTLS bool

	mu       sync.Mutex
	badUntil time.Time // asked last until then
}

func parseServer(address string) (*server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Path != "" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("server %q: must be ldaps://HOST or ldap://HOST, with a port or without", address)
	}
	s := &server{address: u.Host, host: u.Hostname()}
	port := "636"
	switch u.Scheme {
	case "ldaps":
	case "ldap":
		s.startTLS, port = true, "389"
	default:
		return nil, fmt.Errorf("server %q: must be ldaps:// or, for StartTLS, ldap://", address)
	}
	if u.Port() == "" {
		s.address = strings.TrimSuffix(s.address, ":") + ":" + port
	}
	return s, nil
}

// penalty is how long a server that failed is asked only after the others.
const penalty = 5 * time.Second

// failed puts it behind the others for a while, unless it was us who hung up.
func (s *server) failed(ctx context.Context) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	s.mu.Lock()
	s.badUntil = time.Now().Add(penalty)
	s.mu.Unlock()
}

func (s *server) answered() {
	s.mu.Lock()
	s.badUntil = time.Time{}
	s.mu.Unlock()
}

func (s *server) good(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !now.Before(s.badUntil)
}

// order lists the servers: the good ones first, each group as configured.
func (d *Directory) order() []*server {
	now := time.Now() // real time: how long a server has been away
	var good, bad []*server
	for _, s := range d.servers {
		if s.good(now) {
			good = append(good, s)
		} else {
			bad = append(bad, s)
		}
	}
	return append(good, bad...)
}

// Close ends the idle connections; those in use end when they are given back.
func (d *Directory) Close() {
	d.mu.Lock()
	idle := d.idle
	d.idle, d.closed = nil, true
	d.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
}

// String names the directory, for logs.
func (d *Directory) String() string { return d.o.Name }
