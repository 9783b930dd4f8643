package main

import (
	"strings"
	"testing"

	"taipeion.internal/idp/internal/testenv"
)

const portalConfig = `master_key_file: master.key
store: {sqlite: idp.db}
networks: {gateways: [127.0.0.1]}
sync:
  every: 0s
  sources:
    - {name: portal, kind: csv, file: people.csv}
directory:
  portal_table: {postgresql_file: portal.url, table: staff, account: login, password: pw, kind: sha512-crypt}
`

// TestServe_PortalPasswords logs in by what the portal keeps in a table of its own
// database, while the phase allows it.
func TestServe_PortalPasswords(t *testing.T) {
	dir := t.TempDir()
	portal := testenv.Postgres(t)
	testenv.SQL(t, portal, `CREATE TABLE staff (login TEXT PRIMARY KEY, pw TEXT)`,
		`INSERT INTO staff VALUES ('user0', '$6$saltsalt16chars.$UW4vC7JJNdDqqKfSXOSMChxAzoYro0MSdd4W4CpbR4zlEzcVCEDt8Eghd64f4VvNiMjMp2uutTkqvLAyEa2Q51'), ('user1', 'Portal-2026!密')`,
		`CREATE ROLE reader LOGIN`, `GRANT SELECT ON staff TO reader`)
	put(t, dir, map[string]string{
		"idp.yaml": "issuer: http://localhost:8080\n" + portalConfig, "people.csv": fedPeople(3),
		"portal.url": strings.Replace(portal, "user=postgres", "user=reader", 1) + "\n",
	})
	n := startProcess(t, dir, portalConfig)
	operate(t, dir, "sync", "run")
	operate(t, dir, "config", "check")
	const password = "Portal-2026!密"
	newVisitor(t, n.base).let("user0", password, true)
	newVisitor(t, n.base).let("USER0", password, true)
	for _, wrong := range [][2]string{{"user0", "Wrong-2026!"}, {"user1", password}, {"user2", password}, {"nobody", password}} {
		newVisitor(t, n.base).let(wrong[0], wrong[1], false)
	}
	operate(t, dir, "directory", "phase", "set", "directory", "--accept", "3")
	newVisitor(t, n.base).let("user0", password, false)
	operate(t, dir, "directory", "phase", "set", "coexist")
	newVisitor(t, n.base).let("user0", password, true)
	if said := n.log.String(); strings.Contains(said, "2026!") || strings.Contains(said, "$6$") || !strings.Contains(said, "hash can't be checked") {
		t.Errorf("the log says %s", said)
	}
}
