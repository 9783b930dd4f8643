package main

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp/internal/testenv"
)

const mailConfig = `master_key_file: master.key
store: {sqlite: idp.db}
networks: {gateways: [127.0.0.1]}
sync:
  every: 0s
  sources:
    - {name: portal, kind: csv, file: people.csv, columns: [mail=mail]}
directory:
  portal_table: {postgresql_file: database.url, table: staff, account: login, password: pw, kind: sha512-crypt}
passwords:
  mail_table: {postgresql_file: database.url, table: users, account: userid, password: password}
`

// change sets a first password at the login page's form.
func (v *visitor) change(name, old, password string) {
	v.t.Helper()
	flow := v.flow()
	v.send("/login/password", url.Values{"flow": {flow}, "account": {name}, "password": {old}})
	resp, body := v.send("/login/change", url.Values{"flow": {flow}, "account": {name}, "old": {old}, "new": {password}, "again": {password}})
	if resp.StatusCode != 200 || strings.Contains(body, `name="new"`) {
		v.t.Fatalf("%s: %d %s", name, resp.StatusCode, body)
	}
}

// TestServe_MailboxesFollow has a person of the portal who was given an account
// and sets its password, and a real Dovecot that looks passwords up in its table:
// the new one opens the mailbox, those before do not.
func TestServe_MailboxesFollow(t *testing.T) {
	dir := t.TempDir()
	// The portal's password, as the portal and as the mail system have it.
	const former, hash = "Portal-2026!密", "$6$saltsalt16chars.$UW4vC7JJNdDqqKfSXOSMChxAzoYro0MSdd4W4CpbR4zlEzcVCEDt8Eghd64f4VvNiMjMp2uutTkqvLAyEa2Q51"
	database := testenv.Postgres(t)
	testenv.SQL(t, database, `CREATE TABLE staff (login TEXT PRIMARY KEY, pw TEXT)`, `CREATE TABLE users (userid TEXT PRIMARY KEY, password TEXT)`,
		`INSERT INTO staff VALUES ('user0', '`+hash+`'), ('user1', '`+hash+`')`,
		`INSERT INTO users VALUES ('wang.box', '{CRYPT}`+hash+`'), ('user1', '{CRYPT}`+hash+`')`)
	imap := testenv.DovecotSQL(t, database)
	opens := func(password string, want bool) {
		t.Helper()
		var said string
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			var err error
			if said, err = imap.LoginPassword("wang.box", password); err != nil {
				t.Fatalf("%v\n%s", err, imap.Log())
			}
			if strings.HasPrefix(said, "a2 OK") == want {
				return
			}
		}
		t.Errorf("IMAP says %s\n%s", said, imap.Log())
	}
	opens(former, true)

	people := strings.Split(strings.TrimSpace(fedPeople(2)), "\n")
	put(t, dir, map[string]string{
		"idp.yaml": "issuer: http://localhost:8080\n" + mailConfig, "database.url": database + "\n",
		"people.csv": people[0] + ",mail\n" + people[1] + ",wang.box\n" + people[2] + ",\n",
	})
	n := startProcess(t, dir, mailConfig)
	operate(t, dir, "sync", "run")
	operate(t, dir, "directory", "provision")
	account := regexp.MustCompile(`\b[a-z]{2}[0-9]{4}\b`).FindString(operate(t, dir, "account", "show", "user0"))

	// The portal's password opens nothing but the page that asks for one.
	const first, second = "Lanterns7&Fog", "Harbour8&Rain"
	var v *visitor
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		v = newVisitor(t, n.base)
		if _, body := v.login("user0", former); strings.Contains(body, `name="new"`) {
			break
		}
		if time.Now().After(end) { // the account is drawn here and given a moment later
			t.Fatalf("no page asks for a password\n%s", n.log)
		}
	}
	v.change("user0", former, first)
	opens(first, true)
	opens(former, false)
	newVisitor(t, n.base).let(account, first, true)
	newVisitor(t, n.base).let("user0", former, true) // the portal's is as it was

	operate(t, dir, "admin", "grant", "user1", "--role", "helpdesk", "--reason", "applied for")
	start := regexp.MustCompile(`(?m)^start password\s+(\S+)`).FindStringSubmatch(operate(t, dir, "account", "reset-password", account, "--by", "user1", "--reason", "asked for"))
	if start == nil {
		t.Fatal("no start password")
	}
	opens(first, false)
	opens(start[1], false) // nobody's, until the owner has set a password
	// Nobody sets the account's password by the portal's any more: somebody knows it.
	flow := v.flow()
	_, body := v.send("/login/change", url.Values{"flow": {flow}, "account": {"user0"}, "old": {former}, "new": {second}, "again": {second}})
	if strings.Contains(body, second) {
		t.Error("a page shows the password")
	}
	newVisitor(t, n.base).let(account, second, false)
	newVisitor(t, n.base).change(account, start[1], second)
	opens(second, true)
	for _, before := range []string{first, start[1], former} {
		opens(before, false)
	}
	if kept := testenv.SQL(t, database, `SELECT password FROM users WHERE userid = 'user1'`); !strings.Contains(kept, hash) {
		t.Errorf("another's mailbox was changed: %s", kept)
	}
}
