package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// check gathers everything that is wrong, so that it can be put right at once.
type check struct{ faults faults }

// fault is one thing that is wrong with one key.
type fault struct{ key, text string }

func (f fault) Error() string { return f.key + ": " + f.text }

// faults is all that is wrong.
type faults []fault

func (list faults) Error() string {
	var lines []string
	for _, f := range list {
		lines = append(lines, f.Error())
	}
	return strings.Join(lines, "\n")
}

func (c *check) that(ok bool, key, format string, args ...any) {
	if !ok {
		c.faults = append(c.faults, fault{key, fmt.Sprintf(format, args...)})
	}
}

// Check tells everything that is wrong, naming the keys.
func (c *Config) Check() error {
	k := &check{}
	c.checkAddresses(k)
	c.checkTimes(k)
	c.checkLimits(k)
	c.checkCards(k)
	c.checkFactors(k)
	c.checkDirectory(k)
	c.checkSync(k)
	if len(k.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrInvalid, k.faults)
}

func (c *Config) checkAddresses(k *check) {
	k.that(c.Issuer != "", "issuer", "is required: the address of this provider as browsers see it")
	if c.Issuer == "" {
		return
	}
	u, err := url.Parse(c.Issuer)
	plain := err == nil && u.Host != "" && c.Issuer == u.Scheme+"://"+u.Host && strings.ToLower(c.Issuer) == c.Issuer
	k.that(plain, "issuer", "%q must be scheme and host in lower case, such as https://id.example.gov.tw", c.Issuer)
	if !plain {
		return
	}
	https := u.Scheme == "https"
	k.that(https || u.Scheme == "http" && Loopback(u.Hostname()), "issuer", "must be https; http is for loopback only")
	k.that((c.TLS.Certificate == "") == (c.TLS.Key == ""), "tls", "needs both certificate and key")
	k.that(https || c.TLS.Certificate == "", "tls", "has no use with an http issuer")
	if host, _, err := net.SplitHostPort(c.Address()); err != nil {
		k.that(false, "listen", "%q must be HOST:PORT or :PORT", c.Listen)
	} else if c.TLS.Certificate == "" && !Loopback(host) {
		k.that(https && len(c.Networks.Proxies) > 0, "tls",
			"is needed: without it, listen on loopback, or name the proxies in front of us in networks.proxies")
	}
	if c.Metrics.Listen != "" {
		_, _, err := net.SplitHostPort(c.Metrics.Listen)
		k.that(err == nil && c.Metrics.Listen != c.Address(), "metrics.listen", "%q must be HOST:PORT, of its own", c.Metrics.Listen)
	}
	for key, list := range map[string][]string{
		"networks.proxies": c.Networks.Proxies, "networks.city": c.Networks.City, "networks.gateways": c.Networks.Gateways,
	} {
		_, err := Prefixes(list)
		k.that(err == nil, key, "%v", err)
	}
}

func (c *Config) checkTimes(k *check) {
	for _, d := range []struct {
		key      string
		v        Duration
		low, top time.Duration
	}{
		{"drain_delay", c.DrainDelay, 0, time.Minute},
		{"store.keep_record", c.Store.KeepRecord, 183 * 24 * time.Hour, 20 * 366 * 24 * time.Hour},
		{"session.idle", c.Session.Idle, time.Minute, 24 * time.Hour},
		{"session.absolute", c.Session.Absolute, time.Minute, 30 * 24 * time.Hour},
		{"tokens.code", c.Tokens.Code, time.Second, time.Minute},
		{"tokens.access", c.Tokens.Access, 10 * time.Second, 24 * time.Hour},
		{"tokens.id", c.Tokens.ID, 10 * time.Second, 24 * time.Hour},
		{"tokens.refresh", c.Tokens.Refresh, time.Minute, 366 * 24 * time.Hour},
		{"tokens.refresh_idle", c.Tokens.RefreshIdle, time.Minute, 366 * 24 * time.Hour},
		{"tokens.refresh_grace", c.Tokens.RefreshGrace, 0, 10 * time.Minute},
		{"tokens.login", c.Tokens.Login, time.Minute, time.Hour},
		{"tokens.cache", c.Tokens.Cache, 0, 500 * time.Millisecond},
		{"lockout.window", c.Lockout.Window, time.Minute, 24 * time.Hour},
		{"lockout.duration", c.Lockout.Duration, time.Minute, 24 * time.Hour},
		{"lockout.source_window", c.Lockout.SourceWindow, time.Minute, 24 * time.Hour},
		{"passwords.start_life", c.Passwords.StartLife, time.Hour, 7 * 24 * time.Hour},
		{"cards.crl_refresh", c.Cards.CRLRefresh, time.Second, 24 * time.Hour},
	} {
		k.that(d.v.D() >= d.low && d.v.D() <= d.top, d.key, "must be from %v to %v", d.low, d.top)
	}
	k.that(c.Session.Idle <= c.Session.Absolute, "session.idle", "must not be longer than session.absolute")
}

func (c *Config) checkLimits(k *check) {
	var level slog.Level
	k.that(level.UnmarshalText([]byte(c.Log.Level)) == nil, "log.level", "%q must be debug, info, warn or error", c.Log.Level)
	k.that(c.Lockout.Failures >= 1 && c.Lockout.Failures <= 10, "lockout.failures", "must be from 1 to 10")
	k.that(c.Lockout.SourceNames >= 0, "lockout.source_names", "must not be negative")
	k.that(c.Lockout.GatewayNames >= 0, "lockout.gateway_names", "must not be negative")
	k.that(c.Lockout.Starts >= 0, "lockout.starts", "must not be negative")
	k.that(c.Lockout.GatewayStarts >= 0, "lockout.gateway_starts", "must not be negative")
	k.that(c.Passwords.Memory >= 7168 && c.Passwords.Memory <= 1<<20, "passwords.memory", "must be from 7168 to 1048576 KiB")
	k.that(c.Passwords.Passes >= 1 && c.Passwords.Passes <= 20, "passwords.passes", "must be from 1 to 20")
	k.that(c.Passwords.Concurrent >= 0 && c.Passwords.Concurrent <= 1024, "passwords.concurrent", "must be from 0 to 1024")
	k.that(c.Passwords.Waiting >= 1 && c.Passwords.Waiting <= 100_000, "passwords.waiting", "must be from 1 to 100000")
	k.that(c.Passwords.Profile == "baseline" || c.Passwords.Profile == "nist", "passwords.profile", "%q must be baseline or nist", c.Passwords.Profile)
	k.that(c.Passwords.MinLength == 0 || c.Passwords.MinLength >= 8 && c.Passwords.MinLength <= 64, "passwords.min_length", "must be from 8 to 64, or 0")
	k.that(len(c.Tokens.Algorithms) > 0, "tokens.algorithms", "must name at least one")
	for _, alg := range c.Tokens.Algorithms {
		known := []string{"RS256", "PS256", "ES256", "EdDSA"}
		k.that(slices.Contains(known, alg), "tokens.algorithms", "%q is not one of %s", alg, strings.Join(known, ", "))
	}
	k.that(slices.Contains(c.Tokens.Algorithms, "RS256"), "tokens.algorithms",
		"must hold RS256 (OpenID Connect Core 1.0 section 15.1)")
	k.that(c.MasterKeyFile != "", "master_key_file", "is required")
	k.that(c.Store.SQLite != "" || c.Store.PostgreSQLFile != "", "store", "needs sqlite or postgresql_file")
}

func (c *Config) checkCards(k *check) {
	if c.Cards.Agent != "" {
		u, err := url.Parse(c.Cards.Agent)
		k.that(err == nil && u.Scheme == "http" && Loopback(u.Hostname()) && c.Cards.Agent == "http://"+u.Host,
			"cards.agent", "%q must be http on loopback, such as http://localhost:16121", c.Cards.Agent)
	}
	for i, contact := range c.Pages.Contacts {
		k.that(contact.Name != "" && contact.NameEN != "", fmt.Sprintf("pages.contacts[%d]", i), "needs name and name_en")
	}
}

// Address is where to listen.
func (c *Config) Address() string {
	if c.Listen != "" {
		return c.Listen
	}
	if u, err := url.Parse(c.Issuer); err == nil && u.Scheme == "http" {
		if u.Port() == "" {
			return net.JoinHostPort(u.Hostname(), "80")
		}
		return u.Host
	}
	return ":8443"
}

// Insecure tells whether cookies must do without TLS: http on loopback.
func (c *Config) Insecure() bool { return strings.HasPrefix(c.Issuer, "http://") }

// Loopback tells whether a host is this machine and nobody else.
func Loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// Prefixes reads a list of addresses and prefixes.
func Prefixes(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		if addr, err := netip.ParseAddr(s); err == nil {
			addr = addr.Unmap()
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a prefix", s)
		}
		if p.Masked() != p {
			return nil, fmt.Errorf("%q has bits beyond its length: write %s", s, p.Masked())
		}
		out = append(out, p)
	}
	return out, nil
}
