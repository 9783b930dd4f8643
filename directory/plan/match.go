package plan

import (
	"fmt"
	"slices"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// match finds whose rows these are, and the accounts of shared ones that turn out
// to be theirs. Accounts are given to newcomers again and national IDs are mistyped:
// one of them alone makes nobody somebody whom we know.
func (m *maker) match(g *group) (s *directory.Standing, moved []directory.Holding, fault string) {
	if g.idHash == "" {
		s, fault = m.matchShared(g.rows[0])
		return s, nil, fault
	}
	byID := m.byID[g.idHash]
	if byID != nil && !agrees(g, byID) {
		return byID, nil, "the national ID is that of somebody with another name and other accounts"
	}
	s = byID
	for _, r := range g.rows {
		owner := m.byAccount[r.Account]
		switch {
		case owner == nil && m.taken[r.Account] != "":
			return s, nil, "the name is another kind of account already"
		case owner == nil || owner == s:
		case m.theirs(owner):
			return s, nil, fmt.Sprintf("the account is one of source %q", owner.Source)
		case owner.Shared: // it turns out to be this person's
			if !slices.ContainsFunc(moved, named(r.Account)) {
				moved = append(moved, owner.Accounts...)
			}
			m.seen[owner.ID] = true
		case s != nil:
			return s, nil, "the account is another person's"
		default:
			if fault := m.corrects(r, owner); fault != "" {
				return nil, nil, fault
			}
			s = owner
		}
	}
	return s, moved, ""
}

// corrects tells what is against a row being the owner's, with a national ID that
// was wrong or missing before.
func (m *maker) corrects(r *directory.FedRow, owner *directory.Standing) (fault string) {
	switch {
	case owner.IDHash != "" && m.fedIDs[owner.IDHash]:
		return "the account is another person's, who is in this feed too"
	case squeeze(owner.Name) != squeeze(r.Name):
		return "the account is another person's: name and national ID both differ"
	case owner.State != idp.PersonEnabled:
		return "the account was that of somebody of the same name who has left, by another national ID"
	}
	return ""
}

func (m *maker) matchShared(r *directory.FedRow) (*directory.Standing, string) {
	owner := m.byAccount[r.Account]
	switch {
	case owner == nil && m.taken[r.Account] != "":
		return nil, "the name is another kind of account already"
	case owner == nil:
		return nil, ""
	case m.theirs(owner):
		return nil, fmt.Sprintf("the account is one of source %q", owner.Source)
	case !owner.Shared:
		return nil, "the account is a person's"
	}
	return owner, ""
}

// agrees tells whether a row has the person's name or one of their accounts.
func agrees(g *group, s *directory.Standing) bool {
	return slices.ContainsFunc(g.rows, func(r *directory.FedRow) bool {
		return squeeze(r.Name) == squeeze(s.Name) || slices.ContainsFunc(s.Accounts, named(r.Account))
	})
}
