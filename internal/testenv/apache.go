package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	apacheModules = "/usr/lib/apache2/modules"
	apacheHint    = "apt-get install apache2 libapache2-mod-auth-openidc"
)

// OpenIDSite is a web site that Apache guards with mod_auth_openidc.
type OpenIDSite struct {
	Port int
	URL  string
	dir  string
}

// NewOpenIDSite chooses the address, so that the client can be registered
// before Apache starts.
func NewOpenIDSite(t testing.TB) *OpenIDSite {
	t.Helper()
	Need(t, "apache2", apacheHint)
	if _, err := os.Stat(filepath.Join(apacheModules, "mod_auth_openidc.so")); err != nil {
		Missing(t, "mod_auth_openidc", apacheHint)
	}
	port := freePort(t)
	return &OpenIDSite{Port: port, URL: fmt.Sprintf("http://localhost:%d", port), dir: serverDir(t, "apache")}
}

// RedirectURI is where the module takes the provider's answers.
func (s *OpenIDSite) RedirectURI() string { return s.URL + "/openid" }

const apacheConfig = `ServerRoot %[1]s
ServerName localhost
Listen 127.0.0.1:%[2]d
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
LogLevel warn auth_openidc:info
DefaultRuntimeDir %[1]s
Mutex file:%[1]s default
DocumentRoot %[1]s/site
TypesConfig /etc/mime.types
%[3]s
OIDCProviderMetadataURL %[4]s/.well-known/openid-configuration
OIDCClientID %[5]s
OIDCClientSecret %[6]s
OIDCRedirectURI %[7]s
OIDCCryptoPassphrase a-passphrase-of-this-test-only
OIDCScope "openid profile agency"
OIDCPKCEMethod S256
OIDCRemoteUserClaim preferred_username
OIDCPassClaimsAs environment
OIDCCacheDir %[1]s/cache
OIDCCacheType file
OIDCDefaultURL %[8]s/
OIDCDefaultLoggedOutURL %[8]s/bye.html
<Directory %[1]s/site>
  Options +Includes
  AddOutputFilter INCLUDES .html
  DirectoryIndex index.html
  Require all granted
</Directory>
<Location "/">
  AuthType openid-connect
  Require valid-user
</Location>
<Location "/bye.html">
  AuthType none
  Require all granted
</Location>
`

// Start starts Apache before a page that says who came: "user=", "sub=",
// "acr=" and "name=", each in an element of that ID.
func (s *OpenIDSite) Start(t testing.TB, issuer, clientID, secret string) {
	t.Helper()
	load := ""
	for _, module := range []string{
		"mpm_event", "authn_core", "authz_core", "authz_user", "dir", "mime", "include", "env", "auth_openidc",
	} {
		load += fmt.Sprintf("LoadModule %s_module %s/mod_%s.so\n", module, apacheModules, module)
	}
	if os.Getuid() == 0 {
		load += "User www-data\nGroup www-data\n"
	}
	for _, dir := range []string{"site", "cache"} {
		if err := os.Mkdir(filepath.Join(s.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(s.dir, "cache"), 0o777); err != nil {
		t.Fatal(err)
	}
	page := "<!doctype html><title>Apache</title>\n"
	for id, name := range map[string]string{"user": "REMOTE_USER", "sub": "OIDC_CLAIM_sub", "acr": "OIDC_CLAIM_acr", "name": "OIDC_CLAIM_name"} {
		page += fmt.Sprintf("<p id=%q>%s=<!--#echo encoding=\"entity\" var=%q --></p>\n", id, id, name)
	}
	write(t, filepath.Join(s.dir, "site/index.html"), page)
	write(t, filepath.Join(s.dir, "site/bye.html"), "<!doctype html><title>Apache</title><p id=\"bye\">bye</p>\n")
	config := fmt.Sprintf(apacheConfig, s.dir, s.Port, load, issuer, clientID, secret, s.RedirectURI(), s.URL)
	write(t, filepath.Join(s.dir, "apache.conf"), config)
	run(t, s.Port, s.dir, exec.Command(Need(t, "apache2", apacheHint), "-f", filepath.Join(s.dir, "apache.conf"), "-DFOREGROUND"))
}

// Log returns what Apache wrote, for a test that failed.
func (s *OpenIDSite) Log() string {
	raw, err := os.ReadFile(filepath.Join(s.dir, "error.log"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(raw))
}
