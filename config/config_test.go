package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "idp.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExampleIsAConfiguration(t *testing.T) {
	c, err := Load(write(t, string(Example())))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	c.Issuer, c.dir, c.TLS = "", "", TLS{}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("the example differs from the defaults it shows:\n%+v\n%+v", c, want)
	}
}

func TestExampleHoldsEveryKey(t *testing.T) {
	// A commented key is "#key:"; a comment is "# text".
	text := regexp.MustCompile(`(?m)^( *)#([^ #])`).ReplaceAllString(string(Example()), "$1$2")
	text = regexp.MustCompile(`(?m)^( *)#( {2,})(-|\w+:)`).ReplaceAllString(text, "$1$2$3")
	c, err := Load(write(t, text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(c.Cards.Profiles) != 1 || c.Cards.Profiles[0].IDTailOID == "" || len(c.Networks.City) != 2 || len(c.Directory.Backends) != 1 || len(c.Sync.Sources) != 1 || c.Store.PostgreSQLFile == "" {
		t.Errorf("not everything was read: %+v", c)
	}
}

func TestAgentExampleIsAConfiguration(t *testing.T) {
	c, err := LoadAgent(write(t, string(AgentExample())))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Servers) != 1 || c.Servers[0].Origin != "https://id.example.gov.tw" {
		t.Errorf("%+v", c)
	}
	if _, err := LoadAgent(write(t, "listen: localhost:1\nmodule: x\n")); err == nil || !strings.Contains(err.Error(), ":2:") {
		t.Errorf("unknown key: %v", err)
	}
	if _, err := LoadAgent(write(t, "listen: 0.0.0.0:1\n")); !errors.Is(err, ErrInvalid) {
		t.Errorf("listening for everybody: %v", err)
	}
	_, err = LoadAgent(write(t, "listen: localhost:1\nservers:\n  - name: x\n    origin: ftp://x\n"))
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "idp.yaml:4: configuration is not valid: servers[0].origin: ") {
		t.Errorf("bad value: %v", err)
	}
}

func TestZeroConfigurationWorks(t *testing.T) {
	c, err := Load(write(t, "issuer: http://localhost:8080\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Address() != "localhost:8080" || !c.Insecure() || c.Lockout.Failures != 5 || c.Lockout.Duration.D() != 15*time.Minute {
		t.Errorf("%+v", c)
	}
	if got := c.Path(c.Store.SQLite); got != filepath.Join(c.dir, "idp.db") || !filepath.IsAbs(got) {
		t.Errorf("path %q", got)
	}
}

// A file of comments alone is all defaults, as an empty one is.
func TestT225_NothingButComments(t *testing.T) {
	for _, text := range []string{"", "\n", "# issuer: https://id.example\n", "---\n", "~\n"} {
		path := filepath.Join(t.TempDir(), "idp.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		if err == nil || !strings.Contains(err.Error(), "issuer: is required") || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestT225_ErrorsNameTheLineOrTheKey(t *testing.T) {
	const good = "issuer: http://localhost:8080\n"
	for text, want := range map[string]string{
		good + "isuer: x\n":                                                   `idp.yaml:2: configuration is not valid: unknown key "isuer"`,
		good + "log:\n  level: info\n  colour: red\n":                         `idp.yaml:4: configuration is not valid: unknown key "colour"`,
		good + "cards:\n  profiles:\n  - nme: x\n":                            `idp.yaml:4: configuration is not valid: unknown key "nme"`,
		good + "listen: a:1\nlisten: b:2\n":                                   `idp.yaml:3: `,
		good + "lockout:\n  failures: many\n":                                 `idp.yaml:3: configuration is not valid: lockout.failures: "many" is not a number`,
		good + "session:\n  idle: soon\n":                                     `idp.yaml:3: configuration is not valid: session.idle: "soon" is not a duration`,
		good + "log: {access: perhaps}\n":                                     `idp.yaml:2: configuration is not valid: log.access: "perhaps" is not true or false`,
		good + "networks:\n  city: 5\n":                                       `idp.yaml:3: configuration is not valid: networks.city: "5" is not a list`,
		good + "tokens: 5\n":                                                  `idp.yaml:2: configuration is not valid: tokens: "5" is not a section of keys`,
		good + "passwords: {memory: -3}\n":                                    `idp.yaml:2: configuration is not valid: passwords.memory: "-3" is out of range`,
		good + "tokens:\n  code: 61s\n":                                       `idp.yaml:3: configuration is not valid: tokens.code: must be from 1s to 1m0s`,
		good + "pages:\n  contacts:\n  - {name: a}\n":                         `idp.yaml:4: configuration is not valid: pages.contacts[0]: needs name and name_en`,
		good + "tls:\n  certificate: a\n":                                     `idp.yaml:3: configuration is not valid: tls: needs both`,
		good + "pages:\n  agent_download: >\n    ---\n... # end\nissuer: x\n": "idp.yaml:6: configuration is not valid: a second document begins here",
		good + "a: [\n":                                                       `idp.yaml:2: `,
		good + "---\nissuer: x\n":                                             "idp.yaml:2: configuration is not valid: a second document begins here",
		"# about\n---\n" + good + "--- # two\nissuer: x\n":                    "idp.yaml:4: configuration is not valid: a second document begins here",
		"":                                                                                 "issuer: is required",
		"issuer: id.example\n":                                                             "issuer: ",
		"issuer: http://id.example\n":                                                      "http is for loopback only",
		"issuer: https://id.example/path\n":                                                "must be scheme and host",
		"issuer: https://ID.example\n":                                                     "in lower case",
		"issuer: https://u@id.example\n":                                                   "must be scheme and host",
		"issuer: https://id.example\n":                                                     "tls: is needed",
		"issuer: http://localhost:1\nlisten: :1\n":                                         "tls: is needed",
		good + "tls: {certificate: a}\n":                                                   "needs both",
		good + "lockout: {failures: 11}\n":                                                 "lockout.failures: must be from 1 to 10",
		good + "tokens: {code: 61s}\n":                                                     "tokens.code",
		good + "tokens: {algorithms: [HS256, RS256]}\n":                                    `"HS256" is not one of`,
		good + "tokens: {algorithms: [ES256]}\n":                                           "must hold RS256",
		good + "networks: {city: [10.0.0.1/8]}\n":                                          "write 10.0.0.0/8",
		good + "networks: {proxies: [proxy.example]}\n":                                    "neither an address nor a prefix",
		good + "cards: {agent: \"http://id.example\"}\n":                                   "must be http on loopback",
		good + "session: {idle: 2h, absolute: 1h}\n":                                       "session.idle",
		good + "log: {level: loud}\n":                                                      "log.level",
		good + "metrics: {listen: localhost:8080}\n":                                       "metrics.listen",
		good + "store: {sqlite: \"\"}\n":                                                   "store: needs",
		good + "phones: {bind_fresh: 2h}\n":                                                "phones.bind_fresh",
		good + "phones: {ios: \"http://x.example\"}\n":                                     "phones.ios",
		good + "codes: {issuer: \"a:b\"}\n":                                                "codes.issuer",
		good + "passkeys: {attestation: some}\n":                                           "passkeys.attestation",
		good + "passkeys: {attestation: direct}\n":                                         "needs models and roots",
		good + "passkeys: {models: [x]}\n":                                                 "not an AAGUID",
		good + "mail: {server: x}\n":                                                       "mail.server",
		good + "mail: {server: \"x:25\", from: a@b, security: none}\n":                     "mail.security",
		good + "mail: {server: \"x:25\", from: a@b, username: u}\n":                        "mail: needs both",
		good + "directory: {recheck: 6m}\n":                                                "directory.recheck",
		good + "directory: {backends: [{name: a}]}\n":                                      "directory.backends[0].kind",
		good + "directory: {backends: [{name: a, kind: ldap, servers: [\"http://h\"]}]}\n": "must begin with ldaps://",
	} {
		_, err := Load(write(t, text))
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
	_, err := Load(write(t, "issuer: http://x.example\nlog: {level: loud}\n"))
	if err == nil || !strings.Contains(err.Error(), "idp.yaml:1: configuration is not valid: issuer: must be https") ||
		!strings.Contains(err.Error(), "idp.yaml:2: configuration is not valid: log.level") {
		t.Errorf("not all faults at once: %v", err)
	}
}

func TestT194_SecretFilesAreTheOwnersAlone(t *testing.T) {
	c, err := Load(write(t, "issuer: http://localhost:8080\n"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.dir, "secret")
	if err := os.WriteFile(path, []byte("value\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Secret("secret"); !errors.Is(err, ErrInvalid) || strings.Contains(err.Error(), "value") {
		t.Errorf("readable by all: %v", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Secret("secret"); err != nil || got != "value" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestDurationRoundTrip(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "30d": 30 * 24 * time.Hour, "1h30m": 90 * time.Minute, "500ms": 500 * time.Millisecond,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.D() != want {
			t.Errorf("%s: %v, %v", text, d.D(), err)
		}
		written, _ := d.MarshalText()
		var again Duration
		if err := again.UnmarshalText(written); err != nil || again != d {
			t.Errorf("%s: written as %s", text, written)
		}
	}
	for _, text := range []string{"", "5", "-1s", "d", "-3d", "1w", "999999d"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q accepted", text)
		}
	}
}

func TestSchemaIsJSON(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil || s["additionalProperties"] != false {
		t.Fatal(err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Example())
	f.Add([]byte("issuer: http://localhost:8080\nlog: {level: info}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := Default()
		if decode("idp.yaml", data, c) == nil {
			_ = c.Check()
		}
	})
}
