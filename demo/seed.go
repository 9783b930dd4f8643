package demo

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed seed/staff.json
var staffJSON []byte

// Agency codes of the demo.
const (
	AgencyIT        = "GEAA"
	AgencyPersonnel = "GEPA"
	AgencyCivil     = "GECA"
)

// AgencyName gives the name of an agency of the demo.
func AgencyName(code string) string {
	return map[string]string{
		AgencyIT:        "臺北市政府資訊局",
		AgencyPersonnel: "臺北市政府人事處",
		AgencyCivil:     "臺北市政府民政局",
	}[code]
}

// Member is one of the invented staff.
type Member struct {
	Name       string `json:"name"`
	Agency     string `json:"agency"` // GEAA code
	Unit       string `json:"unit"`
	Title      string `json:"title"`
	Mail       string `json:"mail"`
	Phone      string `json:"phone"`
	NationalID string `json:"national_id"`      // of a valid form, and nobody's
	Portal     string `json:"portal"`           // 員工愛上網帳號
	Single     string `json:"single,omitempty"` // 單一帳號; the few without one have an old TPEAD name yet
	Password   string `json:"password"`
	Hash       string `json:"hash"`            // argon2id of the password, in PHC form
	TPEAD      string `json:"tpead,omitempty"` // TPEAD 帳號 of the old style; beside Single: a second one, never bound
	Card       *Card  `json:"card,omitempty"`  // in this person's hands, for some
}

// Account is the name by which the member logs in: the one that the portal
// account is bound to.
func (m *Member) Account() string {
	if m.Single == "" {
		return m.TPEAD
	}
	return m.Single
}

// Card is a software card. Its Holder need not be the person whose hands it
// is in.
type Card struct {
	Key        int    `json:"key"`        // which of cardtest's keys
	Generation string `json:"generation"` // of the issuer: G2 or G3
	Holder     string `json:"holder"`
	Serial     string `json:"serial"` // the subject's serialNumber, 16 digits
	IDTail     string `json:"id_tail"`
	PIN        string `json:"pin"`
	Bound      bool   `json:"bound"`
}

// Staff returns the sixty, in a fixed order.
func Staff() ([]Member, error) {
	var staff []Member
	if err := json.Unmarshal(staffJSON, &staff); err != nil {
		return nil, fmt.Errorf("demo staff: %w", err)
	}
	return staff, nil
}
