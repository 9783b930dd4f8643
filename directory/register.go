package directory

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/policy"
)

// NewPerson is a person to be taken into the directory.
type NewPerson struct {
	Person       idp.Person // ID and Subject are drawn if empty
	Accounts     []idp.Account
	NationalID   string // kept sealed; its last four characters become Person.IDTail
	PasswordHash string // argon2id in PHC form; empty for none
}

// Registrar takes people in.
type Registrar struct {
	Accounts Accounts
	Names    policy.Names
	Seal     func(plain []byte, context string) []byte
	Key      func(context string, data []byte) []byte
	Now      func() time.Time
}

// Put takes a person in, or updates the person of that ID; idp.ErrConflict if a
// name or the national ID is another's.
func (r *Registrar) Put(ctx context.Context, n NewPerson, events ...idp.Event) (*idp.Person, error) {
	p := n.Person
	if p.ID == "" {
		p.ID = NewID()
	}
	if p.Subject == "" {
		p.Subject = NewID()
	}
	if p.State == "" {
		p.State = idp.PersonEnabled
	}
	p.UpdatedAt = r.Now()
	rec := Record{PasswordHash: n.PasswordHash}
	if n.PasswordHash != "" {
		if _, err := parsePHC(n.PasswordHash); err != nil {
			return nil, err
		}
	}
	if n.NationalID != "" {
		id := policy.NormalizeName(n.NationalID)
		if !policy.ValidNationalID(id) {
			return nil, errors.New("the national ID is not valid")
		}
		p.IDTail = strings.ToUpper(id[len(id)-4:])
		rec.NationalID = r.Seal([]byte(strings.ToUpper(id)), "national-id/"+p.ID)
		rec.NationalIDHash = r.Key("national-id", []byte(strings.ToUpper(id)))
	}
	for _, a := range n.Accounts {
		a.Name, a.PersonID = r.Names.Normalize(a.Name), p.ID
		rec.Accounts = append(rec.Accounts, a)
		if p.Username == "" && a.Kind != idp.AccountMail || a.Kind == idp.AccountSingle {
			p.Username = a.Name
		}
	}
	rec.Person = p
	if err := r.Accounts.PutPerson(ctx, rec, events...); err != nil {
		return nil, fmt.Errorf("keep person: %w", err)
	}
	return &p, nil
}

// NewID makes an identifier of 128 random bits that is never made again.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}
