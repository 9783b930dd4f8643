package cardreader

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"time"
)

// Limits of a card's answer. A good one has about 3 KiB.
const (
	maxMessage      = 64 << 10
	maxCertificate  = 16 << 10
	maxCertificates = 8 // the signer's, and the chain that some software adds
	// signingTimeWindow is how far a signingTime may be from our clock. It is
	// never used for anything else: certificates are checked by our clock.
	signingTimeWindow = 5 * time.Minute
)

// signedData is the profiled CMS message (RFC 5652 section 5): version 1, SHA-256,
// content attached, one signer named by issuer and serial number, no
// revocation lists, no unsigned attributes.
type signedData struct {
	content      []byte
	certificates [][]byte
	issuer       []byte // of the signer's certificate, a whole element
	serial       []byte // its serial number, a whole element
	attributes   []byte // signed attributes, the content of the SET
	algorithm    []byte // of the signature, a whole element
	signature    []byte
}

var (
	versionOne    = []byte{tagInteger, 1, 1}
	sha256Absent  = tlv(tagSequence, oidSHA256)
	sha256NullPar = tlv(tagSequence, oidSHA256, derNull)
)

// parseCMS reads the message. It does so itself: go.mozilla.org/pkcs7 converts
// from BER first and recurses without limit, drops the errors of what it cannot
// decode, hides the type of the content, and takes as long as two RSA
// verifications. The tests hold this reading against that library's.
func parseCMS(cms []byte) (*signedData, error) {
	if len(cms) == 0 || len(cms) > maxMessage {
		return nil, refuse(CauseSize, "")
	}
	if err := checkDER(cms); err != nil {
		return nil, refuse(CauseDER, "")
	}
	info := read(cms, tagSequence)
	contentType := info.next(tagOID)
	explicit := info.in(tagContext0)
	sd := explicit.in(tagSequence)
	if !info.done() || !explicit.done() || !bytes.Equal(contentType.raw, oidSignedData) {
		return nil, refuse(CauseShape, "content info")
	}
	version := sd.next(tagInteger)
	digests := sd.in(tagSet)
	digest := digests.next(tagSequence)
	if sd.bad || !bytes.Equal(version.raw, versionOne) {
		return nil, refuse(CauseShape, "version")
	}
	if !digests.done() || !isSHA256(digest.raw) {
		return nil, refuse(CauseAlgorithm, "digest algorithms")
	}
	m := new(signedData)
	if err := m.parseContent(sd); err != nil {
		return nil, err
	}
	if err := m.parseCertificates(sd); err != nil {
		return nil, err
	}
	signers := sd.in(tagSet)
	if !sd.done() { // revocation lists would stand before the signers
		return nil, refuse(CauseShape, "signed data")
	}
	return m, m.parseSigner(signers)
}

func (m *signedData) parseContent(sd *reader) error {
	encap := sd.in(tagSequence)
	contentType := encap.next(tagOID)
	explicit := encap.in(tagContext0)
	content := explicit.next(tagOctetString)
	if !encap.done() || !explicit.done() || !bytes.Equal(contentType.raw, oidData) || len(content.body) == 0 {
		return refuse(CauseShape, "encapsulated content")
	}
	m.content = content.body
	return nil
}

func (m *signedData) parseCertificates(sd *reader) error {
	set := sd.in(tagContext0)
	for set.more() {
		if len(m.certificates) == maxCertificates {
			return refuse(CauseSize, "certificates")
		}
		m.certificates = append(m.certificates, set.next(tagSequence).raw)
	}
	if !set.done() || len(m.certificates) == 0 {
		return refuse(CauseNoCertificate, "")
	}
	return nil
}

func (m *signedData) parseSigner(signers *reader) error {
	info := signers.in(tagSequence)
	if !signers.done() {
		return refuse(CauseSigners, "")
	}
	version := info.next(tagInteger)
	sid := info.in(tagSequence)
	m.issuer, m.serial = sid.next(tagSequence).raw, sid.next(tagInteger).raw
	digest := info.next(tagSequence)
	if info.bad || !sid.done() || !bytes.Equal(version.raw, versionOne) {
		return refuse(CauseShape, "signer identifier")
	}
	if !isSHA256(digest.raw) {
		return refuse(CauseAlgorithm, "signer's digest algorithm")
	}
	// RFC 5652 section 5.3 makes them optional; without them, signed attributes
	// of one message could be shown as the content of another.
	if !info.has(tagContext0) {
		return refuse(CauseAttributes, "none")
	}
	m.attributes = info.next(tagContext0).body
	m.algorithm = info.next(tagSequence).raw
	m.signature = info.next(tagOctetString).body
	if !info.done() || len(m.signature) == 0 {
		return refuse(CauseShape, "signer")
	}
	return nil
}

func isSHA256(algorithm []byte) bool {
	return bytes.Equal(algorithm, sha256Absent) || bytes.Equal(algorithm, sha256NullPar)
}

// checkAttributes demands contentType and messageDigest, allows signingTime,
// each once and with one value, in DER order (RFC 5652 sections 5.3 and 11).
func (m *signedData) checkAttributes(now time.Time) error {
	var contentType, messageDigest, signingTime element
	var last []byte
	for r := (&reader{rest: m.attributes}); r.more() || r.bad; {
		raw := r.next(tagSequence).raw
		if r.bad || bytes.Compare(last, raw) >= 0 {
			return refuse(CauseAttributes, "order")
		}
		last = raw
		a := read(raw, tagSequence)
		oid := a.next(tagOID)
		values := a.in(tagSet)
		value := values.any()
		if !a.done() || !values.done() {
			return refuse(CauseAttributes, "values")
		}
		var slot *element
		switch {
		case bytes.Equal(oid.raw, oidContentType):
			slot = &contentType
		case bytes.Equal(oid.raw, oidMessageDigest):
			slot = &messageDigest
		case bytes.Equal(oid.raw, oidSigningTime):
			slot = &signingTime
		default:
			return refuse(CauseAttributes, "unknown")
		}
		if slot.raw != nil {
			return refuse(CauseAttributes, "twice")
		}
		*slot = value
	}
	digest := sha256.Sum256(m.content)
	switch {
	case !bytes.Equal(contentType.raw, oidData):
		return refuse(CauseAttributes, "content type")
	case messageDigest.tag != tagOctetString || subtle.ConstantTimeCompare(messageDigest.body, digest[:]) != 1:
		return refuse(CauseAttributes, "message digest")
	case signingTime.raw == nil:
		return nil
	}
	at, ok := parseTime(signingTime)
	if !ok {
		return refuse(CauseAttributes, "signing time")
	}
	if at.Sub(now).Abs() > signingTimeWindow {
		return refuse(CauseSigningTime, "")
	}
	return nil
}

// parseTime reads a time in the one form that DER allows (RFC 5280 section
// 4.1.2.5).
func parseTime(e element) (time.Time, bool) {
	var layout string
	switch e.tag {
	case tagUTCTime:
		layout = "060102150405Z"
	case tagGeneralizedTime:
		layout = "20060102150405Z"
	default:
		return time.Time{}, false
	}
	t, err := time.Parse(layout, string(e.body))
	if err != nil {
		return time.Time{}, false
	}
	if e.tag == tagUTCTime && t.Year() >= 2050 { // two digits count from 1950
		t = t.AddDate(-100, 0, 0)
	}
	return t, bytes.Equal(derTime(t), e.raw)
}
