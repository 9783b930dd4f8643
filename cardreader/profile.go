package cardreader

import (
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Profile is what certificates of some issuers must look like. It is plain
// data, read from the configuration; object identifiers are in dotted form.
type Profile struct {
	// Name is for messages to the operator.
	Name string `yaml:"name" json:"name"`
	// Issuers are the subject key identifiers, in hex, of the pinned issuers whose
	// cards have this profile. A pinned issuer that no profile names issues
	// no cards; it can only vouch for other pinned issuers.
	Issuers []string `yaml:"issuers" json:"issuers"`
	// Policies: a card carries at least one of them. Empty: any or none.
	Policies []string `yaml:"policies" json:"policies"`
	// KeyUsages, by their names in RFC 5280 section 4.2.1.3: a card has all of
	// them. digitalSignature is always needed.
	KeyUsages []string `yaml:"key_usages" json:"key_usages"`
	// ExtKeyUsages: a card that has extended key usages has one of these. A card
	// without the extension passes. Empty: clientAuth.
	ExtKeyUsages []string `yaml:"ext_key_usages" json:"ext_key_usages"`
	// Algorithms in which the card may sign. Empty: RSA with PKCS#1 v1.5.
	Algorithms []Algorithm `yaml:"algorithms" json:"algorithms"`
	// SubjectTypeOID is the subject directory attribute whose value must be
	// SubjectType. Empty: not looked at.
	SubjectTypeOID string `yaml:"subject_type_oid" json:"subject_type_oid"`
	SubjectType    string `yaml:"subject_type" json:"subject_type"`
	// IDTailOID is the subject directory attribute with the last four digits of
	// the national ID.
	IDTailOID string `yaml:"id_tail_oid" json:"id_tail_oid"`
	// WithoutCRL accepts cards of an issuer for which no revocation list was
	// loaded. Once one was loaded it must be in force: an outdated list refuses
	// every card, with this setting or without it.
	WithoutCRL bool `yaml:"without_crl" json:"without_crl"`
}

// The key identifiers of the natural-person certificate authority (MOICA),
// which uses one name for all its keys.
const (
	moicaG2KeyID = "fa9b3467090a9822f762488b8226a645c5c322a4"
	moicaG3KeyID = "4720a3b1264bcd6d48acf2640886972c7454115f"
)

// MOICAG2 is the profile of cards of the second generation.
func MOICAG2() Profile { return moica("MOICA G2", moicaG2KeyID) }

// MOICAG3 is the profile of cards of the third generation.
func MOICAG3() Profile { return moica("MOICA G3", moicaG3KeyID) }

func moica(name, issuer string) Profile {
	return Profile{
		Name:           name,
		Issuers:        []string{issuer},
		KeyUsages:      []string{"digitalSignature"},
		Policies:       []string{"2.16.886.101.0.3.3"}, // assurance level 3 of the government's PKI
		Algorithms:     []Algorithm{RSAPKCS1},
		SubjectTypeOID: "2.16.886.1.100.2.1",
		SubjectType:    "2.16.886.1.100.3.1.1", // natural person
		IDTailOID:      "2.16.886.1.100.2.51",
	}
}

// keyUsages that a card can have; those of issuers are never allowed.
var keyUsages = map[string]x509.KeyUsage{
	"digitalSignature": x509.KeyUsageDigitalSignature,
	"nonRepudiation":   x509.KeyUsageContentCommitment,
	"keyEncipherment":  x509.KeyUsageKeyEncipherment,
	"dataEncipherment": x509.KeyUsageDataEncipherment,
	"keyAgreement":     x509.KeyUsageKeyAgreement,
}

const oidClientAuth = "1.3.6.1.5.5.7.3.2"

// rules is a Profile made ready for comparing.
type rules struct {
	policies    []x509.OID
	usage       x509.KeyUsage
	ekus        []string
	algorithms  []Algorithm
	typeOID     []byte // whole elements; nil: not looked at
	typeValue   []byte
	tailOID     []byte
	withoutCRLs bool
}

func (p Profile) compile() (*rules, error) {
	r := &rules{ekus: p.ExtKeyUsages, algorithms: p.Algorithms, withoutCRLs: p.WithoutCRL}
	if len(r.ekus) == 0 {
		r.ekus = []string{oidClientAuth}
	}
	if len(r.algorithms) == 0 {
		r.algorithms = []Algorithm{RSAPKCS1}
	}
	for _, a := range r.algorithms {
		if !slices.Contains(algorithms, a) {
			return nil, fmt.Errorf("card profile %q: unknown algorithm %q", p.Name, a)
		}
	}
	if err := r.compileUsages(p); err != nil {
		return nil, fmt.Errorf("card profile %q: %w", p.Name, err)
	}
	if p.IDTailOID == "" || (p.SubjectTypeOID == "") != (p.SubjectType == "") {
		return nil, fmt.Errorf("card profile %q: needs id_tail_oid, and subject_type with its object identifier", p.Name)
	}
	for _, oid := range []struct {
		to   *[]byte
		text string
	}{{&r.tailOID, p.IDTailOID}, {&r.typeOID, p.SubjectTypeOID}, {&r.typeValue, p.SubjectType}} {
		if oid.text == "" {
			continue
		}
		der, err := dottedOID(oid.text)
		if err != nil {
			return nil, fmt.Errorf("card profile %q: %q is no object identifier", p.Name, oid.text)
		}
		*oid.to = der
	}
	return r, nil
}

func (r *rules) compileUsages(p Profile) error {
	for _, policy := range p.Policies {
		oid, err := x509.ParseOID(policy)
		if err != nil {
			return fmt.Errorf("policy %q is no object identifier", policy)
		}
		r.policies = append(r.policies, oid)
	}
	for _, eku := range r.ekus {
		if _, err := x509.ParseOID(eku); err != nil {
			return fmt.Errorf("extended key usage %q is no object identifier", eku)
		}
	}
	r.usage = x509.KeyUsageDigitalSignature
	for _, name := range p.KeyUsages {
		usage, ok := keyUsages[name]
		if !ok {
			return fmt.Errorf("unknown key usage %q", name)
		}
		r.usage |= usage
	}
	return nil
}

func dottedOID(s string) ([]byte, error) {
	oid, err := x509.ParseOID(s)
	if err != nil {
		return nil, err
	}
	der, err := oid.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return tlv(tagOID, der), nil
}

// keyID is the form in which key identifiers are compared and kept.
func keyID(b []byte) string { return hex.EncodeToString(b) }

func normalKeyID(s string) string {
	return strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(s))
}
