package cardtest

import (
	"encoding/asn1"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

// TLV is one DER element: an identifier octet and its content.
func TLV(tag byte, parts ...[]byte) []byte {
	var content []byte
	for _, p := range parts {
		content = append(content, p...)
	}
	n := len(content)
	if n < 0x80 {
		return append([]byte{tag, byte(n)}, content...)
	}
	length := binary.BigEndian.AppendUint64(nil, uint64(n))
	for length[0] == 0 {
		length = length[1:]
	}
	out := append([]byte{tag, 0x80 | byte(len(length))}, length...)
	return append(out, content...)
}

// OID is an object identifier in dotted form as a DER element. It panics on a
// text that is none: callers write literals.
func OID(dotted string) []byte {
	var oid asn1.ObjectIdentifier
	for _, arc := range strings.Split(dotted, ".") {
		n, err := strconv.Atoi(arc)
		if err != nil {
			panic("cardtest: not an object identifier: " + dotted)
		}
		oid = append(oid, n)
	}
	b, err := asn1.Marshal(oid)
	if err != nil {
		panic("cardtest: not an object identifier: " + dotted)
	}
	return b
}

// Integer is a small non-negative INTEGER.
func Integer(n int) []byte {
	b, err := asn1.Marshal(n)
	if err != nil {
		panic(err)
	}
	return b
}

// Printable is a PrintableString, whatever is in it.
func Printable(s string) []byte { return TLV(asn1.TagPrintableString, []byte(s)) }

// UTF8 is a UTF8String, whatever is in it.
func UTF8(s string) []byte { return TLV(asn1.TagUTF8String, []byte(s)) }

// Time is a UTCTime, or a GeneralizedTime from 2050 on.
func Time(t time.Time) []byte {
	t = t.UTC()
	if t.Year() < 2050 {
		return TLV(asn1.TagUTCTime, []byte(t.Format("060102150405Z")))
	}
	return TLV(asn1.TagGeneralizedTime, []byte(t.Format("20060102150405Z")))
}

// RDN is a relative distinguished name of one attribute; value is a whole
// element such as UTF8 makes.
func RDN(oid string, value []byte) []byte {
	return TLV(0x31, TLV(0x30, OID(oid), value))
}

// Name is a distinguished name of the given RDNs.
func Name(rdns ...[]byte) []byte { return TLV(0x30, rdns...) }

// The attribute types of a subject.
const (
	OIDCommonName   = "2.5.4.3"
	OIDSerialNumber = "2.5.4.5"
	OIDCountry      = "2.5.4.6"
	OIDOrganisation = "2.5.4.10"
	OIDUnit         = "2.5.4.11"
)
