package idp

import "time"

// PersonState says whether a person may log in.
type PersonState string

// The states.
const (
	PersonEnabled  PersonState = "enabled"
	PersonDisabled PersonState = "disabled" // 停用
	PersonDeparted PersonState = "departed" // left the city's service
)

// Person is a natural person of the city's staff. The national ID is not in
// it: only directory reads that, sealed, and shows the last four characters.
type Person struct {
	ID          string // internal, never shown
	Subject     string // "sub": opaque, stable, never reused (OpenID Connect Core 1.0 section 8)
	Name        string // as in the personnel register
	Agency      Agency
	Unit        string
	Title       string
	Email       string
	Phone       string
	Address     string
	IDTail      string // the last four characters of the national ID
	Username    string // "preferred_username": the single account, else the newest account
	State       PersonState
	UpdatedAt   time.Time
	HasPassword bool
}

// Agency is an organisation of the city.
type Agency struct {
	Code string // GEAA code
	Name string
}

// AccountKind tells the kinds of account apart.
type AccountKind string

// The kinds of account, as in the city's migration plan.
const (
	AccountPortal AccountKind = "portal" // 員工愛上網帳號
	AccountTPEAD  AccountKind = "tpead"  // TPEAD 帳號
	AccountSingle AccountKind = "single" // 單一帳號
	AccountMail   AccountKind = "mail"
)

// Account is a name by which a person may log in.
type Account struct {
	Name     string // normalised: see policy.NormalizeName
	Kind     AccountKind
	PersonID string
	Closed   bool   // disabled by itself, or not in its directory yet, whatever the person is
	MustSet  bool   // its password is known to nobody yet
	Given    bool   // by us: in its directory its entry counts, not its name
	Agency   string // in whose directory it is; empty: in that of the person's
}

// Card is a natural-person certificate card bound to a person.
type Card struct {
	ID            string // internal
	PersonID      string
	IssuerKeyID   string    // hex of the issuing CA's subject key identifier
	SubjectSerial string    // the 16 digits of the subject's serialNumber
	Fingerprint   string    // hex SHA-256 of the certificate
	Name          string    // the holder as certified
	Certificate   []byte    // the certificate, DER: revocation lists and other keys are held against it
	NotAfter      time.Time // the certificate's end
	BoundAt       time.Time
	UnboundAt     time.Time // zero while bound
}
