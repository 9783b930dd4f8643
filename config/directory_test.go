package config

import (
	"errors"
	"strings"
	"testing"
)

func TestPortalTable_IsChecked(t *testing.T) {
	const head = "issuer: http://localhost:8080\ndirectory:\n"
	c, err := Load(write(t, head+"  portal_table: {sqlite: portal.db, table: public.staff, account: login, password: pw, kind: sha512-crypt}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Directory.PortalTable; p.Table != "public.staff" || p.Connections != 8 || p.Timeout.D() == 0 {
		t.Errorf("%+v", p)
	}
	for bad, want := range map[string]string{
		"  portal_table: {sqlite: portal.db, table: \"staff; DROP TABLE staff\"}":   "portal_table.table",
		"  portal_table: {sqlite: portal.db, account: \"\"}":                        "portal_table.account",
		"  portal_table: {postgresql_file: portal.url, password: \"pw FROM x --\"}": "portal_table.password",
		"  portal_table: {sqlite: portal.db, kind: md5}":                            "must be one of argon2id",
		"  portal_table: {sqlite: portal.db, kind: plain}":                          "must be one of argon2id",
		"  portal_table: {sqlite: portal.db, timeout: 6s}":                          "from 100ms to 5s",
		"  portal_table: {sqlite: portal.db, connections: 0}":                       "from 1 to 256",
		"  portal_table: {sqlite: portal.db}\n  backends:\n    - {name: a, kind: ldap, servers: [ldaps://h], ca_file: c, bind_dn: d, secret_file: s, base: b, accounts: [portal]}": "in one place only",
		"  backends:\n    - {name: a, kind: ldap, servers: [ldaps://h], ca_file: c, bind_dn: d, secret_file: s, base: b, accounts: [single, mail]}":                                "mail must be alone",
		"  backends:\n    - {name: a, kind: ldap, servers: [ldaps://h], ca_file: c, bind_dn: d, secret_file: s, base: \"ou=x, dc=b\", accounts: [mail]}" +
			"\n    - {name: t, kind: ldap, servers: [ldaps://g, ldaps://H], ca_file: c, bind_dn: d, secret_file: s, base: dc=b}": "t looks at passwords there",
	} {
		if _, err := Load(write(t, head+bad+"\n")); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
