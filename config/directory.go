package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Directory is how passwords are looked at elsewhere than in our own store.
type Directory struct {
	// How often everybody who is logged in is held against the directories: who was
	// disabled or removed there loses sessions and tokens. At most 5m: two looks at
	// whom the first one does not find are within it.
	Recheck Duration `yaml:"recheck"`
	// A refused password is told so no sooner than after this time, so that it does
	// not show which directory looked, or that none had to. 0s: at once.
	Floor Duration `yaml:"floor"`
	// Active Directory domains and LDAP directories. An account's passwords are
	// looked at by the first that fits; where none does, by our own store.
	Backends []DirectoryBackend `yaml:"backends"`
	// The table in which the portal looks its passwords up: portal accounts are checked
	// by its hashes while the phase lets them log in. (A portal with an LDAP directory is
	// a backend, with accounts: [portal].) Nothing is ever written there: give it a
	// database user that may only read.
	PortalTable PortalTable `yaml:"portal_table"`
}

// PortalTable is a table or view of another system with hashes of passwords. They may
// be argon2id, bcrypt, PBKDF2, {SSHA}, {SSHA256}, {SSHA512} and SHA-512 crypt ($6$);
// nobody logs in by any other, or by plain text.
type PortalTable struct {
	// File, mode 0600, with the address of its PostgreSQL database.
	PostgreSQLFile string `yaml:"postgresql_file" example:"portal-database.url"`
	// Its SQLite file, unless PostgreSQL is named. Neither: there is no such table.
	SQLite string `yaml:"sqlite" example:"/var/lib/portal/users.db"`
	// The table or view: TABLE or SCHEMA.TABLE.
	Table string `yaml:"table"`
	// The column with the account's name, in lower case as accounts are here.
	Account string `yaml:"account"`
	// The column with the hash.
	Password string `yaml:"password"`
	// What most of the hashes are: argon2id, bcrypt, pbkdf2, ssha or sha512-crypt. An
	// account that is not there takes as long.
	Kind string `yaml:"kind"`
	// Time to connect, and for one answer.
	Timeout Duration `yaml:"timeout"`
	// Connections at once.
	Connections int `yaml:"connections"`
}

func (c *Config) checkPortalTable(k *check) {
	t := c.Directory.PortalTable
	key := "directory.portal_table"
	if t.PostgreSQLFile == "" && t.SQLite == "" {
		return
	}
	for _, f := range []struct{ name, value string }{{"table", t.Table}, {"account", t.Account}, {"password", t.Password}} {
		k.that(viewName.MatchString(f.value), key+"."+f.name, "%q must be a name as SQL has it", f.value)
	}
	kinds := []string{"argon2id", "bcrypt", "pbkdf2", "ssha", "sha512-crypt"}
	k.that(slices.Contains(kinds, t.Kind), key+".kind", "%q must be one of %s", t.Kind, strings.Join(kinds, ", "))
	k.that(t.Timeout.D() >= 100*time.Millisecond && t.Timeout.D() <= 5*time.Second, key+".timeout", "must be from 100ms to 5s")
	k.that(t.Connections >= 1 && t.Connections <= 256, key+".connections", "must be from 1 to 256")
	for i, b := range c.Directory.Backends {
		k.that(!slices.Contains(b.Accounts, "portal"), fmt.Sprintf("directory.backends[%d].accounts", i),
			"portal accounts are looked at in portal_table: in one place only")
	}
}

// DirectoryBackend is one Active Directory domain or LDAP directory.
type DirectoryBackend struct {
	// Its name, for the log and for remembering who is who in it: never to be changed.
	Name string `yaml:"name" example:"tpead"`
	// active_directory or ldap.
	Kind string `yaml:"kind" example:"active_directory"`
	// Its servers in order of preference: "ldaps://host", or "ldap://host" for
	// StartTLS. Nothing else is sent to them before TLS.
	Servers []string `yaml:"servers" example:"[ldaps://dc1.tpead.example.gov.tw, ldaps://dc2.tpead.example.gov.tw]"`
	// PEM file with the authority of their certificates. No other is believed.
	CAFile string `yaml:"ca_file" example:"directory/tpead-ca.pem"`
	// The service account, by its distinguished name.
	BindDN string `yaml:"bind_dn" example:"\"CN=idp,OU=Services,DC=tpead,DC=example,DC=gov,DC=tw\""`
	// File with its password, mode 0600. It is read for each new connection: put the new one there, then change the account's.
	SecretFile string `yaml:"secret_file" example:"directory/tpead.secret"`
	// Below this entry people are looked for.
	Base string `yaml:"base" example:"\"DC=tpead,DC=example,DC=gov,DC=tw\""`
	// Below this entry groups are looked for. Empty: in the whole domain.
	GroupBase string `yaml:"group_base" example:"\"\""`
	// Accounts below this entry are services': they never log in.
	ServiceBase string `yaml:"service_base" example:"\"OU=Services,DC=tpead,DC=example,DC=gov,DC=tw\""`
	// A further condition on who may log in, as an LDAP filter. Empty: none.
	Filter string `yaml:"filter" example:"\"\""`
	// Suffix of the user principal names that are made there.
	UPNSuffix string `yaml:"upn_suffix" example:"tpead.example.gov.tw"`
	// ldap only: the attribute with the account's name. Empty: uid.
	NameAttribute string `yaml:"name_attribute" example:"\"\""`
	// ldap only: the attribute with an identity that never changes. Empty: entryUUID.
	IDAttribute string `yaml:"id_attribute" example:"\"\""`
	// Kinds of account: tpead, single, portal; or mail alone, whose passwords follow and
	// are never looked at: each to the first backend of mail with the agency, else to
	// passwords.mail_table. Empty: tpead and single.
	Accounts []string `yaml:"accounts" example:"[tpead, single]"`
	// Where the accounts of agencies belong: CODE=DN, each below base. The entries of other agencies stay where they are.
	Places []string `yaml:"places" example:"[]"`
	// Codes of the agencies whose people are in it. Empty: all.
	Agencies []string `yaml:"agencies" example:"[]"`
	// Time to connect, TLS included. 0s: 1s.
	ConnectTimeout Duration `yaml:"connect_timeout" example:"1s"`
	// Time for one answer. 0s: 2s.
	AnswerTimeout Duration `yaml:"answer_timeout" example:"2s"`
	// Time for looking at a password, all in all; at most 5s. 0s: 4s.
	LoginTimeout Duration `yaml:"login_timeout" example:"4s"`
	// Connections of the service account. 0: 8.
	Connections int `yaml:"connections" example:"8"`
	// Passwords looked at at once. 0: 64.
	Concurrent int `yaml:"concurrent" example:"64"`
}

func (c *Config) checkDirectory(k *check) {
	d := c.Directory
	k.that(d.Recheck.D() >= 10*time.Second && d.Recheck.D() <= 5*time.Minute, "directory.recheck", "must be from 10s to 5m")
	k.that(d.Floor.D() <= 3*time.Second, "directory.floor", "must be at most 3s")
	c.checkPortalTable(k)
	names := map[string]bool{}
	for i, b := range d.Backends {
		key := fmt.Sprintf("directory.backends[%d]", i)
		k.that(b.Name != "" && !names[b.Name], key+".name", "is required, and each one's own")
		names[b.Name] = true
		k.that(b.Kind == "active_directory" || b.Kind == "ldap", key+".kind", "%q must be active_directory or ldap", b.Kind)
		k.that(len(b.Servers) > 0, key+".servers", "must name at least one")
		for _, s := range b.Servers {
			k.that(strings.HasPrefix(s, "ldaps://") || strings.HasPrefix(s, "ldap://"), key+".servers",
				"%q must begin with ldaps://, or with ldap:// for StartTLS", s)
		}
		for _, f := range []struct{ name, value string }{
			{"ca_file", b.CAFile}, {"bind_dn", b.BindDN}, {"secret_file", b.SecretFile}, {"base", b.Base},
		} {
			k.that(f.value != "", key+"."+f.name, "is required")
		}
		k.that(b.Kind == "ldap" || b.NameAttribute == "" && b.IDAttribute == "", key, "name_attribute and id_attribute are for ldap only")
		for _, a := range b.Accounts {
			k.that(slices.Contains([]string{"tpead", "single", "portal", "mail"}, a), key+".accounts", "%q must be tpead, single, portal or mail", a)
		}
		k.that(len(b.Accounts) < 2 || !slices.Contains(b.Accounts, "mail"), key+".accounts",
			"mail must be alone: what is written to a mailbox would be a login's password")
		for _, o := range d.Backends {
			k.that(!b.onlyMail() || o.onlyMail() || !b.overlaps(o), key+".base",
				"%s looks at passwords there: what is written to a mailbox would be a login's password", o.Name)
		}
		k.that(b.ConnectTimeout.D() <= 5*time.Second && b.AnswerTimeout.D() <= 5*time.Second && b.LoginTimeout.D() <= 5*time.Second, key,
			"timeouts must be at most 5s")
		k.that(b.Connections >= 0 && b.Connections <= 256, key+".connections", "must be from 0 to 256")
		k.that(b.Concurrent >= 0 && b.Concurrent <= 4096, key+".concurrent", "must be from 0 to 4096")
	}
}
