package agent

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"taipeion.internal/idp/cardreader/pkcs11"
)

// DefaultListen is where the login page looks for the agent.
const DefaultListen = "localhost:16121"

// Config is what an installation of the agent is told.
type Config struct {
	// Listen is a loopback address with a port: "localhost:16121" listens on
	// 127.0.0.1 and ::1. Empty means DefaultListen.
	Listen string `yaml:"listen" json:"listen"`
	// Modules are paths of PKCS#11 modules, or the names hicos, opensc,
	// softhsm2. Empty means all of these that are installed.
	Modules []string `yaml:"modules" json:"modules"`
	// Servers may ask for signatures; nobody else.
	Servers []Server `yaml:"servers" json:"servers"`
}

// Server is an identity provider that may ask for signatures.
type Server struct {
	// Origin is that of its pages: "https://id.example.gov.tw".
	Origin string `yaml:"origin" json:"origin"`
	// ChallengeKey is its public Ed25519 key for challenges, base64url.
	ChallengeKey string `yaml:"challenge_key" json:"challenge_key"`
	// Name is shown in the window beside the origin.
	Name string `yaml:"name" json:"name"`
}

// site is a checked Server.
type site struct {
	Server
	key ed25519.PublicKey
}

// Check tells what is wrong with the configuration.
func (c Config) Check() error {
	if _, _, err := c.addresses(); err != nil {
		return err
	}
	if err := c.checkModules(); err != nil {
		return err
	}
	_, err := c.sites()
	return err
}

// checkModules refuses relative paths: the system would look for such a file
// in folders that others may write to.
func (c Config) checkModules() error {
	for i, m := range c.Modules {
		known := slices.ContainsFunc(pkcs11.KnownModules(), func(k pkcs11.Known) bool { return k.Name == m })
		if !known && !filepath.IsAbs(m) {
			return fmt.Errorf("agent: modules[%d]: %q is neither an absolute path nor one of hicos, opensc, softhsm2", i, m)
		}
	}
	return nil
}

func (c Config) sites() (map[string]site, error) {
	if len(c.Servers) == 0 {
		return nil, errors.New("agent: servers: at least one is needed")
	}
	sites := map[string]site{}
	for i, s := range c.Servers {
		u, err := url.Parse(s.Origin)
		if err != nil || u.Scheme+"://"+u.Host != s.Origin || u.Host == "" || strings.ToLower(s.Origin) != s.Origin {
			return nil, fmt.Errorf("agent: servers[%d].origin: %q is not an origin; write scheme://host[:port]", i, s.Origin)
		}
		if u.Scheme != "https" && (u.Scheme != "http" || !loopbackName(u.Hostname())) {
			return nil, fmt.Errorf("agent: servers[%d].origin: %q must be https (http only on loopback)", i, s.Origin)
		}
		key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s.ChallengeKey, "="))
		if err != nil || len(key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("agent: servers[%d].challenge_key: must be the base64url of 32 bytes", i)
		}
		if _, twice := sites[s.Origin]; twice {
			return nil, fmt.Errorf("agent: servers[%d].origin: %q is listed twice", i, s.Origin)
		}
		sites[s.Origin] = site{Server: s, key: key}
	}
	return sites, nil
}

// addresses resolves Listen; it never asks a name server.
func (c Config) addresses() (hosts []string, port string, err error) {
	listen := c.Listen
	if listen == "" {
		listen = DefaultListen
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, "", fmt.Errorf("agent: listen: %w", err)
	}
	switch {
	case host == "localhost":
		return []string{"127.0.0.1", "::1"}, port, nil
	case loopbackName(host):
		return []string{host}, port, nil
	}
	return nil, "", fmt.Errorf("agent: listen: %q is not loopback; other computers must never reach the card", listen)
}

func loopbackName(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
