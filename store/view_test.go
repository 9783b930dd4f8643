package store

import (
	"testing"

	"taipeion.internal/idp/directory/feed"
)

// Our own database is as good a source as any.
func TestView_IsReadAsRows(t *testing.T) {
	storeTest(t, func(t *testing.T, s *Store) {
		v := View{Name: "persons"}
		if e, ok := s.engine.(*liteEngine); ok {
			v.SQLite = e.path
		} else {
			v.PostgreSQL = s.engine.(*pgEngine).pool.Config().ConnString()
		}
		m := feed.Mapping{Account: "username", Name: "name", Agency: "agency", Email: "email", State: "state", Enabled: []string{"enabled"}}
		f, err := feed.Read(t.Context(), v, m)
		must(t, err)
		if len(f.Rows) != 1 || f.Rows[0].Name != "王小明" || f.Rows[0].Line != 2 || f.Rows[0].Email != "p1@gov.taipei" {
			t.Errorf("%+v %+v", f.Rows, f.Faults)
		}
		for _, bad := range []string{"nowhere", "persons; DELETE FROM persons", ""} {
			v.Name = bad
			if _, err := feed.Read(t.Context(), v, m); err == nil {
				t.Errorf("%q was read", bad)
			}
		}
	})
}
