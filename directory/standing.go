package directory

import (
	"time"

	idp "taipeion.internal/idp"
)

// Post is a place in the organisation, with a title.
type Post struct {
	Agency string `json:"agency"`
	Unit   string `json:"unit"`
	Title  string `json:"title"`
	Source string `json:"source,omitempty"` // the feed that gave it; empty: none
}

// Same tells whether it is the same place, whoever says so.
func (p Post) Same(other Post) bool {
	return p.Agency == other.Agency && p.Unit == other.Unit && p.Title == other.Title
}

// Holding is an account as a person holds it.
type Holding struct {
	Name   string          `json:"name"`
	Kind   idp.AccountKind `json:"kind"`
	Closed bool            `json:"closed,omitempty"` // the account is disabled, whatever the person is
}

// Profile is what feeds say of a person, and what changes are made of.
type Profile struct {
	Name     string          `json:"name"`
	Agency   string          `json:"agency"`
	Unit     string          `json:"unit"`
	Title    string          `json:"title"`
	Email    string          `json:"email"`
	Phone    string          `json:"phone"`
	Address  string          `json:"address"`
	State    idp.PersonState `json:"state"`
	Shared   bool            `json:"shared,omitempty"` // 公用帳號: no person's
	Source   string          `json:"source"`
	Accounts []Holding       `json:"accounts"`
	Posts    []Post          `json:"posts,omitempty"` // concurrent ones
}

// Standing is a person as kept, for synchronisation.
type Standing struct {
	ID         string
	IDHash     string // keyed hash of the national ID, raw; empty without one
	IDTail     string
	DisabledBy string // who disabled the person by hand; empty: a feed, or nobody
	UpdatedAt  time.Time
	// An administrator corrected it since the portal is off: no feed undoes that.
	NameByHand, IdentityByHand bool
	Profile
}

// Unit is a part of an agency; Agency alone has no Name.
type Unit struct {
	Agency     string `json:"agency"`
	AgencyName string `json:"agency_name,omitempty"`
	Name       string `json:"name,omitempty"`
	Parent     string `json:"parent,omitempty"`
}

// FedRow is one row of a feed, decoded and mapped: one portal account.
type FedRow struct {
	Line       int
	Account    string
	Name       string
	NationalID string
	Agency     string
	AgencyName string
	Unit       string
	Title      string
	Email      string
	Phone      string
	Address    string
	Mail       string // mailbox of the same person
	TPEAD      string // a TPEAD account that is bound to Account already
	Disabled   bool
	Main       bool // the person's main account
	Posts      []Post
}

// Fault is a row of a feed that something is wrong with.
type Fault struct {
	Line    int    `json:"line"`
	Account string `json:"account,omitempty"`
	Reason  string `json:"reason"`
	Refused bool   `json:"refused"` // not taken at all; else taken as the reason says

	NationalID string `json:"-"` // for planning only: whose row it is, where that can be read
	Torn       bool   `json:"-"` // cut or shifted: what it says of account and ID may be wrong
}

// ChangeKind says what a change does.
type ChangeKind string

// The kinds.
const (
	ChangeUnit    ChangeKind = "unit" // an agency or a unit
	ChangeAdd     ChangeKind = "add"
	ChangeUpdate  ChangeKind = "update"
	ChangeDisable ChangeKind = "disable"
	ChangeEnable  ChangeKind = "enable"
)

// FieldChange is one value before and after. Of a national ID it holds the last
// four characters only.
type FieldChange struct {
	Field string `json:"field"`
	Old   string `json:"old"`
	New   string `json:"new"`
}

// Change is one step of a plan: one person, or one part of the organisation.
type Change struct {
	Seq      int64         `json:"-"`
	Kind     ChangeKind    `json:"-"`
	PersonID string        `json:"-"`
	Line     int           `json:"-"`
	Base     time.Time     `json:"base,omitzero"` // the person as planned upon; a later change is a conflict
	Fields   []FieldChange `json:"fields,omitempty"`
	To       *Profile      `json:"to,omitempty"`
	Unit     *Unit         `json:"unit,omitempty"`
	Identity *Identity     `json:"identity,omitempty"` // the national ID is set or changed
	Bind     [][2]string   `json:"bind,omitempty"`     // portal and TPEAD account
	Moved    []string      `json:"moved,omitempty"`    // accounts taken over from a shared account
	Renamed  [][2]string   `json:"renamed,omitempty"`  // portal accounts, former and new: what was bound to the one is bound to the other
}

// Identity is a national ID as kept.
type Identity struct {
	Sealed []byte `json:"sealed"`
	Hash   []byte `json:"hash"`
	Tail   string `json:"tail"`
}
