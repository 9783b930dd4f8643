package demo

import (
	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// NewPerson is the member as the directory takes people in.
func (m *Member) NewPerson() directory.NewPerson {
	n := directory.NewPerson{
		Person: idp.Person{
			Name: m.Name, Agency: idp.Agency{Code: m.Agency, Name: AgencyName(m.Agency)},
			Unit: m.Unit, Title: m.Title, Email: m.Mail, Phone: m.Phone,
		},
		Accounts: []idp.Account{
			{Name: m.Portal, Kind: idp.AccountPortal},
		},
		NationalID:   m.NationalID,
		PasswordHash: m.Hash,
	}
	if m.Single != "" {
		n.Accounts = append(n.Accounts, idp.Account{Name: m.Single, Kind: idp.AccountSingle})
	}
	if m.TPEAD != "" {
		n.Accounts = append(n.Accounts, idp.Account{Name: m.TPEAD, Kind: idp.AccountTPEAD})
	}
	return n
}
