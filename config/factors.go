package config

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Phones is what is asked of phones.
type Phones struct {
	// Whether phones can be bound and used to log in.
	Enabled bool `yaml:"enabled"`
	// How old the card login may be that opens the binding of a phone.
	BindFresh Duration `yaml:"bind_fresh"`
	// Whether the password with a one-time code opens it too, for agencies
	// without card readers.
	BindWithCode bool `yaml:"bind_with_code"`
	// The longest life of a phone's certificate; it never outlives the card's.
	Life Duration `yaml:"life"`
	// Outside networks.city a phone alone is enough only in a browser in which
	// the person proved level two within this time.
	KnownFor Duration `yaml:"known_for"`
	// How many pages of this node may wait for a phone at once.
	MaxWaiting int `yaml:"max_waiting"`
	// Of those, at most so many from one address.
	MaxWaitingAddress int `yaml:"max_waiting_address"`
	// The same for the addresses of networks.gateways. 0: three quarters of max_waiting.
	MaxWaitingGateway int `yaml:"max_waiting_gateway"`
	// Where the app for Android is. Empty: our own, at /phone.
	Android string `yaml:"android" example:"https://play.example/app"`
	// Where the app for iPhone and iPad is. Empty: our own, at /phone.
	IOS string `yaml:"ios" example:"https://apps.example/app"`
}

// Codes are one-time codes.
type Codes struct {
	// Whether one-time codes can be bound. Who has bound them is asked for one
	// with the password outside networks.city.
	Enabled bool `yaml:"enabled"`
	// The name that authenticator apps show.
	Issuer string `yaml:"issuer"`
}

// Passkeys are WebAuthn credentials.
type Passkeys struct {
	// Whether passkeys can be registered and used. They need an issuer with a
	// name: browsers refuse addresses.
	Enabled bool `yaml:"enabled"`
	// The name that authenticators show.
	Name string `yaml:"name"`
	// none: any authenticator. direct: only the models listed, attested by
	// their makers.
	Attestation string `yaml:"attestation"`
	// AAGUIDs of the models, for attestation: direct.
	Models []string `yaml:"models" example:"[08987058-cadc-4b81-b6e1-30de50dcbe96]"`
	// Files with the makers' certificates, PEM or DER, for attestation: direct.
	Roots []string `yaml:"roots" example:"[passkeys/maker.crt]"`
}

// Mail is the city's mail server, by which people are told what was changed.
type Mail struct {
	// HOST:PORT. Empty: nobody is told by mail.
	Server string `yaml:"server" example:"mail.example.gov.tw:587"`
	// starttls, tls, or none on loopback.
	Security string `yaml:"security"`
	// Account, if the server wants one.
	Username string `yaml:"username" example:"idp"`
	// File, mode 0600, with its password.
	PasswordFile string `yaml:"password_file" example:"mail.password"`
	// The address that mails come from.
	From string `yaml:"from" example:"no-reply@example.gov.tw"`
	// The name beside it.
	FromName string `yaml:"from_name"`
}

func defaultPhones() Phones {
	const day = 24 * time.Hour
	return Phones{
		Enabled: true, BindFresh: Duration(10 * time.Minute), Life: Duration(730 * day),
		KnownFor: Duration(180 * day), MaxWaiting: 20_000, MaxWaitingAddress: 200,
	}
}

func (c *Config) checkFactors(k *check) {
	for _, d := range []struct {
		key      string
		v        Duration
		low, top time.Duration
	}{
		{"phones.bind_fresh", c.Phones.BindFresh, time.Minute, time.Hour},
		{"phones.life", c.Phones.Life, 24 * time.Hour, 10 * 366 * 24 * time.Hour},
		{"phones.known_for", c.Phones.KnownFor, 0, 400 * 24 * time.Hour},
	} {
		k.that(d.v.D() >= d.low && d.v.D() <= d.top, d.key, "must be from %v to %v", d.low, d.top)
	}
	k.that(c.Phones.MaxWaitingAddress >= 1, "phones.max_waiting_address", "must be at least 1")
	k.that(c.Phones.MaxWaitingGateway >= 0, "phones.max_waiting_gateway", "must not be negative")
	k.that(c.Phones.MaxWaiting >= 1 && c.Phones.MaxWaiting <= 1_000_000, "phones.max_waiting", "must be from 1 to 1000000")
	for key, address := range map[string]string{"phones.android": c.Phones.Android, "phones.ios": c.Phones.IOS} {
		u, err := url.Parse(address)
		k.that(address == "" || err == nil && u.Scheme == "https" && u.Host != "", key, "%q must be an https address", address)
	}
	k.that(!c.Codes.Enabled || c.Codes.Issuer != "" && !strings.Contains(c.Codes.Issuer, ":"), "codes.issuer", "is required, without a colon")
	k.that(slices.Contains([]string{"none", "direct"}, c.Passkeys.Attestation), "passkeys.attestation", "must be none or direct")
	_, err := AAGUIDs(c.Passkeys.Models)
	k.that(err == nil, "passkeys.models", "%v", err)
	k.that(c.Passkeys.Attestation != "direct" || len(c.Passkeys.Models) > 0 && len(c.Passkeys.Roots) > 0,
		"passkeys", "attestation direct needs models and roots")
	c.checkMail(k)
}

func (c *Config) checkMail(k *check) {
	m := c.Mail
	k.that(slices.Contains([]string{"starttls", "tls", "none"}, m.Security), "mail.security", "must be starttls, tls or none")
	if m.Server == "" {
		return
	}
	host, _, err := net.SplitHostPort(m.Server)
	k.that(err == nil, "mail.server", "%q must be HOST:PORT", m.Server)
	k.that(m.Security != "none" || Loopback(host), "mail.security", "must not be none but for loopback")
	k.that(strings.Contains(m.From, "@"), "mail.from", "must be a mail address")
	k.that((m.Username == "") == (m.PasswordFile == ""), "mail", "needs both username and password_file")
}

// AAGUIDs reads the identifiers of models of authenticators.
func AAGUIDs(list []string) ([][]byte, error) {
	var out [][]byte
	for _, s := range list {
		id, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
		if err != nil || len(id) != 16 {
			return nil, fmt.Errorf("%q is not an AAGUID", s)
		}
		out = append(out, id)
	}
	return out, nil
}
