package config

import (
	"net/url"
	"slices"
	"strings"
)

// onlyMail tells whether mailboxes follow there, and nobody logs in by it.
func (b DirectoryBackend) onlyMail() bool { return slices.Equal(b.Accounts, []string{"mail"}) }

// overlaps tells whether an entry may be below the base of both, on one server.
func (b DirectoryBackend) overlaps(o DirectoryBackend) bool {
	hosts := func(servers []string) (names []string) {
		for _, s := range servers {
			if u, err := url.Parse(s); err == nil {
				names = append(names, strings.ToLower(u.Hostname()+":"+u.Port()))
			}
		}
		return names
	}
	plain := func(dn string) string { return "," + strings.ToLower(strings.Join(strings.Fields(dn), "")) }
	one, two := plain(b.Base), plain(o.Base)
	if !strings.HasSuffix(one, two) && !strings.HasSuffix(two, one) {
		return false
	}
	theirs := hosts(o.Servers)
	return slices.ContainsFunc(hosts(b.Servers), func(host string) bool { return slices.Contains(theirs, host) })
}
