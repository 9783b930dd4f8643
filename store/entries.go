package store

import (
	"context"

	"taipeion.internal/idp/directory"
)

// atOnce is how many keys entryOwners and namesakes take in one statement; a last
// one with fewer has empty ones, which are nobody's.
const atOnce = 50

const (
	entryOwners query = `SELECT d.identity, d.account FROM directory_entries d JOIN accounts a ON a.name = d.account
		WHERE d.directory = $51 AND d.identity IN (
			$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
			$26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50)`
	namesakes query = `SELECT a.name, a.kind, a.person_id, a.given, a.pending, CASE WHEN a.agency <> '' THEN a.agency ELSE COALESCE(p.agency, '') END,
		COALESCE(d.identity, '') FROM accounts a JOIN persons p ON p.id = a.person_id LEFT JOIN directory_entries d ON d.account = a.name
		WHERE a.name IN (
			$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
			$26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50)`
)

// EntryOwners implements directory.Owners.
func (s *Store) EntryOwners(ctx context.Context, of string, identities []string) (map[string]string, error) {
	found := map[string]string{}
	err := s.some(ctx, entryOwners, identities, func(scan scan) error {
		var identity, account string
		err := scan(&identity, &account)
		found[identity] = account
		return err
	}, of)
	return found, err
}

// Namesakes implements directory.Owners.
func (s *Store) Namesakes(ctx context.Context, names []string) (map[string]directory.Namesake, error) {
	found := map[string]directory.Namesake{}
	err := s.some(ctx, namesakes, names, func(scan scan) error {
		var n directory.Namesake
		var identity string
		a := &n.Account
		if err := scan(&a.Name, &a.Kind, &a.PersonID, &a.Given, &n.Pending, &a.Agency, &identity); err != nil {
			return err
		}
		n.Entries = found[a.Name].Entries
		if identity != "" {
			n.Entries = append(n.Entries, identity)
		}
		found[a.Name] = n
		return nil
	})
	return found, err
}

// some asks for rows by many keys, a few statements for all. What is read twice is
// given twice: each must bear it.
func (s *Store) some(ctx context.Context, q query, keys []string, each func(scan) error, more ...any) error {
	for len(keys) > 0 {
		part := keys[:min(atOnce, len(keys))]
		keys = keys[len(part):]
		args := make([]any, atOnce, atOnce+len(more))
		for i := range args {
			args[i] = ""
			if i < len(part) {
				args[i] = part[i]
			}
		}
		err := s.read(ctx, func(r runner) error { return r.rows(with(q, append(args, more...)...), each) })
		if err != nil {
			return err
		}
	}
	return nil
}
