package store

import (
	"encoding/json"
	"fmt"
	"time"

	idp "taipeion.internal/idp"
)

// micros is how a time is kept: Unix microseconds, 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func at(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// moment scans a time.
type moment struct{ to *time.Time }

func (m moment) Scan(value any) error {
	us, ok := value.(int64)
	if !ok {
		return fmt.Errorf("a time is kept as %T", value)
	}
	*m.to = at(us)
	return nil
}

// document scans JSON text of our own.
type document struct{ to any }

func (d document) Scan(value any) error {
	switch v := value.(type) {
	case string:
		return json.Unmarshal([]byte(v), d.to)
	case []byte:
		return json.Unmarshal(v, d.to)
	}
	return fmt.Errorf("a document is kept as %T", value)
}

// text is a value of ours as JSON text; such values can always be encoded.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return string(b)
}

// list is a list as JSON text, the empty one for nil.
func list(l []string) string {
	if len(l) == 0 {
		return "[]"
	}
	return text(l)
}

// personColumns are those of a person p and its agency a, joined or not.
const (
	personColumns query = `COALESCE(p.id, ''), COALESCE(p.subject, ''), COALESCE(p.name, ''), COALESCE(p.agency, ''), COALESCE(a.name, ''),
		COALESCE(p.unit, ''), COALESCE(p.title, ''), COALESCE(p.email, ''), COALESCE(p.phone, ''), COALESCE(p.address, ''),
		COALESCE(p.id_tail, ''), COALESCE(p.username, ''), COALESCE(` + effectiveState + `, ''), COALESCE(p.updated_at, 0), COALESCE(p.has_password, FALSE)`
	// Whose accounts are all closed in their directories is disabled here too.
	effectiveState query = `CASE WHEN p.state = 'enabled' AND p.closed_at > 0 THEN 'disabled' ELSE p.state END`

	agencyJoin query = ` LEFT JOIN agencies a ON a.code = p.agency`
)

func personInto(p *idp.Person) []any {
	return []any{&p.ID, &p.Subject, &p.Name, &p.Agency.Code, &p.Agency.Name, &p.Unit, &p.Title, &p.Email, &p.Phone, &p.Address,
		&p.IDTail, &p.Username, &p.State, moment{&p.UpdatedAt}, &p.HasPassword}
}
