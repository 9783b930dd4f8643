package plan

import (
	"fmt"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// units plans new and changed agencies and units. None is ever taken away: past
// posts name them.
func (m *maker) units(rows []directory.FedRow) {
	kept := make(map[[2]string]directory.Unit, len(m.state.Units))
	for _, u := range m.state.Units {
		kept[[2]string{u.Agency, u.Name}] = u
		m.agencies[u.Agency] = true
		if u.Name == "" {
			m.keptAgencies++
		}
	}
	put := func(u directory.Unit, named bool) {
		if !m.inScope(u.Agency) {
			return
		}
		key := [2]string{u.Agency, u.Name}
		old, there := kept[key]
		if there && (!named || old == u) {
			return
		}
		c := directory.Change{Kind: directory.ChangeUnit, Unit: &u}
		if there {
			c.Fields = diffUnit(old, u)
			if old.AgencyName != u.AgencyName {
				m.agencyNames++
			}
		}
		kept[key] = u
		m.agencies[u.Agency] = true
		m.add(c)
		m.plan.Counts.Units++
	}
	for _, a := range m.Agencies {
		put(a, true)
	}
	names := m.agencyNamesOf(rows)
	for i := range rows {
		r := &rows[i]
		if !m.HasUnits {
			old := kept[[2]string{r.Agency, ""}]
			name := r.AgencyName
			if name == "" {
				name = r.Agency
			}
			named := r.AgencyName != "" && (!m.agencies[r.Agency] || names[r.Agency] == r.AgencyName)
			put(directory.Unit{Agency: r.Agency, AgencyName: name, Parent: old.Parent}, named)
		}
		for _, p := range append([]directory.Post{{Agency: r.Agency, Unit: r.Unit}}, r.Posts...) {
			if !m.HasUnits && !m.agencies[p.Agency] {
				put(directory.Unit{Agency: p.Agency, AgencyName: p.Agency}, false)
			}
			if p.Unit != "" && m.agencies[p.Agency] {
				put(directory.Unit{Agency: p.Agency, Name: p.Unit}, false)
			}
		}
	}
}

// agencyNamesOf are the names that an agency has from its rows alone: those on which
// the rows agree, of agencies of which no other source has people.
func (m *maker) agencyNamesOf(rows []directory.FedRow) map[string]string {
	names := map[string]string{}
	if m.HasUnits {
		return names
	}
	disputed := map[string]bool{}
	for i := range rows {
		r := &rows[i]
		if r.AgencyName == "" || !m.inScope(r.Agency) || disputed[r.Agency] {
			continue
		}
		if first, there := names[r.Agency]; there && first != r.AgencyName {
			disputed[r.Agency] = true
			m.fault(r, fmt.Sprintf("the agency %q has two names in the feed: it keeps the one that it has", shown(r.Agency)), false)
			continue
		}
		names[r.Agency] = r.AgencyName
	}
	for _, s := range m.state.People {
		if s.State == idp.PersonEnabled && m.theirs(s) {
			delete(names, s.Agency)
		}
	}
	for agency := range disputed {
		delete(names, agency)
	}
	return names
}

func diffUnit(old, now directory.Unit) (fields []directory.FieldChange) {
	if old.AgencyName != now.AgencyName {
		fields = append(fields, directory.FieldChange{Field: "agency_name", Old: old.AgencyName, New: now.AgencyName})
	}
	if old.Parent != now.Parent {
		fields = append(fields, directory.FieldChange{Field: "parent", Old: old.Parent, New: now.Parent})
	}
	return fields
}
