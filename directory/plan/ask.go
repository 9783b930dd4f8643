package plan

import "fmt"

// ask says why the plan has to be confirmed, if it has to be: what changes of many
// people at once is rather a feed that went wrong.
func (m *maker) ask() {
	c, p := m.plan.Counts, m.plan
	// Of a few people one alone is no mass, unless it is the last: who is switched
	// off is asked about sooner than what is only changed.
	over := func(n int, share float64, of int) bool { return n > 2 && float64(n) > share*float64(of) }
	gone := func(n int, share float64, of int) bool { return float64(n) > share*float64(of) && (n > 1 || n == of) }
	if gone(c.Disable, m.Limits.Disabled, c.Enabled) {
		p.Asks = append(p.Asks, fmt.Sprintf("%d of %d enabled people would be disabled", c.Disable, c.Enabled))
	}
	for _, mass := range []struct {
		n     int
		share float64
		text  string
	}{
		{c.Accounts, m.Limits.Disabled, "%d accounts of %d people would be closed"},
		{c.Enable, m.Limits.Disabled, "%d people would be enabled, beside %d who are"},
		{c.Identities, m.Limits.Disabled, "the national IDs of %d of %d people would change"},
		{c.Moves, m.Limits.Disabled, "%d of %d people would change their agency"},
		{c.Renames, m.Limits.Renamed, "the names of %d of %d people would change"},
	} {
		if over(mass.n, mass.share, c.Enabled) {
			p.Asks = append(p.Asks, fmt.Sprintf(mass.text, mass.n, c.Enabled))
		}
	}
	if over(m.agencyNames, m.Limits.Renamed, m.keptAgencies) {
		p.Asks = append(p.Asks, fmt.Sprintf("the names of %d of %d agencies would change", m.agencyNames, m.keptAgencies))
	}
	if last := m.state.LastRow; last > 0 && gone(last-c.Rows, m.Limits.Smaller, last) {
		p.Asks = append(p.Asks, fmt.Sprintf("the feed has %d rows, and had %d the last time", c.Rows, last))
	}
}
