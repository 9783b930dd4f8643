package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"taipeion.internal/idp/directory"
)

// Records are rows of a source: a file, a view, a directory.
type Records interface {
	// Each calls yield with every row in turn. The first call's values are the
	// names of the columns. A row with fault can't be read: its values may be nil.
	// An error of yield ends it and is returned.
	Each(ctx context.Context, yield func(line int, values []string, fault string) error) error
}

// Mapping says which column holds what; an empty one is not there. Account, Name
// and Agency are required.
type Mapping struct {
	Account, Name, NationalID, Agency, AgencyName, Unit, Title, State string
	Email, Phone, Address, Mail, TPEAD, Main, Posts                   string
	Enabled, Disabled                                                 []string // values of State
}

// DefaultMapping has our own names for columns.
func DefaultMapping() Mapping {
	return Mapping{
		Account: "account", Name: "name", NationalID: "national_id", Agency: "agency", AgencyName: "agency_name", Unit: "unit",
		Title: "title", State: "state",
		Enabled: []string{"", "enabled", "1", "Y", "在職", "啟用"}, Disabled: []string{"disabled", "0", "N", "離職", "停用"},
	}
}

// Known tells which optional fields the source speaks about: the others are left
// as they are.
func (m Mapping) Known() map[string]bool {
	return map[string]bool{
		"unit": m.Unit != "", "title": m.Title != "", "email": m.Email != "", "phone": m.Phone != "", "address": m.Address != "",
		"mail": m.Mail != "", "posts": m.Posts != "", "national_id": m.NationalID != "",
	}
}

// Columns are the names of all columns that the mapping asks for.
func (m Mapping) Columns() []string {
	var names []string
	for _, t := range (&reader{}).targets(m) {
		if t.name != "" && !slices.Contains(names, t.name) {
			names = append(names, t.name)
		}
	}
	return names
}

// ErrColumns says that the source does not have the columns of the mapping.
var ErrColumns = errors.New("the columns are not those of the mapping")

// ErrEmpty says that the source gave nothing, not even names of columns.
var ErrEmpty = errors.New("the source is empty")

// Feed is what was read.
type Feed struct {
	Rows   []directory.FedRow
	Faults []directory.Fault
	Total  int // rows, those with a fault too
}

// Read reads all people of a source.
func Read(ctx context.Context, from Records, m Mapping) (*Feed, error) {
	f := &Feed{}
	var r *reader
	err := from.Each(ctx, func(line int, values []string, fault string) (err error) {
		if r == nil {
			if fault != "" {
				return fmt.Errorf("%w: the first line: %s", ErrColumns, fault)
			}
			r, err = newReader(m, values)
			return err
		}
		f.Total++
		if fault == "" {
			var row directory.FedRow
			if row, fault = r.row(line, values); fault == "" {
				f.Rows = append(f.Rows, row)
				return ctx.Err()
			}
		}
		f.Faults = append(f.Faults, r.fault(line, values, fault))
		return ctx.Err()
	})
	if err == nil && r == nil {
		err = ErrEmpty
	}
	return f, err
}

// reader turns values into fields.
type reader struct {
	columns  int
	fields   []target
	accounts int // the account's column
	ids      int // the national ID's, -1 if there is none
	enabled  map[string]bool
	seen     map[string]string // short strings that many rows share
}

type target struct {
	column int
	name   string
	set    func(*directory.FedRow, string) (fault string)
	shared bool
	needed bool
}

func newReader(m Mapping, columns []string) (*reader, error) {
	r := &reader{columns: len(columns), enabled: map[string]bool{}, seen: map[string]string{}}
	for _, v := range m.Enabled {
		r.enabled[strings.ToLower(v)] = true
	}
	for _, v := range m.Disabled {
		r.enabled[strings.ToLower(v)] = false
	}
	// What stands there may be values: only names of the mapping are told.
	at, twice, foreign := map[string]int{}, map[string]bool{}, false
	for i, c := range columns {
		c = strings.TrimSpace(strings.TrimPrefix(c, "\ufeff"))
		_, twice[c] = at[c]
		foreign = foreign || !utf8.ValidString(c) || strings.ContainsRune(c, utf8.RuneError)
		at[c] = i
	}
	for _, t := range r.targets(m) {
		if t.name == "" {
			if t.needed {
				return nil, fmt.Errorf("%w: account, name and agency need a column each", ErrColumns)
			}
			continue
		}
		i, ok := at[t.name]
		switch {
		case !ok && foreign:
			return nil, fmt.Errorf("%w: there is no %q, and the first line has bytes of another encoding", ErrColumns, t.name)
		case !ok:
			return nil, fmt.Errorf("%w: there is no %q", ErrColumns, t.name)
		case twice[t.name]:
			return nil, fmt.Errorf("%w: %q is there twice", ErrColumns, t.name)
		}
		t.column = i
		r.fields = append(r.fields, t)
	}
	r.accounts, r.ids = at[m.Account], -1
	if m.NationalID != "" {
		r.ids = at[m.NationalID]
	}
	return r, nil
}

func (r *reader) targets(m Mapping) []target {
	text := func(column string, field func(*directory.FedRow) *string) target {
		return target{name: column, set: func(f *directory.FedRow, v string) string { *field(f) = v; return "" }}
	}
	shared := func(t target) target { t.shared = true; return t }
	needed := func(t target) target { t.needed = true; return t }
	return []target{
		needed(text(m.Account, func(f *directory.FedRow) *string { return &f.Account })),
		needed(text(m.Name, func(f *directory.FedRow) *string { return &f.Name })),
		needed(shared(text(m.Agency, func(f *directory.FedRow) *string { return &f.Agency }))),
		text(m.NationalID, func(f *directory.FedRow) *string { return &f.NationalID }),
		shared(text(m.AgencyName, func(f *directory.FedRow) *string { return &f.AgencyName })),
		shared(text(m.Unit, func(f *directory.FedRow) *string { return &f.Unit })),
		shared(text(m.Title, func(f *directory.FedRow) *string { return &f.Title })),
		text(m.Email, func(f *directory.FedRow) *string { return &f.Email }),
		text(m.Phone, func(f *directory.FedRow) *string { return &f.Phone }),
		shared(text(m.Address, func(f *directory.FedRow) *string { return &f.Address })),
		text(m.Mail, func(f *directory.FedRow) *string { return &f.Mail }),
		text(m.TPEAD, func(f *directory.FedRow) *string { return &f.TPEAD }),
		{name: m.State, set: r.state},
		{name: m.Main, set: func(f *directory.FedRow, v string) string {
			f.Main = v != "" && r.enabled[strings.ToLower(v)]
			return ""
		}},
		{name: m.Posts, set: posts},
	}
}

func (r *reader) state(f *directory.FedRow, v string) string {
	enabled, known := r.enabled[strings.ToLower(v)]
	if !known {
		return "the state is neither one that is enabled nor one that is disabled"
	}
	f.Disabled = !enabled
	return ""
}

// posts reads concurrent posts: AGENCY/UNIT/TITLE, with ";" between two of them.
func posts(f *directory.FedRow, v string) string {
	for part := range strings.SplitSeq(v, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		p := strings.Split(part, "/")
		if len(p) != 3 || strings.TrimSpace(p[0]) == "" {
			return "a concurrent post is not AGENCY/UNIT/TITLE"
		}
		f.Posts = append(f.Posts, directory.Post{
			Agency: strings.TrimSpace(p[0]), Unit: strings.TrimSpace(p[1]), Title: strings.TrimSpace(p[2]),
		})
	}
	return ""
}

// maxValue bounds a value in bytes.
const maxValue = 1024

func (r *reader) row(line int, values []string) (row directory.FedRow, fault string) {
	if len(values) != r.columns {
		return row, fmt.Sprintf("%d values instead of %d", len(values), r.columns)
	}
	row.Line = line
	for _, t := range r.fields {
		v := strings.TrimFunc(values[t.column], unicode.IsSpace)
		if why := unfit(v); why != "" {
			return row, fmt.Sprintf("%q: %s", t.name, why)
		}
		if t.needed && v == "" {
			return row, fmt.Sprintf("%q is empty", t.name)
		}
		if t.shared {
			v = r.intern(v)
		}
		if why := t.set(&row, v); why != "" {
			return row, why
		}
	}
	return row, ""
}

func (r *reader) intern(v string) string {
	if kept, ok := r.seen[v]; ok {
		return kept
	}
	v = strings.Clone(v)
	r.seen[v] = v
	return v
}

// fault reports a row, and whose it is as far as that can be read.
func (r *reader) fault(line int, values []string, reason string) directory.Fault {
	read := func(column int) string {
		if column < 0 || column >= len(values) {
			return ""
		}
		v := strings.TrimFunc(values[column], unicode.IsSpace)
		if unfit(v) != "" {
			return ""
		}
		return v
	}
	f := directory.Fault{Line: line, Account: read(r.accounts), NationalID: read(r.ids), Reason: reason, Refused: true}
	f.Torn = len(values) != r.columns || f.Account == ""
	return f
}

// unfit tells what is wrong with a value: bytes of another encoding, or signs
// that stand for none.
func unfit(v string) string {
	if len(v) > maxValue {
		return fmt.Sprintf("longer than %d bytes", maxValue)
	}
	if !utf8.ValidString(v) {
		return "not UTF-8: bytes of another encoding, such as Big5"
	}
	for _, c := range v {
		switch {
		case c == utf8.RuneError:
			return "a character was lost in an earlier conversion, or is not in the encoding"
		case c < 0x20 || c >= 0x7f && c < 0xa0:
			return "a control character"
		case c >= 0x200b && c <= 0x200f || c >= 0x2060 && c <= 0x2064 || c == 0xfeff || c == 0xad || c == 0x180e || c == 0x3164 || c == 0x115f || c == 0x1160:
			return "a character that can't be seen"
		case c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069:
			return "a character that turns the direction of writing"
		}
	}
	return ""
}
