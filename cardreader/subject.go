package cardreader

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Attribute types of a name, as whole DER elements.
var (
	oidCommonName   = []byte{tagOID, 3, 0x55, 4, 3}
	oidSerialNumber = []byte{tagOID, 3, 0x55, 4, 5}
)

// shortNames of attribute types in the text form of a name (RFC 4514 section 3,
// and SERIALNUMBER as the city's pages write it).
var shortNames = map[string]string{
	"\x55\x04\x03": "CN", "\x55\x04\x05": "SERIALNUMBER", "\x55\x04\x06": "C",
	"\x55\x04\x07": "L", "\x55\x04\x08": "ST", "\x55\x04\x0a": "O", "\x55\x04\x0b": "OU",
}

const maxName = 128 // characters; RFC 5280 appendix A allows 64

// subject is what a card's subject name says.
type subject struct {
	commonName   string
	serialNumber string
	text         string // the whole name for people to read
}

// parseSubject reads a name (RFC 5280 section 4.1.2.4) from its DER, because the
// text forms of libraries lose how many values there were and of which kind.
// There is one CN and one serialNumber, each alone in its RDN.
func parseSubject(raw []byte) (subject, error) {
	var s subject
	var parts []string
	names := read(raw, tagSequence)
	for names.more() {
		rdn := names.in(tagSet)
		pair := rdn.in(tagSequence)
		oid := pair.next(tagOID)
		value := pair.any()
		if !rdn.done() || !pair.done() {
			return subject{}, refuse(CauseSubject, "structure")
		}
		text, ok := decodeString(value)
		if !ok {
			return subject{}, refuse(CauseSubject, "text")
		}
		var slot *string
		switch {
		case bytes.Equal(oid.raw, oidCommonName):
			slot = &s.commonName
		case bytes.Equal(oid.raw, oidSerialNumber):
			slot = &s.serialNumber
		}
		if slot != nil {
			if *slot != "" {
				return subject{}, refuse(CauseSubject, "attribute twice")
			}
			*slot = text
		}
		parts = append(parts, attributeText(oid.body, text))
	}
	if !names.done() || s.commonName == "" {
		return subject{}, refuse(CauseSubject, "common name")
	}
	if !digits(s.serialNumber, 16) {
		return subject{}, refuse(CauseSubject, "serial number")
	}
	s.text = strings.Join(parts, ",")
	return s, nil
}

// decodeString reads the string types that names are written in. What is
// refused: other types, text that is empty, too long, not in its type's
// alphabet, with blanks around it, or with characters that are not seen.
func decodeString(e element) (string, bool) {
	var s string
	switch e.tag {
	case tagPrintableString:
		s = string(e.body)
		if strings.IndexFunc(s, notPrintable) >= 0 {
			return "", false
		}
	case tagUTF8String:
		s = string(e.body)
	case tagBMPString:
		var ok bool
		if s, ok = decodeBMP(e.body); !ok {
			return "", false
		}
	default:
		return "", false
	}
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxName {
		return "", false
	}
	return s, strings.TrimSpace(s) == s && strings.IndexFunc(s, oddRune) < 0
}

// notPrintable says what is outside of PrintableString (X.680 section 41.4).
func notPrintable(r rune) bool {
	switch {
	case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune(" '()+,-./:=?", r)
}

// decodeBMP reads the basic plane in two octets for each character (X.680
// section 41.14): pairs of surrogates have no place in it.
func decodeBMP(b []byte) (string, bool) {
	if len(b)%2 != 0 {
		return "", false
	}
	var s strings.Builder
	for i := 0; i < len(b); i += 2 {
		r := rune(b[i])<<8 | rune(b[i+1])
		if utf16.IsSurrogate(r) {
			return "", false
		}
		s.WriteRune(r)
	}
	return s.String(), true
}

// attributeText is one attribute of a name with RFC 4514 escapes, so that a
// comma or an equals sign in a value cannot look like another attribute.
func attributeText(oid []byte, value string) string {
	name, ok := shortNames[string(oid)]
	if !ok {
		name = oidText(oid)
	}
	var b strings.Builder
	b.WriteString(name)
	b.WriteByte('=')
	for i, r := range value {
		if strings.ContainsRune(`",+;<>\=`, r) || r == '#' && i == 0 {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// oidText is the dotted form, or hex where an arc is too large for it.
func oidText(body []byte) string {
	var arcs []string
	var n uint64
	for _, o := range body {
		if n > 1<<56 {
			return hex.EncodeToString(body)
		}
		n = n<<7 | uint64(o&0x7f)
		if o >= 0x80 {
			continue
		}
		if len(arcs) == 0 {
			first := min(n/40, 2)
			arcs = append(arcs, strconv.FormatUint(first, 10))
			n -= 40 * first
		}
		arcs = append(arcs, strconv.FormatUint(n, 10))
		n = 0
	}
	return strings.Join(arcs, ".")
}

func digits(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// parseHolder reads the subject directory attributes (RFC 5280 section
// 4.2.1.8) that the profile names: the kind of subject must be the profile's;
// the tail of the national ID is returned. Each has one value and is there
// once; other attributes are let be.
func (r *rules) parseHolder(value []byte) (idTail string, err error) {
	if checkDER(value) != nil {
		return "", refuse(CauseHolder, "not DER")
	}
	typed := r.typeOID == nil
	attributes := read(value, tagSequence)
	for attributes.more() {
		attribute := attributes.in(tagSequence)
		oid := attribute.next(tagOID)
		values := attribute.in(tagSet)
		if !attribute.done() {
			return "", refuse(CauseHolder, "structure")
		}
		isType := r.typeOID != nil && bytes.Equal(oid.raw, r.typeOID)
		if !isType && !bytes.Equal(oid.raw, r.tailOID) {
			continue
		}
		one := values.any()
		if !values.done() {
			return "", refuse(CauseHolder, "several values")
		}
		switch {
		case isType && (typed || !bytes.Equal(one.raw, r.typeValue)):
			return "", refuse(CauseHolder, "kind of subject")
		case isType:
			typed = true
		case idTail != "":
			return "", refuse(CauseHolder, "ID tail twice")
		default:
			idTail = string(one.body)
			if one.tag != tagPrintableString && one.tag != tagUTF8String || !digits(idTail, 4) {
				return "", refuse(CauseHolder, "ID tail")
			}
		}
	}
	if !attributes.done() || !typed || idTail == "" {
		return "", refuse(CauseHolder, "missing")
	}
	return idTail, nil
}
