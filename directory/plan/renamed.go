package plan

import (
	"slices"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// renamed finds the portal account that the source gives a person in the place of
// another: the feed has the one not any more, and the other for the first time. With
// more of either it can't be told, and nothing is.
func (m *maker) renamed(g *group, s *directory.Standing, c *directory.Change) [][2]string {
	if g.idHash == "" || m.theirs(s) {
		return nil
	}
	var gone, come []string
	for _, a := range c.To.Accounts {
		i := slices.IndexFunc(s.Accounts, named(a.Name))
		fed := slices.ContainsFunc(g.rows, func(r *directory.FedRow) bool { return r.Account == a.Name })
		switch {
		case a.Kind != idp.AccountPortal:
		case i < 0 && !a.Closed && !slices.Contains(c.Moved, a.Name):
			come = append(come, a.Name)
		case i >= 0 && a.Closed && !s.Accounts[i].Closed && !fed:
			gone = append(gone, a.Name)
		}
	}
	if len(gone) != 1 || len(come) != 1 || m.state.Bound[come[0]] != "" || slices.ContainsFunc(c.Bind, func(b [2]string) bool { return b[0] == come[0] }) {
		return nil
	}
	return [][2]string{{gone[0], come[0]}}
}

// noteRenamed plans that the binding follows.
func (m *maker) noteRenamed(g *group, s *directory.Standing, c *directory.Change) {
	c.Renamed = m.renamed(g, s, c)
	for _, r := range c.Renamed {
		if tpead := m.state.Bound[r[0]]; tpead != "" {
			c.Fields = append(c.Fields, directory.FieldChange{Field: "bound", Old: r[0] + " = " + tpead, New: r[1] + " = " + tpead})
		}
	}
}
