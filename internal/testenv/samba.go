package testenv

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	sambaHint      = "make deps"
	provisionFile  = "/usr/share/samba/setup/provision.ldif"
	controllerName = "dc1.tpead.test"
)

// AD is a private Active Directory domain on loopback: five failures within 15
// minutes lock an account for 15 minutes.
type AD struct {
	Realm    string // TPEAD.TEST
	Domain   string // TPEAD
	Base     string // DC=tpead,DC=test
	Admin    string // the administrator's DN
	Password string // and password
	LDAPS    string // 127.0.0.1:636
	LDAP     string // 127.0.0.1:389, with StartTLS
	CA       []byte // PEM: who vouches for the controller

	dir string
}

// samba is the one domain of this test process.
var samba struct {
	once sync.Once
	ad   *AD
	err  error
}

var errBusy = errors.New("it did not end in time")

// sambaPassword is the administrator's.
const sambaPassword = "Admin-2026!pw"

// Samba returns the domain of this test process, provisioned at the first call.
// A domain needs its well-known ports: a second test process waits until the
// first one has ended. It needs root.
func Samba(t testing.TB) *AD {
	t.Helper()
	if runtime.GOOS != "linux" {
		Missing(t, "Samba", sambaHint)
	}
	tool := Need(t, "samba-tool", sambaHint)
	program := Need(t, "samba", sambaHint)
	if _, err := os.Stat(provisionFile); err != nil {
		Missing(t, "samba-ad-provision", sambaHint)
	}
	if os.Getuid() != 0 {
		Missing(t, "the right to run a domain controller", "run the tests as root")
	}
	samba.once.Do(func() { samba.ad, samba.err = startSamba(tool, program) })
	if samba.err != nil {
		t.Fatalf("start a private domain: %v", samba.err)
	}
	return samba.ad
}

func startSamba(tool, program string) (*AD, error) {
	lock, err := sambaLock()
	if err != nil {
		return nil, err
	}
	defer lock.Close() // the watchdog keeps it
	dir, err := os.MkdirTemp("/tmp", "idp-ad-")
	if err != nil {
		return nil, err
	}
	ad := &AD{
		Realm: "TPEAD.TEST", Domain: "TPEAD", Base: "DC=tpead,DC=test", Admin: "CN=Administrator,CN=Users,DC=tpead,DC=test",
		Password: sambaPassword, LDAPS: "127.0.0.1:636", LDAP: "127.0.0.1:389", dir: dir,
	}
	if err := ad.provision(tool); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := ad.start(program, lock); err != nil {
		return nil, err
	}
	return ad, ad.wait()
}

// sambaLock waits for the domain's place on this machine.
func sambaLock() (*os.File, error) {
	path := filepath.Join(os.TempDir(), "idp-samba.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(8 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		got, err := tryLock(f)
		if got {
			return f, nil
		}
		if err != nil || time.Now().After(deadline) {
			return nil, fmt.Errorf("another domain runs on this machine (%s): %w", path, errors.Join(err, errBusy, f.Close()))
		}
	}
}

func (a *AD) conf() string { return filepath.Join(a.dir, "etc/smb.conf") }

func (a *AD) provision(tool string) error {
	authority, err := NewAuthority("Domain CA")
	if err != nil {
		return err
	}
	a.CA = authority.PEM
	cert, key, err := authority.Issue(controllerName)
	if err != nil {
		return err
	}
	private := filepath.Join(a.dir, "private/tls")
	empty := filepath.Join(a.dir, "none.conf") // the distribution's own would be in the way
	steps := [][]string{
		{"domain", "provision", "--configfile=" + empty, "--server-role=dc", "--use-rfc2307", "--dns-backend=SAMBA_INTERNAL", "--realm=" + a.Realm,
			"--domain=" + a.Domain, "--adminpass=" + a.Password, "--targetdir=" + a.dir, "--host-name=dc1", "--host-ip=127.0.0.1",
			"--option=interfaces=lo", "--option=bind interfaces only=yes", "--option=tls keyfile=" + private + "/idp-key.pem",
			"--option=tls certfile=" + private + "/idp-cert.pem", "--option=tls cafile=" + private + "/idp-ca.pem",
			// Its own range overlaps that of outgoing connections: a busy machine has taken some of it.
			"--option=rpc server port=0", "--option=rpc server dynamic port range=20000-20999", "--option=dns forwarder=127.0.0.1", "--option=log level=1"},
		{"domain", "passwordsettings", "set", "--configfile=" + a.conf(), "--account-lockout-threshold=5", "--account-lockout-duration=15",
			"--reset-account-lockout-after=15", "--min-pwd-age=0", "--history-length=3", "--min-pwd-length=8"},
	}
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		return err
	}
	for _, step := range steps {
		if out, err := exec.Command(tool, step...).CombinedOutput(); err != nil {
			return fmt.Errorf("samba-tool %s: %w\n%s", strings.Join(step[:2], " "), err, out)
		}
	}
	if err := a.noOldPasswords(); err != nil {
		return err
	}
	if err := os.MkdirAll(private, 0o700); err != nil {
		return err
	}
	for name, content := range map[string][]byte{"idp-key.pem": key, "idp-cert.pem": cert, "idp-ca.pem": authority.PEM} {
		if err := os.WriteFile(filepath.Join(private, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// noOldPasswords makes a password that was changed dead at once, as operators are
// told to do; left alone, a controller takes it for another hour.
func (a *AD) noOldPasswords() error {
	text, err := os.ReadFile(a.conf())
	if err != nil {
		return err
	}
	text = []byte(strings.Replace(string(text), "[global]\n", "[global]\n\told password allowed period = 0\n", 1))
	return os.WriteFile(a.conf(), text, 0o644)
}

// start runs the controller below a shell that ends and removes it when this
// process is gone, however it ended. The shell holds the machine's lock.
func (a *AD) start(program string, lock *os.File) error {
	input, ours, err := os.Pipe()
	if err != nil {
		return err
	}
	defer input.Close()
	output, err := os.Create(filepath.Join(a.dir, "output"))
	if err != nil {
		return err
	}
	defer output.Close()
	const script = `"$1" -F --no-process-group -s "$2" --debug-stdout 3>&- </dev/null & pid=$!
cat >/dev/null
kill -TERM $pid 2>/dev/null; wait $pid 2>/dev/null
group=$(ps -o pgid= -p $$ | tr -d ' ')
for p in $(ps -e -o pid=,pgid= | awk -v g="$group" -v me=$$ '$2==g && $1!=me {print $1}'); do kill -KILL $p 2>/dev/null; done
rm -rf "$3"`
	command := exec.Command("/bin/sh", "-c", script, "sh", program, a.conf(), a.dir)
	command.Stdin, command.Stdout, command.Stderr = input, output, output
	command.ExtraFiles = []*os.File{lock}
	command.Dir = "/"
	command.SysProcAttr = (*identity)(nil).attributes(true)
	if err := command.Start(); err != nil {
		return err
	}
	heldOpen = append(heldOpen, ours)
	return nil
}

// wait returns when the controller answers by TLS: this one, and none that is
// still ending.
func (a *AD) wait() error {
	var err error
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.CA)
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		var conn net.Conn
		dialer := &net.Dialer{Timeout: time.Second}
		if conn, err = tls.DialWithDialer(dialer, "tcp", a.LDAPS, &tls.Config{RootCAs: roots, ServerName: controllerName}); err == nil {
			return conn.Close()
		}
	}
	text, _ := os.ReadFile(filepath.Join(a.dir, "output"))
	return fmt.Errorf("the domain controller does not listen: %w\n%s", err, text)
}

// Tool runs samba-tool on the domain's own database.
func (a *AD) Tool(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("samba-tool", append(args, "--configfile="+a.conf())...).CombinedOutput()
	if err != nil {
		t.Fatalf("samba-tool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
