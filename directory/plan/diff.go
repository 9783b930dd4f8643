package plan

import (
	"slices"
	"strings"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// update plans what is different of a person, if anything is.
func (m *maker) update(g *group, s *directory.Standing, c directory.Change) {
	c.PersonID, c.Base = s.ID, s.UpdatedAt
	c.Fields = Diff(&s.Profile, c.To)
	m.noteRenamed(g, s, &c)
	switch {
	case g.idHash == "" || g.idHash == s.IDHash:
	case s.IdentityByHand:
		m.fault(g.rows[0], "an administrator corrected the national ID, which stays: the source has another one", false)
	default:
		c.Identity = m.identity(g, s.ID)
		m.plan.Counts.Identities++
		c.Fields = append(c.Fields, directory.FieldChange{Field: "national_id", Old: Tail(s.IDTail), New: Tail(c.Identity.Tail)})
	}
	if len(c.Fields) == 0 && len(c.Moved) == 0 && len(c.Bind) == 0 {
		m.plan.Counts.Same++
		return
	}
	counts := &m.plan.Counts
	switch {
	case s.State == idp.PersonEnabled && c.To.State != idp.PersonEnabled:
		c.Kind = directory.ChangeDisable
		counts.Disable++
	case s.State != idp.PersonEnabled && c.To.State == idp.PersonEnabled:
		c.Kind = directory.ChangeEnable
		counts.Enable++
	default:
		c.Kind = directory.ChangeUpdate
		counts.Update++
	}
	if s.Name != c.To.Name && s.State == idp.PersonEnabled {
		counts.Renames++
	}
	if s.Agency != c.To.Agency && s.State == idp.PersonEnabled {
		counts.Moves++
	}
	if len(c.Moved) > 0 {
		counts.Identities++
	}
	for _, a := range c.To.Accounts {
		if a.Closed && slices.ContainsFunc(s.Accounts, func(old directory.Holding) bool { return old.Name == a.Name && !old.Closed }) {
			counts.Accounts++
		}
	}
	m.add(c)
}

// Tail is the end of a national ID as it is shown.
func Tail(t string) string {
	if t == "" {
		return ""
	}
	return "…" + t
}

// Diff lists the fields that differ.
func Diff(old, now *directory.Profile) (fields []directory.FieldChange) {
	put := func(field, a, b string) {
		if a != b {
			fields = append(fields, directory.FieldChange{Field: field, Old: a, New: b})
		}
	}
	put("name", old.Name, now.Name)
	put("agency", old.Agency, now.Agency)
	put("unit", old.Unit, now.Unit)
	put("title", old.Title, now.Title)
	put("email", old.Email, now.Email)
	put("phone", old.Phone, now.Phone)
	put("address", old.Address, now.Address)
	put("state", string(old.State), string(now.State))
	put("source", old.Source, now.Source)
	if old.Shared != now.Shared {
		put("shared", yes(old.Shared), yes(now.Shared))
	}
	if !slices.Equal(old.Accounts, now.Accounts) {
		put("accounts", holdings(old.Accounts), holdings(now.Accounts))
	}
	if !slices.Equal(old.Posts, now.Posts) {
		put("posts", posts(old.Posts), posts(now.Posts))
	}
	return fields
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func holdings(list []directory.Holding) string {
	var parts []string
	for _, a := range list {
		text := string(a.Kind) + ":" + a.Name
		if a.Closed {
			text += " (closed)"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func posts(list []directory.Post) string {
	var parts []string
	for _, p := range list {
		parts = append(parts, p.Agency+"/"+p.Unit+"/"+p.Title)
	}
	return strings.Join(parts, "; ")
}
