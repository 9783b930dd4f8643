package cardreader_test

import (
	"bytes"
	"testing"
	"unicode/utf16"

	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/cardreader/cardtest"
)

func bmp(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return cardtest.TLV(0x1e, b)
}

var (
	rdnC  = cardtest.RDN(cardtest.OIDCountry, cardtest.Printable("TW"))
	rdnSN = cardtest.RDN(cardtest.OIDSerialNumber, cardtest.Printable("0000000012345678"))
)

func rdnCN(value []byte) []byte { return cardtest.RDN(cardtest.OIDCommonName, value) }

func TestT112_SameSubjectFromAnotherIssuer(t *testing.T) {
	v := verifier(t)
	l := goodLeaf()
	g2 := accepted(t, v, message(cardtest.G2().IssueDER(l)))
	g3 := accepted(t, v, message(cardtest.G3().IssueDER(l)))
	if g2.SubjectSerial != g3.SubjectSerial || g2.IssuerKeyID == g3.IssuerKeyID {
		t.Errorf("the issuer's key does not tell them apart: %+v, %+v", g2, g3)
	}
}

func TestT112_SubjectForms(t *testing.T) {
	v := verifier(t)
	for name, c := range map[string]struct {
		cn   []byte
		want string
	}{
		"UTF-8":              {cardtest.UTF8("王小明"), "王小明"},
		"BMP":                {bmp("王小明"), "王小明"},
		"UTF-8, a rare name": {cardtest.UTF8("王\U00020000明"), "王\U00020000明"},
		"private use":        {cardtest.UTF8("王\ue000明"), "王\ue000明"},
		"printable":          {cardtest.Printable("John Smith"), "John Smith"},
	} {
		t.Run(name, func(t *testing.T) {
			h := accepted(t, v, message(issue(func(l *cardtest.Leaf) { l.Subject = cardtest.Name(rdnC, rdnCN(c.cn), rdnSN) })))
			if h.Name != c.want {
				t.Errorf("got %q, want %q", h.Name, c.want)
			}
		})
	}
}

func TestT112_SubjectRefused(t *testing.T) {
	v := verifier(t)
	good := rdnCN(cardtest.UTF8("王小明"))
	serial := func(value []byte) []byte {
		return cardtest.Name(rdnC, good, cardtest.RDN(cardtest.OIDSerialNumber, value))
	}
	cn := func(value []byte) []byte { return cardtest.Name(rdnC, rdnCN(value), rdnSN) }
	pair := cardtest.TLV(0x31,
		cardtest.TLV(0x30, cardtest.OID(cardtest.OIDCommonName), cardtest.UTF8("王小明")),
		cardtest.TLV(0x30, cardtest.OID(cardtest.OIDCommonName), cardtest.UTF8("王小明二")))
	for name, subject := range map[string][]byte{
		"two common names":           cardtest.Name(rdnC, good, rdnCN(cardtest.UTF8("陳大文")), rdnSN),
		"two in one RDN":             cardtest.Name(rdnC, pair, rdnSN),
		"no common name":             cardtest.Name(rdnC, rdnSN),
		"only inside O":              cardtest.Name(cardtest.RDN(cardtest.OIDOrganisation, cardtest.UTF8("x,CN=王小明")), rdnSN),
		"two serial numbers":         cardtest.Name(rdnC, good, rdnSN, cardtest.RDN(cardtest.OIDSerialNumber, cardtest.Printable("0000000000000001"))),
		"no serial number":           cardtest.Name(rdnC, good),
		"empty":                      cardtest.Name(),
		"serial with space before":   serial(cardtest.Printable(" 000000012345678")),
		"serial with space within":   serial(cardtest.Printable("00000000 2345678")),
		"serial with space after":    serial(cardtest.Printable("0000000012345678 ")),
		"serial too short":           serial(cardtest.Printable("000000012345678")),
		"serial with a letter":       serial(cardtest.Printable("000000001234567A")),
		"serial in wide digits":      serial(cardtest.UTF8("００００００００１２３４５６７８")),
		"serial with NUL":            serial(cardtest.UTF8("0000000012345678\x00")),
		"NUL":                        cn(cardtest.UTF8("王小明\x00陳")),
		"NUL in BMP":                 cn(cardtest.TLV(0x1e, []byte{0x73, 0x8b, 0, 0})),
		"right-to-left override":     cn(cardtest.UTF8("王\u202e小明")),
		"right-to-left mark":         cn(cardtest.UTF8("王小明\u200f")),
		"isolate":                    cn(cardtest.UTF8("\u2066王小明\u2069")),
		"zero width":                 cn(cardtest.UTF8("王\u200b小明")),
		"filler":                     cn(cardtest.UTF8("王\u3164小明")),
		"no-break space":             cn(cardtest.UTF8("John\u00a0Smith")),
		"line break":                 cn(cardtest.UTF8("王小明\n")),
		"blank before":               cn(cardtest.UTF8(" 王小明")),
		"blank only":                 cn(cardtest.UTF8("\u3000")),
		"empty name":                 cn(cardtest.UTF8("")),
		"broken UTF-8":               cn(cardtest.UTF8("王\xff")),
		"surrogate in UTF-8":         cn(cardtest.UTF8("\xed\xa0\x80")),
		"odd BMP":                    cn(cardtest.TLV(0x1e, []byte{0x73})),
		"a pair in BMP":              cn(bmp("王\U00020000明")),
		"half a pair in BMP":         cn(cardtest.TLV(0x1e, []byte{0xd8, 0x40})),
		"Chinese as PrintableString": cn(cardtest.Printable("王小明")),
		"at sign as PrintableString": cn(cardtest.Printable("a@b")),
		"T61String":                  cn(cardtest.TLV(0x14, []byte("Wang"))),
		"UniversalString":            cn(cardtest.TLV(0x1c, []byte{0, 0, 0x73, 0x8b})),
		"too long":                   cn(cardtest.UTF8(string(bytes.Repeat([]byte("a"), 129)))),
		"a number":                   cn(cardtest.Integer(5)),
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, v, message(issue(func(l *cardtest.Leaf) { l.Subject = subject })), cardreader.CauseSubject, cardreader.CauseCertificate)
		})
	}
}

// What is shown of a subject cannot pretend to be more than it is.
func TestT112_SubjectText(t *testing.T) {
	subject := cardtest.Name(
		cardtest.RDN(cardtest.OIDOrganisation, cardtest.UTF8(`a,CN=陳大文+O=b`)),
		cardtest.RDN("1.2.840.113549.1.9.1", cardtest.UTF8("#x")),
		rdnCN(cardtest.UTF8("王小明")), rdnSN)
	h := accepted(t, verifier(t), message(issue(func(l *cardtest.Leaf) { l.Subject = subject })))
	want := `O=a\,CN\=陳大文\+O\=b,1.2.840.113549.1.9.1=\#x,CN=王小明,SERIALNUMBER=0000000012345678`
	if h.Name != "王小明" || h.SubjectDN != want {
		t.Errorf("got %q, want %q", h.SubjectDN, want)
	}
}

func TestDirectoryAttributes(t *testing.T) {
	v := verifier(t)
	tail := func(values ...[]byte) []byte {
		return cardtest.TLV(0x30, cardtest.OID(cardtest.OIDIDTail), cardtest.TLV(0x31, values...))
	}
	kind := func(oid string) []byte {
		return cardtest.TLV(0x30, cardtest.OID(cardtest.OIDSubjectType), cardtest.TLV(0x31, cardtest.OID(oid)))
	}
	person, four := kind(cardtest.OIDNaturalPerson), cardtest.Printable("6789")
	for name, sda := range map[string][]byte{
		"UTF-8":           cardtest.SDA(cardtest.UTF8("6789")),
		"other order":     cardtest.TLV(0x30, tail(four), person),
		"more attributes": cardtest.TLV(0x30, cardtest.TLV(0x30, cardtest.OID("2.16.886.1.100.2.2"), cardtest.TLV(0x31, cardtest.UTF8("primary"))), person, tail(four)),
	} {
		t.Run(name, func(t *testing.T) {
			h := accepted(t, v, message(issue(func(l *cardtest.Leaf) { l.SDA = sda })))
			if h.IDTail != "6789" {
				t.Errorf("got %q", h.IDTail)
			}
		})
	}
	for name, sda := range map[string][]byte{
		"no tail":          cardtest.TLV(0x30, person),
		"no kind":          cardtest.TLV(0x30, tail(four)),
		"an organisation":  cardtest.TLV(0x30, kind("2.16.886.1.100.3.2.1"), tail(four)),
		"two kinds":        cardtest.TLV(0x30, person, person, tail(four)),
		"tail twice":       cardtest.TLV(0x30, person, tail(four), tail(four)),
		"two tails":        cardtest.SDA(four, cardtest.Printable("9999")),
		"no value":         cardtest.SDA(),
		"five digits":      cardtest.SDA(cardtest.Printable("56789")),
		"three digits":     cardtest.SDA(cardtest.Printable("789")),
		"a letter":         cardtest.SDA(cardtest.Printable("A789")),
		"a blank":          cardtest.SDA(cardtest.Printable(" 789")),
		"wide digits":      cardtest.SDA(cardtest.UTF8("６７８９")),
		"a number":         cardtest.SDA(cardtest.Integer(6789)),
		"octets":           cardtest.SDA(cardtest.TLV(0x04, []byte("6789"))),
		"not a sequence":   cardtest.TLV(0x31, person, tail(four)),
		"empty":            cardtest.TLV(0x30),
		"only bytes":       append(cardtest.OID(cardtest.OIDIDTail), four...),
		"tail of a string": cardtest.TLV(0x30, person, cardtest.TLV(0x04, cardtest.OID(cardtest.OIDIDTail), four)),
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, v, message(issue(func(l *cardtest.Leaf) { l.SDA = sda })), cardreader.CauseHolder, cardreader.CauseCertificate)
		})
	}
	refused(t, v, message(issue(drop(cardtest.OIDExtSDA))), cardreader.CauseHolder)
}
