package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// State is what is kept.
type State struct {
	People  []*directory.Standing
	Units   []directory.Unit  // agencies (without Name) and their units
	LastRow int               // rows of the source's last applied run; 0: none
	Torn    int               // rows of that run that did not say whose they were, and hid nobody
	Bound   map[string]string // portal account: its TPEAD account
	Retired map[string]bool   // names that were given once and are nobody's any more
}

// Options are what a plan is made with.
type Options struct {
	Source    string
	Known     map[string]bool // optional fields that the source speaks about
	Names     policy.Names
	Agencies  []directory.Unit // the source's own list; nil: from the rows of people
	Key       func(context string, data []byte) []byte
	Seal      func(plain []byte, context string) []byte
	NewID     func() string
	Limits    Limits
	HasUnits  bool              // Agencies is complete: a row of an agency that is not in it is faulty
	Scope     map[string]bool   // the agencies that the source may speak of; nil: all
	Also      []directory.Fault // of the list of agencies
	TotalRows int               // of the feed, the faulty ones too
}

// Limits say when a plan has to be confirmed.
type Limits struct {
	// Share of the source's enabled people who may be disabled, enabled, moved to
	// another agency, get another national ID, or lose an account; the city's: 0.02.
	Disabled float64
	Smaller  float64 // share of rows that may be missing against the last run; 0.1
	Renamed  float64 // share of people whose names change: columns that moved; 0.1
}

// CityLimits are the city's.
func CityLimits() Limits { return Limits{Disabled: 0.02, Smaller: 0.1, Renamed: 0.1} }

// Plan leads from what is kept to what the feed says.
type Plan struct {
	ID      string // the same for the same changes
	Changes []directory.Change
	Faults  []directory.Fault
	Asks    []string // why it must be confirmed; none: it need not
	Counts  Counts
}

// Counts sums a plan up.
type Counts struct {
	Rows     int `json:"rows"`
	Faults   int `json:"faults"`
	Enabled  int `json:"enabled"` // of the source, before
	Units    int `json:"units"`
	Add      int `json:"add"`
	Update   int `json:"update"`
	Disable  int `json:"disable"`
	Enable   int `json:"enable"`
	Shared   int `json:"shared"` // shared accounts in the feed
	Same     int `json:"same"`
	Renames  int `json:"names"` // people whose name changes
	Accounts int `json:"closed_accounts"`

	Identities int `json:"identities"` // people whose national ID changes, shared accounts that become a person's
	Moves      int `json:"moves"`      // people who change their agency
	Torn       int `json:"torn"`       // rows that don't say whose they are
	Held       int `json:"held"`       // people who are missing, and left alone because of these
	TornKnown  int `json:"torn_known"` // rows of that kind that hid nobody in the last run that held nobody
}

// Changed is how many changes there are.
func (c Counts) Changed() int { return c.Units + c.Add + c.Update + c.Disable + c.Enable }

// Make makes the plan. rows and faults are the feed's.
func Make(rows []directory.FedRow, faults []directory.Fault, state State, o Options) *Plan {
	m := &maker{Options: o, plan: &Plan{Faults: slices.Clone(faults)}, state: state}
	m.index()
	m.units(rows)
	m.group(rows)
	m.people(maps.Clone(m.faulty))
	m.missing()
	m.finish()
	return m.plan
}

// maker makes one plan.
type maker struct {
	Options
	plan      *Plan
	state     State
	byID      map[string]*directory.Standing // of the keyed hash
	byAccount map[string]*directory.Standing // of the portal account
	taken     map[string]string              // every account name kept: person ID
	agencies  map[string]bool
	groups    []*group
	boundTo   map[string]bool // TPEAD accounts that are bound
	seen      map[string]bool // people that the feed speaks of, well or badly
	faulty    map[string]bool // people of whom a row is faulty: left as they are
	fedIDs    map[string]bool // keyed hashes of the national IDs in the feed
	claimed   map[string]int  // account names given out by this plan: line

	keptAgencies, agencyNames int // how many there are, and how many of them get another name
}

func (m *maker) index() {
	n := len(m.state.People)
	m.byID = make(map[string]*directory.Standing, n)
	m.byAccount = make(map[string]*directory.Standing, n)
	m.taken = make(map[string]string, 2*n)
	m.seen, m.claimed, m.agencies = make(map[string]bool, n), map[string]int{}, map[string]bool{}
	m.faulty, m.fedIDs = map[string]bool{}, make(map[string]bool, n)
	for _, s := range m.state.People {
		if s.IDHash != "" {
			m.byID[s.IDHash] = s
		}
		for _, a := range s.Accounts {
			m.taken[a.Name] = s.ID
			if a.Kind == idp.AccountPortal {
				m.byAccount[a.Name] = s
			}
		}
		if s.Source == m.Source && s.State == idp.PersonEnabled {
			m.plan.Counts.Enabled++
		}
	}
	m.boundTo = make(map[string]bool, len(m.state.Bound))
	for _, tpead := range m.state.Bound {
		m.boundTo[tpead] = true
	}
	// Whom a row with a fault seems to be about is not missing.
	for _, f := range m.plan.Faults {
		if known, _ := m.excuse(f.Account, f.NationalID); f.Torn && !known {
			m.plan.Counts.Torn++
		}
	}
	m.plan.Faults = append(m.plan.Faults, m.Also...)
}

// excuse leaves those alone whom a row names, by account or national ID.
func (m *maker) excuse(account, id string) (known, valid bool) {
	people := []*directory.Standing{m.byAccount[m.Names.Normalize(account)]}
	if id = strings.ToUpper(policy.NormalizeName(id)); policy.ValidNationalID(id) {
		valid = true
		people = append(people, m.byID[string(m.Key("national-id", []byte(id)))])
	}
	for _, s := range people {
		if s != nil {
			m.seen[s.ID], m.faulty[s.ID], known = true, true, true
		}
	}
	return known, valid
}

// refuse reports a row that is not taken.
func (m *maker) refuse(r *directory.FedRow, reason string) {
	m.fault(r, reason, true)
	if known, valid := m.excuse(r.Account, r.NationalID); !known && !valid && m.Names.Normalize(r.Account) == "" {
		m.plan.Counts.Torn++
	}
}

func (m *maker) fault(r *directory.FedRow, reason string, refused bool) {
	m.plan.Faults = append(m.plan.Faults, directory.Fault{Line: r.Line, Account: r.Account, Reason: reason, Refused: refused})
}

func (m *maker) add(c directory.Change) { m.plan.Changes = append(m.plan.Changes, c) }

func (m *maker) inScope(agency string) bool { return m.Scope == nil || m.Scope[agency] }

// finish numbers the changes, names the plan and asks where it must.
func (m *maker) finish() {
	p := m.plan
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n", m.Source)
	for i := range p.Changes {
		c := &p.Changes[i]
		c.Seq = int64(i)
		m.digest(sum, c)
	}
	p.ID = hex.EncodeToString(sum.Sum(nil))[:12]
	for i := range p.Faults {
		p.Faults[i].Account, p.Faults[i].NationalID = shown(p.Faults[i].Account), ""
	}
	slices.SortStableFunc(p.Faults, func(a, b directory.Fault) int { return a.Line - b.Line })
	p.Counts.Rows, p.Counts.Faults = m.TotalRows, len(p.Faults)
	m.ask()
}

// digest leaves out what is drawn anew each time: new people's IDs and seals.
func (m *maker) digest(sum interface{ Write([]byte) (int, error) }, c *directory.Change) {
	d := *c
	if c.Identity != nil {
		d.Identity = &directory.Identity{Hash: c.Identity.Hash, Tail: c.Identity.Tail}
	}
	text, err := json.Marshal(d)
	if err != nil {
		panic(fmt.Sprintf("encode a change: %v", err)) // values of ours always can
	}
	id := c.PersonID
	if c.Kind == directory.ChangeAdd {
		id = ""
	}
	fmt.Fprintf(sum, "%s %s %s\n", c.Kind, id, text)
}

// shown is a value as a fault may name it: columns that moved put national IDs,
// right ones and mistyped ones, where something else belongs.
func shown(v string) string {
	id := strings.ToUpper(policy.NormalizeName(v))
	if !likeID(id) {
		return v
	}
	return Tail(id[len(id)-4:])
}

func likeID(id string) bool {
	if len(id) != 10 || id[0] < 'A' || id[0] > 'Z' {
		return false
	}
	for _, c := range id[2:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return id[1] >= '0' && id[1] <= '9' || id[1] >= 'A' && id[1] <= 'D'
}

// squeeze makes names comparable: spaces don't count.
func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }
