package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"taipeion.internal/idp/directory/feed"
)

// Sync is where people and agencies come from.
type Sync struct {
	// How often one node of all reads the sources by itself. 0s: never.
	Every Duration `yaml:"every"`
	// The sources. Each owns the people it gave: whom it does not give any more is disabled.
	Sources []SyncSource `yaml:"sources"`
}

// SyncSource is one feed of people.
type SyncSource struct {
	// Its name, for the record and as the owner of its people: never to be changed.
	Name string `yaml:"name" example:"portal"`
	// csv, sql or ldap.
	Kind string `yaml:"kind" example:"csv"`
	// csv: the file, with the names of the columns in its first line.
	File string `yaml:"file" example:"feed/people.csv"`
	// csv: a list of all agencies with the columns code, name and parent. Empty: agencies
	// are those that people are in.
	AgenciesFile string `yaml:"agencies_file" example:"\"\""`
	// csv: utf-8, big5 (code page 950) or big5-hkscs. Characters of big5's private ranges are
	// refused: they are each city's own.
	Encoding string `yaml:"encoding" example:"utf-8"`
	// csv: what stands between two values, a sign of ASCII; with big5 one before "@".
	Separator string `yaml:"separator" example:"\",\""`
	// sql: file, mode 0600, that holds the address of a PostgreSQL database.
	PostgreSQLFile string `yaml:"postgresql_file" example:"\"\""`
	// sql: a SQLite file, read only.
	SQLite string `yaml:"sqlite" example:"\"\""`
	// sql: the view or table with people.
	View string `yaml:"view" example:"\"\""`
	// sql: the view or table with agencies, as agencies_file.
	AgenciesView string `yaml:"agencies_view" example:"\"\""`
	// ldap: the name of one of directory.backends; columns are attributes.
	Backend string `yaml:"backend" example:"\"\""`
	// ldap: which entries are people.
	Filter string `yaml:"filter" example:"\"\""`
	// Which column holds what, as FIELD=COLUMN; "FIELD=" for a field that is not there. Fields
	// are account, name, national_id, agency, agency_name, unit, title, state, email, phone,
	// address, mail, tpead, main and posts (AGENCY/UNIT/TITLE;...). The first eight are
	// there, by their own names, unless said otherwise.
	Columns []string `yaml:"columns" example:"[account=帳號, name=姓名, national_id=身分證字號, agency=機關代碼, agency_name=機關, unit=單位, title=職稱, state=狀態]"`
	// Values of state that mean enabled. Empty: "", enabled, 1, Y, 在職, 啟用.
	Enabled []string `yaml:"enabled" example:"[]"`
	// Values of state that mean disabled. Empty: disabled, 0, N, 離職, 停用.
	Disabled []string `yaml:"disabled" example:"[]"`
	// Codes of the agencies that it may speak of: rows of others are refused. Empty: all. A
	// person whom another source gave gets a post from it, and nothing else.
	Agencies []string `yaml:"agencies" example:"[]"`
	// Per cent of its enabled people that a run may disable, enable, move to another agency or
	// give another national ID without being confirmed; one person alone may always be
	// disabled, but the last. 0: 2.
	MaxDisabled int `yaml:"max_disabled" example:"2"`
	// Per cent of its rows that may be missing against the last run. 0: 10.
	MaxMissing int `yaml:"max_missing" example:"10"`
}

var viewName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$`)

func (c *Config) checkSync(k *check) {
	every := c.Sync.Every.D()
	k.that(every == 0 || every >= time.Minute && every <= 24*time.Hour, "sync.every", "must be 0s, or from 1m to 24h")
	names := map[string]bool{}
	for i, s := range c.Sync.Sources {
		key := fmt.Sprintf("sync.sources[%d]", i)
		k.that(s.Name != "" && !names[s.Name], key+".name", "is required, and each one's own")
		names[s.Name] = true
		switch s.Kind {
		case "csv":
			k.that(s.File != "", key+".file", "is required")
			k.that(s.View == "" && s.AgenciesView == "" && s.PostgreSQLFile == "" && s.SQLite == "", key, "view, postgresql_file and sqlite are for sql only")
		case "sql":
			k.that((s.PostgreSQLFile == "") != (s.SQLite == ""), key, "needs one of postgresql_file and sqlite")
			k.that(viewName.MatchString(s.View), key+".view", "%q must be the name of a view, or SCHEMA.VIEW", s.View)
			k.that(s.AgenciesView == "" || viewName.MatchString(s.AgenciesView), key+".agencies_view", "%q must be the name of a view", s.AgenciesView)
			k.that(s.File == "" && s.AgenciesFile == "", key, "file and agencies_file are for csv only")
		case "ldap":
			known := slices.ContainsFunc(c.Directory.Backends, func(b DirectoryBackend) bool { return b.Name == s.Backend })
			k.that(known, key+".backend", "%q is none of directory.backends", s.Backend)
			k.that(strings.HasPrefix(s.Filter, "(") && strings.HasSuffix(s.Filter, ")"), key+".filter", "must be an LDAP filter, such as (objectClass=person)")
			k.that(s.File == "" && s.View == "", key, "file and view are not for ldap")
		default:
			k.that(false, key+".kind", "%q must be csv, sql or ldap", s.Kind)
		}
		encoding, err := feed.ParseEncoding(s.Encoding)
		k.that(err == nil, key+".encoding", "%v", err)
		k.that(separatorFits(s.Separator, encoding), key+".separator",
			"must be one character of ASCII, no letter and no digit; with big5 none of @ [ \\ ] ^ _ ` { | } ~, which are parts of other characters")
		_, err = s.Mapping()
		k.that(err == nil, key+".columns", "%v", err)
		k.that(s.MaxDisabled >= 0 && s.MaxDisabled <= 100, key+".max_disabled", "must be from 0 to 100")
		k.that(s.MaxMissing >= 0 && s.MaxMissing <= 100, key+".max_missing", "must be from 0 to 100")
	}
}

func separatorFits(s, encoding string) bool {
	if s == "" {
		return true
	}
	c := s[0]
	letter := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
	return len(s) == 1 && c < 0x7f && (c >= ' ' || c == '\t') && c != '"' && !letter && (encoding == feed.UTF8 || c < 0x40)
}

// Mapping is which column holds what.
func (s SyncSource) Mapping() (feed.Mapping, error) {
	m := feed.DefaultMapping()
	if len(s.Enabled) > 0 {
		m.Enabled = s.Enabled
	}
	if len(s.Disabled) > 0 {
		m.Disabled = s.Disabled
	}
	fields := map[string]*string{
		"account": &m.Account, "name": &m.Name, "national_id": &m.NationalID, "agency": &m.Agency, "agency_name": &m.AgencyName,
		"unit": &m.Unit, "title": &m.Title, "state": &m.State, "email": &m.Email, "phone": &m.Phone, "address": &m.Address,
		"mail": &m.Mail, "tpead": &m.TPEAD, "main": &m.Main, "posts": &m.Posts,
	}
	for _, c := range s.Columns {
		field, column, ok := strings.Cut(c, "=")
		to := fields[strings.TrimSpace(field)]
		if !ok || to == nil {
			return m, fmt.Errorf("%q is not FIELD=COLUMN", c)
		}
		*to = strings.TrimSpace(column)
	}
	if m.Account == "" || m.Name == "" || m.Agency == "" {
		return m, fmt.Errorf("account, name and agency need a column each")
	}
	return m, nil
}
