package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// group is the rows of one person, or of one shared account.
type group struct {
	rows   []*directory.FedRow
	idHash string // raw; empty: a shared account
	id     string
}

// group gathers the rows by national ID. Rows that contradict each other are all
// refused: which of them is right is not for us to guess.
func (m *maker) group(rows []directory.FedRow) {
	accounts := make(map[string]int, len(rows))
	for i := range rows {
		accounts[m.Names.Normalize(rows[i].Account)]++
	}
	byHash := make(map[string]*group, len(rows))
	for i := range rows {
		r := &rows[i]
		name := m.Names.Normalize(r.Account)
		switch {
		case name == "":
			m.refuse(r, "the account's name can't be one")
			continue
		case accounts[name] > 1:
			m.refuse(r, fmt.Sprintf("the account is there %d times", accounts[name]))
			continue
		case m.HasUnits && !m.agencies[r.Agency]:
			m.refuse(r, fmt.Sprintf("agency %q is not in the list of agencies", shown(r.Agency)))
			continue
		case !m.inScope(r.Agency):
			m.refuse(r, fmt.Sprintf("agency %q is not one that the source may speak of", shown(r.Agency)))
			continue
		case slices.ContainsFunc(r.Posts, func(p directory.Post) bool { return !m.inScope(p.Agency) }):
			m.fault(r, "a concurrent post is left out: its agency is not one that the source may speak of", false)
		}
		r.Account, r.Mail, r.TPEAD = name, m.Names.Normalize(r.Mail), m.Names.Normalize(r.TPEAD)
		if b := m.state.Bound[name]; m.state.Retired[r.TPEAD] || b != "" && b != r.TPEAD {
			r.TPEAD = "" // bound otherwise, or renamed, since the feed learnt of it
		}
		id := strings.ToUpper(policy.NormalizeName(r.NationalID))
		if !policy.ValidNationalID(id) {
			m.noID(r, id)
			continue
		}
		hash := string(m.Key("national-id", []byte(id)))
		g := byHash[hash]
		if g == nil {
			g = &group{idHash: hash, id: id}
			byHash[hash], m.fedIDs[hash] = g, true
			m.groups = append(m.groups, g)
		}
		g.rows = append(g.rows, r)
	}
	m.groups = slices.DeleteFunc(m.groups, m.contradicts)
}

// noID is a row without a valid national ID: a shared account, unless the account
// is known to be a person's.
func (m *maker) noID(r *directory.FedRow, id string) {
	if s := m.byAccount[r.Account]; s != nil && !s.Shared && s.IDHash != "" {
		m.refuse(r, "the account is a person's, and its national ID is now missing or not valid")
		return
	}
	if id != "" {
		m.fault(r, "the national ID is not valid: taken as a shared account", false)
	}
	m.groups = append(m.groups, &group{rows: []*directory.FedRow{r}})
}

func (m *maker) contradicts(g *group) bool {
	for _, r := range g.rows[1:] {
		if squeeze(r.Name) == squeeze(g.rows[0].Name) {
			continue
		}
		for _, r := range g.rows {
			m.refuse(r, fmt.Sprintf("the national ID is there %d times, with different names", len(g.rows)))
		}
		if s := m.byID[g.idHash]; s != nil {
			m.seen[s.ID] = true
		}
		return true
	}
	return false
}

// people plans each group. Those of whom another row is faulty are left alone:
// half of what a feed says of a person is not what it says.
func (m *maker) people(faulty map[string]bool) {
	for _, g := range m.groups {
		s, moved, fault := m.match(g)
		if s != nil {
			m.seen[s.ID] = true
			if fault == "" && faulty[s.ID] {
				fault = "another row of the same person is faulty"
			}
		}
		var to *directory.Profile
		foreign := s != nil && m.theirs(s)
		switch {
		case fault != "":
		case foreign:
			to, fault = m.foreign(g, s, moved)
		default:
			to, fault = m.profile(g, s, moved)
		}
		if fault != "" {
			for _, r := range g.rows {
				m.refuse(r, fault)
			}
			continue
		}
		if g.idHash == "" {
			m.plan.Counts.Shared++
		}
		c := directory.Change{To: to, Line: g.rows[0].Line}
		for _, h := range moved {
			c.Moved = append(c.Moved, h.Name)
		}
		for _, r := range g.rows {
			if !foreign && r.TPEAD != "" && g.idHash != "" && m.state.Bound[r.Account] == "" && !m.boundTo[r.TPEAD] {
				c.Bind = append(c.Bind, [2]string{r.Account, r.TPEAD})
			}
		}
		if s == nil {
			m.addPerson(g, c)
		} else {
			m.update(g, s, c)
		}
	}
}

// profile is what the rows make of the person.
func (m *maker) profile(g *group, s *directory.Standing, moved []directory.Holding) (*directory.Profile, string) {
	slices.SortStableFunc(g.rows, func(a, b *directory.FedRow) int { return cmp.Compare(m.rank(a, s), m.rank(b, s)) })
	main := g.rows[0]
	to := &directory.Profile{}
	if s != nil {
		*to = s.Profile
	}
	to.Name, to.Agency, to.Source, to.Shared = main.Name, main.Agency, m.Source, g.idHash == ""
	for field, set := range map[string][2]*string{
		"unit": {&to.Unit, &main.Unit}, "title": {&to.Title, &main.Title}, "email": {&to.Email, &main.Email},
		"phone": {&to.Phone, &main.Phone}, "address": {&to.Address, &main.Address},
	} {
		if m.Known[field] {
			*set[0] = *set[1]
		}
	}
	to.State = m.stateOf(g, s)
	if sign := damaged(main.Name); sign != 0 {
		reason := fmt.Sprintf("the name has %q, which stands for a character that was lost or is private", sign)
		if s != nil && s.Name != main.Name {
			to.Name = s.Name
			reason += ": the person keeps their name"
		}
		m.fault(main, reason, false)
	}
	if s != nil && s.NameByHand && squeeze(main.Name) != squeeze(s.Name) {
		to.Name = s.Name
		m.fault(main, "an administrator corrected the name, which stays: the source has another one", false)
	}
	to.Posts = m.posts(g, s, to)
	var fault string
	to.Accounts, fault = m.accounts(g, s, moved)
	return to, fault
}

// damaged finds the first sign in a name that conversions put for what they don't
// have; 0 if there is none.
func damaged(name string) rune {
	for _, c := range name {
		if strings.ContainsRune("?？□〓", c) || unicode.Is(unicode.Co, c) {
			return c
		}
	}
	return 0
}

// stateOf is enabled if a row is. Whom an administrator disabled, no feed enables.
func (m *maker) stateOf(g *group, s *directory.Standing) idp.PersonState {
	i := slices.IndexFunc(g.rows, func(r *directory.FedRow) bool { return !r.Disabled })
	switch {
	case s != nil && s.DisabledBy != "" && s.State != idp.PersonEnabled:
		if i >= 0 {
			m.fault(g.rows[i], "an administrator disabled the person, who stays so: only an administrator enables them again", false)
		}
		return s.State
	case i >= 0:
		return idp.PersonEnabled
	}
	return idp.PersonDisabled
}

// rank puts the main account first: the one that the feed calls so, then those
// that are enabled, then the one that was first before.
func (m *maker) rank(r *directory.FedRow, s *directory.Standing) int {
	rank := 4
	if s != nil && len(s.Accounts) > 0 && s.Accounts[0].Name == r.Account {
		rank--
	}
	if !r.Disabled {
		rank -= 2
	}
	if r.Main {
		rank -= 4
	}
	return rank
}

// posts are the concurrent ones: those that the feed lists, those of further
// accounts elsewhere, and those that others gave.
func (m *maker) posts(g *group, s *directory.Standing, to *directory.Profile) []directory.Post {
	var found []directory.Post
	for i, r := range g.rows {
		if !r.Disabled {
			found = m.postsOf(found, r, i > 0, to)
		}
	}
	return m.withOthers(s, found)
}

// postsOf adds the posts of a row, that of the row itself too if so asked.
func (m *maker) postsOf(found []directory.Post, r *directory.FedRow, itself bool, to *directory.Profile) []directory.Post {
	list := r.Posts
	if itself {
		list = append([]directory.Post{{Agency: r.Agency, Unit: r.Unit, Title: r.Title}}, list...)
	}
	for _, p := range list {
		p.Source = m.Source
		if !slices.ContainsFunc(found, p.Same) && !p.Same(directory.Post{Agency: to.Agency, Unit: to.Unit, Title: to.Title}) &&
			m.agencies[p.Agency] && m.inScope(p.Agency) {
			found = append(found, p)
		}
	}
	return found
}

// accounts keeps what the person has, closes portal accounts that the feed has
// not any more, and adds the new ones.
func (m *maker) accounts(g *group, s *directory.Standing, moved []directory.Holding) (list []directory.Holding, fault string) {
	fed := map[string]bool{}
	take := func(name string, kind idp.AccountKind, line int, closed bool) {
		if name == "" || fed[name] {
			return
		}
		fed[name] = true
		list = append(list, directory.Holding{Name: name, Kind: kind, Closed: closed})
		if other, ok := m.claimed[name]; ok {
			fault = fmt.Sprintf("account %q is line %d's too", shown(name), other)
		}
		m.claimed[name] = line
		if owner := m.taken[name]; owner != "" && kind != idp.AccountPortal && (s == nil || owner != s.ID) && !slices.ContainsFunc(moved, named(name)) {
			fault = fmt.Sprintf("account %q is another person's", shown(name))
		}
	}
	enabled := slices.ContainsFunc(g.rows, func(r *directory.FedRow) bool { return !r.Disabled })
	for _, r := range g.rows {
		// Of a disabled person's accounts none needs closing.
		take(r.Account, idp.AccountPortal, r.Line, r.Disabled && enabled)
	}
	for _, r := range g.rows {
		take(r.Mail, idp.AccountMail, r.Line, false)
		if g.idHash != "" {
			take(r.TPEAD, idp.AccountTPEAD, r.Line, false)
		}
	}
	for _, a := range moved {
		if !fed[a.Name] {
			list = append(list, a)
		}
	}
	if s == nil {
		return list, fault
	}
	for _, a := range s.Accounts {
		if fed[a.Name] {
			i := slices.IndexFunc(list, named(a.Name))
			if a.Kind != idp.AccountPortal {
				list[i] = a // a TPEAD account that became a single one stays one
			}
			continue
		}
		if a.Kind == idp.AccountPortal && !a.Closed && s.Source == m.Source {
			a.Closed = true
		}
		list = append(list, a)
	}
	return list, fault
}

func named(name string) func(directory.Holding) bool {
	return func(h directory.Holding) bool { return h.Name == name }
}

func (m *maker) addPerson(g *group, c directory.Change) {
	if len(c.Moved) > 0 {
		m.plan.Counts.Identities++
	}
	c.Kind, c.PersonID = directory.ChangeAdd, m.NewID()
	c.Identity = m.identity(g, c.PersonID)
	m.add(c)
	m.plan.Counts.Add++
}

func (m *maker) identity(g *group, personID string) *directory.Identity {
	if g.idHash == "" {
		return nil
	}
	return &directory.Identity{
		Sealed: m.Seal([]byte(g.id), "national-id/"+personID), Hash: []byte(g.idHash), Tail: g.id[len(g.id)-4:],
	}
}
