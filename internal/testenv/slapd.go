package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const slapdHint = "make deps"

// LDAP is a private OpenLDAP with an empty tree and a password policy: five
// failures within 15 minutes lock an entry for 15 minutes.
type LDAP struct {
	LDAPS    string // 127.0.0.1:port
	LDAP     string // 127.0.0.1:port, with StartTLS
	Base     string // dc=agency,dc=test, with ou=people and ou=groups
	Admin    string // who may write all
	Password string
	CA       []byte // PEM
}

const slapdConfig = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
moduleload memberof
pidfile %[1]s/pid
TLSCACertificateFile %[1]s/ca.pem
TLSCertificateFile %[1]s/cert.pem
TLSCertificateKeyFile %[1]s/key.pem
database mdb
suffix "dc=agency,dc=test"
rootdn "cn=admin,dc=agency,dc=test"
rootpw Admin-2026!pw
directory %[1]s/data
dbnosync
index uid,member,entryUUID eq
access to attrs=userPassword by self =xw by anonymous auth by * none
access to * by * none
overlay ppolicy
ppolicy_default "cn=policy,dc=agency,dc=test"
ppolicy_use_lockout
overlay memberof
`

const slapdTree = `dn: dc=agency,dc=test
objectClass: dcObject
objectClass: organization
o: agency
dc: agency

dn: ou=people,dc=agency,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=agency,dc=test
objectClass: organizationalUnit
ou: groups

dn: cn=policy,dc=agency,dc=test
objectClass: device
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 5
pwdFailureCountInterval: 900
pwdLockoutDuration: 900
pwdMustChange: TRUE
pwdAllowUserChange: TRUE
`

// Slapd starts it; it ends with the test.
func Slapd(t testing.TB) *LDAP {
	t.Helper()
	program := Need(t, "slapd", slapdHint)
	load := Need(t, "slapadd", slapdHint)
	dir := serverDir(t, "slapd")
	authority, err := NewAuthority("Agency CA")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := authority.Issue("ldap.agency.test")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"ca.pem": string(authority.PEM), "cert.pem": string(cert), "key.pem": string(key), "tree.ldif": slapdTree,
		"slapd.conf": fmt.Sprintf(slapdConfig, dir),
	} {
		write(t, filepath.Join(dir, name), content)
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "slapd.conf")
	if out, err := exec.Command(load, "-f", conf, "-l", filepath.Join(dir, "tree.ldif")).CombinedOutput(); err != nil {
		t.Fatalf("load the tree: %v\n%s", err, out)
	}
	secure, plain := freePort(t), freePort(t)
	s := &LDAP{
		LDAPS: fmt.Sprintf("127.0.0.1:%d", secure), LDAP: fmt.Sprintf("127.0.0.1:%d", plain), Base: "dc=agency,dc=test",
		Admin: "cn=admin,dc=agency,dc=test", Password: "Admin-2026!pw", CA: authority.PEM,
	}
	run(t, secure, dir, exec.Command(program, "-d", "0", "-f", conf, "-h", "ldaps://"+s.LDAPS+"/ ldap://"+s.LDAP+"/"))
	return s
}
