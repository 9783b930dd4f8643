package plan

import (
	"cmp"
	"fmt"
	"slices"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// theirs tells whether the person is another source's.
func (m *maker) theirs(s *directory.Standing) bool { return s.Source != "" && s.Source != m.Source }

func (m *maker) ours(p directory.Post) bool { return p.Source == m.Source }

// withOthers adds the posts that others gave, in an order that is the same
// whichever source is read.
func (m *maker) withOthers(s *directory.Standing, found []directory.Post) []directory.Post {
	var all []directory.Post
	if s != nil {
		for _, p := range s.Posts {
			if !m.ours(p) && !slices.ContainsFunc(found, p.Same) {
				all = append(all, p)
			}
		}
	}
	all = append(all, found...)
	slices.SortStableFunc(all, func(a, b directory.Post) int { return cmp.Compare(a.Source, b.Source) })
	return all
}

// foreign is what rows make of another source's person: posts, and nothing else.
func (m *maker) foreign(g *group, s *directory.Standing, moved []directory.Holding) (*directory.Profile, string) {
	main := g.rows[0]
	if len(moved) > 0 || squeeze(main.Name) != squeeze(s.Name) {
		return nil, fmt.Sprintf("the national ID is that of a person of source %q, by another name or account", s.Source)
	}
	to := s.Profile
	var found []directory.Post
	for _, r := range g.rows {
		if r.Disabled {
			continue
		}
		found = m.postsOf(found, r, true, &to)
		if s.State != idp.PersonEnabled || !slices.ContainsFunc(s.Accounts, func(h directory.Holding) bool { return h.Name == r.Account }) {
			m.fault(r, fmt.Sprintf("the person is source %q's: only the post is taken", s.Source), false)
		}
	}
	to.Posts = m.withOthers(s, found)
	return &to, ""
}
