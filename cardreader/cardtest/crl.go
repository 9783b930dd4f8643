package cardtest

import (
	"crypto"
	"time"
)

// CRL describes a revocation list (RFC 5280 section 5).
type CRL struct {
	Number     int
	ThisUpdate time.Time
	NextUpdate time.Time   // zero: left out
	Serials    [][]byte    // content octets of the serial numbers
	Issuer     []byte      // the whole issuer name instead of the CA's
	Hash       crypto.Hash // zero: SHA-256
	Extra      []Extension // of the list
	EntryExtra []byte      // crlEntryExtensions of every entry, a whole SEQUENCE
	Drop       bool        // leaves all extensions out, the key identifier too
	BadSigning bool
}

// CRL makes a revocation list in DER.
func (ca *CA) CRL(c CRL) []byte {
	algorithm := signatureAlgorithm(ca.Key.Public(), c.Hash)
	at := Time(c.ThisUpdate)
	var entries []byte
	for _, serial := range c.Serials {
		entries = append(entries, TLV(0x30, TLV(0x02, serial), at, c.EntryExtra)...)
	}
	var next, revoked, extensions []byte
	if !c.NextUpdate.IsZero() {
		next = Time(c.NextUpdate)
	}
	if len(entries) > 0 {
		revoked = TLV(0x30, entries)
	}
	if !c.Drop {
		extensions = TLV(0xa0, TLV(0x30, c.extensions(ca)))
	}
	issuer := c.Issuer
	if issuer == nil {
		issuer = ca.Certificate.RawSubject
	}
	tbs := TLV(0x30, Integer(1), algorithm, issuer, at, next, revoked, extensions)
	signature := signWith(ca.Key, tbs, c.Hash)
	if c.BadSigning {
		signature[len(signature)/2] ^= 1
	}
	return TLV(0x30, tbs, algorithm, bitString(signature))
}

func (c CRL) extensions(ca *CA) []byte {
	list := append([]Extension{
		{OIDExtAuthority, false, TLV(0x30, TLV(0x80, ca.Certificate.SubjectKeyId))},
		{"2.5.29.20", false, Integer(c.Number)}, // cRLNumber
	}, c.Extra...)
	var out []byte
	for _, e := range list {
		var critical []byte
		if e.Critical {
			critical = TLV(0x01, []byte{0xff})
		}
		out = append(out, TLV(0x30, OID(e.OID), critical, TLV(0x04, e.Value))...)
	}
	return out
}
