package plan

import (
	"fmt"
	"slices"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// shownHeld is how many of those who are left alone are named.
const shownHeld = 100

// missing plans to disable whom the source gave before and does not any more, and
// to take away the posts of those whom it gave no more than a post. Where there are
// more rows than usual that don't say whose they are, anybody may be behind them:
// then nobody is missing.
func (m *maker) missing() {
	counts := &m.plan.Counts
	hold := counts.Torn > m.state.Torn
	for _, s := range m.state.People {
		if m.seen[s.ID] {
			continue
		}
		var c directory.Change
		switch {
		case s.Source == m.Source && s.State == idp.PersonEnabled:
			c = disabling(s)
		case m.theirs(s) && slices.ContainsFunc(s.Posts, m.ours):
			c = m.leaving(s)
		default:
			continue
		}
		switch {
		case hold:
			counts.Held++
			if counts.Held <= shownHeld {
				m.plan.Faults = append(m.plan.Faults, directory.Fault{
					Account: firstAccount(s), Reason: fmt.Sprintf("not in the feed, but left alone: %d rows don't say whose they are", counts.Torn),
				})
			}
			continue
		case c.Kind == directory.ChangeDisable:
			counts.Disable++
		default:
			counts.Update++
		}
		m.add(c)
	}
	counts.TornKnown = counts.Torn
	if counts.Held > 0 {
		counts.TornKnown = m.state.Torn
	}
}

func firstAccount(s *directory.Standing) string {
	if len(s.Accounts) == 0 {
		return ""
	}
	return s.Accounts[0].Name
}

func disabling(s *directory.Standing) directory.Change {
	to := s.Profile
	to.State = idp.PersonDisabled
	return directory.Change{
		Kind: directory.ChangeDisable, PersonID: s.ID, Base: s.UpdatedAt, To: &to,
		Fields: []directory.FieldChange{{Field: "state", Old: string(s.State), New: string(to.State)}, {Field: "feed", Old: "there", New: "missing"}},
	}
}

func (m *maker) leaving(s *directory.Standing) directory.Change {
	to := s.Profile
	to.Posts = m.withOthers(s, nil)
	return directory.Change{Kind: directory.ChangeUpdate, PersonID: s.ID, Base: s.UpdatedAt, To: &to, Fields: Diff(&s.Profile, &to)}
}
