package testenv

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const dovecotHint = "apt-get install dovecot-imapd dovecot-pgsql"

// IMAP is a mail server that lets people in by their access token, or by a
// password that it looks up in a table.
type IMAP struct {
	Port int
	dir  string
}

const dovecotConfig = `base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
auth_verbose = yes
auth_failure_delay = 0
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = %[3]s
mail_location = maildir:%[1]s/mail/%%u
first_valid_uid = 1
first_valid_gid = 1
service imap-login {
  inet_listener imap {
    port = %[2]d
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  # Without it a failure makes the next tries from this address wait.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  user = root
}
passdb {
  driver = %[4]s
  mechanisms = %[3]s
  args = %[1]s/passdb.conf
}
userdb {
  driver = static
  args = uid=mail gid=mail home=%[1]s/mail/%%u
}
`

// RFC 7662, with the mail system's own credentials.
const dovecotOAuth2 = `introspection_mode = post
introspection_url = %s
force_introspection = yes
active_attribute = active
active_value = true
username_attribute = username
timeout_msecs = 5000
`

// Dovecot starts a mail server that asks the introspection endpoint (with the
// client's credentials in its address) about each token.
func Dovecot(t testing.TB, introspection string) *IMAP {
	t.Helper()
	return startDovecot(t, "xoauth2 oauthbearer", "oauth2", fmt.Sprintf(dovecotOAuth2, introspection))
}

// Passwords are looked up as Dovecot's documentation has it.
const dovecotSQL = `driver = pgsql
connect = host=%s dbname=%s user=postgres
password_query = SELECT userid AS user, password FROM users WHERE userid = '%%n'
`

// DovecotSQL starts a mail server that looks passwords up in the table users
// (userid, password) of a database of Postgres.
func DovecotSQL(t testing.TB, address string) *IMAP {
	t.Helper()
	if _, err := os.Stat("/usr/lib/dovecot/modules/auth/libdriver_pgsql.so"); err != nil {
		Missing(t, "dovecot-pgsql", dovecotHint)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return startDovecot(t, "plain", "sql", fmt.Sprintf(dovecotSQL, u.Query().Get("host"), u.Path[1:]))
}

func startDovecot(t testing.TB, mechanisms, driver, passdb string) *IMAP {
	t.Helper()
	program := Need(t, "dovecot", dovecotHint)
	if os.Getuid() != 0 {
		Missing(t, "the right to start Dovecot", "run the tests as root")
	}
	s := &IMAP{Port: freePort(t), dir: serverDir(t, "dovecot")}
	mail := filepath.Join(s.dir, "mail")
	if err := os.Mkdir(mail, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(mail, 0o777); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, "passdb.conf"), passdb)
	write(t, filepath.Join(s.dir, "dovecot.conf"), fmt.Sprintf(dovecotConfig, s.dir, s.Port, mechanisms, driver))
	run(t, s.Port, s.dir, exec.Command(program, "-F", "-c", filepath.Join(s.dir, "dovecot.conf")))
	return s
}

// LoginPassword logs in by name and password, selects the inbox, and returns the
// server's last line.
func (s *IMAP) LoginPassword(user, password string) (string, error) {
	return s.login(func(conn net.Conn, lines *bufio.Reader) (string, error) {
		quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
		return command(conn, lines, fmt.Sprintf(`a1 LOGIN "%s" "%s"`, quote.Replace(user), quote.Replace(password)))
	})
}

// Login authenticates with the token by the mechanism, XOAUTH2 or OAUTHBEARER
// (RFC 7628), selects the inbox, and returns the server's last line.
func (s *IMAP) Login(mechanism, user, token string) (string, error) {
	response := "user=" + user + "\x01auth=Bearer " + token + "\x01\x01"
	if mechanism == "OAUTHBEARER" {
		response = "n,a=" + user + ",\x01host=localhost\x01port=143\x01auth=Bearer " + token + "\x01\x01"
	}
	return s.login(func(conn net.Conn, lines *bufio.Reader) (string, error) {
		return command(conn, lines, "a1 AUTHENTICATE "+mechanism+" "+base64.StdEncoding.EncodeToString([]byte(response)))
	})
}

func (s *IMAP) login(authenticate func(net.Conn, *bufio.Reader) (string, error)) (string, error) {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", s.Port), 5*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		return "", err
	}
	lines := bufio.NewReader(conn)
	if _, err := lines.ReadString('\n'); err != nil {
		return "", err
	}
	answer, err := authenticate(conn, lines)
	if err != nil || !strings.HasPrefix(answer, "a1 OK") {
		return answer, err
	}
	return command(conn, lines, "a2 SELECT INBOX")
}

// command sends a command and returns its tagged answer. A challenge is an
// error report: it is acknowledged (RFC 7628 section 3.2.3).
func command(conn net.Conn, lines *bufio.Reader, line string) (string, error) {
	tag, _, _ := strings.Cut(line, " ")
	if _, err := fmt.Fprintf(conn, "%s\r\n", line); err != nil {
		return "", err
	}
	for {
		answer, err := lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		switch {
		case strings.HasPrefix(answer, tag+" "):
			return strings.TrimSpace(answer), nil
		case strings.HasPrefix(answer, "+"):
			if _, err := fmt.Fprintf(conn, "%s\r\n", base64.StdEncoding.EncodeToString([]byte{1})); err != nil {
				return "", err
			}
		}
	}
}

// Log returns what the server wrote, for a test that failed.
func (s *IMAP) Log() string {
	raw, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(raw))
}
