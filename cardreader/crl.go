package cardreader

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// maxCRL is far beyond the largest list there is (412,000 entries, 20 MB).
const maxCRL = 128 << 20

// crlClockAhead is how far the issuer's clock may be ahead of ours.
const crlClockAhead = 5 * time.Minute

// serialKey is a certificate's serial number, filled with zeros in front.
type serialKey [maxSerialOctets]byte

// crl is one revocation list (RFC 5280 section 5) that its issuer signed.
type crl struct {
	issuer     string // key identifier
	number     *big.Int
	thisUpdate time.Time
	nextUpdate time.Time
	points     []string // a partition's own addresses; empty: the complete list
	revoked    []serialKey
}

// The extensions of lists and of their entries.
const (
	extCRLNumber    = "2.5.29.20"
	extIssuingPoint = "2.5.29.28"
)

// parseCRL reads a list in DER or PEM and checks that one of the pinned issuers
// signed it, chosen by authority key identifier. The large part, the entries,
// is read here: 400,000 of them cost 8 MB and no work for the collector.
func (a *Anchors) parseCRL(file []byte) (*crl, error) {
	if block, _ := pem.Decode(file); block != nil && block.Type == "X509 CRL" {
		file = block.Bytes
	}
	if len(file) > maxCRL || checkDER(file) != nil {
		return nil, errors.New("revocation list: not DER, or too long")
	}
	list := read(file, tagSequence)
	signed := list.next(tagSequence).raw
	algorithm := list.next(tagSequence).raw
	signature := list.next(tagBitString).body
	if !list.done() || len(signature) < 2 || signature[0] != 0 {
		return nil, errors.New("revocation list: structure")
	}
	c := new(crl)
	issuer, err := c.parseSigned(signed, algorithm)
	if err != nil {
		return nil, fmt.Errorf("revocation list: %w", err)
	}
	an := a.byKey[c.issuer]
	if an == nil || !bytes.Equal(issuer, an.cert.RawSubject) || an.cert.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return nil, errors.New("revocation list: of no pinned issuer")
	}
	if an.cert.CheckSignature(listAlgorithm(algorithm), signed, signature[1:]) != nil {
		return nil, errors.New("revocation list: signature")
	}
	return c, nil
}

// parseSigned reads what is signed: TBSCertList of RFC 5280 section 5.1.2.
func (c *crl) parseSigned(signed, algorithm []byte) (issuer []byte, err error) {
	r := read(signed, tagSequence)
	version := r.next(tagInteger)
	inner := r.next(tagSequence)
	issuer = r.next(tagSequence).raw
	thisUpdate, ok1 := parseTime(r.any())
	nextUpdate, ok2 := parseTime(r.any()) // optional in X.509, not in the profile of RFC 5280
	if r.bad || !ok1 || !ok2 || !bytes.Equal(version.raw, versionOne) || !bytes.Equal(inner.raw, algorithm) {
		return nil, errors.New("head")
	}
	c.thisUpdate, c.nextUpdate = thisUpdate, nextUpdate
	if r.has(tagSequence) {
		if err := c.parseEntries(r.in(tagSequence)); err != nil {
			return nil, err
		}
	}
	explicit := r.in(tagContext0)
	extensions := explicit.in(tagSequence)
	if !r.done() || !explicit.done() {
		return nil, errors.New("extensions")
	}
	return issuer, c.parseExtensions(extensions)
}

func (c *crl) parseEntries(r *reader) error {
	for r.more() {
		entry := r.in(tagSequence)
		serial := entry.next(tagInteger).body
		_, ok := parseTime(entry.any())
		if !ok || len(serial) == 0 {
			return errors.New("entry")
		}
		if entry.more() {
			extensions := entry.in(tagSequence)
			for extensions.more() {
				// A critical one, such as certificateIssuer, changes what the
				// entry means.
				if e := extensions.in(tagSequence); !e.any().isOID() || e.has(tagBoolean) {
					return errors.New("critical extension of an entry")
				}
			}
			if !extensions.done() {
				return errors.New("extensions of an entry")
			}
		}
		if !entry.done() {
			return errors.New("entry")
		}
		// A number that no certificate can have revokes nothing.
		if key, ok := serialOf(serial); ok {
			c.revoked = append(c.revoked, key)
		}
	}
	if !r.done() {
		return errors.New("entries")
	}
	slices.SortFunc(c.revoked, compareSerials)
	c.revoked = slices.Clip(c.revoked)
	return nil
}

func (e element) isOID() bool { return e.tag == tagOID }

func (c *crl) parseExtensions(r *reader) error {
	for r.more() {
		raw := r.next(tagSequence).raw
		var e pkix.Extension
		if _, err := asn1.Unmarshal(raw, &e); err != nil || checkDER(e.Value) != nil {
			return errors.New("extension")
		}
		switch e.Id.String() {
		case extAuthorityKey:
			id := read(e.Value, tagSequence)
			if c.issuer != "" || !id.has(0x80) {
				return errors.New("authority key identifier")
			}
			c.issuer = keyID(id.next(0x80).body)
		case extCRLNumber:
			number := (&reader{rest: e.Value}).next(tagInteger).body
			if c.number != nil || len(number) == 0 || len(number) > maxSerialOctets || number[0]&0x80 != 0 {
				return errors.New("number")
			}
			c.number = new(big.Int).SetBytes(number)
		case extIssuingPoint:
			if c.points != nil || !c.parsePoint(e.Value) {
				return errors.New("issuing distribution point")
			}
		default:
			// The delta indicator is one of these: such a list is not complete.
			if e.Critical {
				return fmt.Errorf("unknown critical extension %v", e.Id)
			}
		}
	}
	if !r.done() || c.issuer == "" || c.number == nil {
		return errors.New("extensions")
	}
	return nil
}

// parsePoint accepts the issuing distribution point (RFC 5280 section 5.2.5) of a
// list for all reasons and all certificates of holders: addresses, and
// onlyContainsUserCerts.
func (c *crl) parsePoint(value []byte) bool {
	point := read(value, tagSequence)
	if point.has(tagContext0) {
		name := point.in(tagContext0)
		full := name.in(tagContext0)
		for full.more() {
			if uri := full.any(); uri.tag == 0x86 {
				c.points = append(c.points, string(uri.body))
			}
		}
		if !full.done() || !name.done() || len(c.points) == 0 {
			return false
		}
	}
	if point.has(0x81) {
		only := point.next(0x81).body
		if len(only) != 1 || only[0] != 0xff {
			return false
		}
	}
	return point.done()
}

// covers says whether the list is about the certificate (RFC 5280 section 6.3.3
// step b 2): a partition only about those that point to it.
func (c *crl) covers(cert *x509.Certificate) bool {
	if len(c.points) == 0 {
		return true
	}
	return slices.ContainsFunc(cert.CRLDistributionPoints, func(uri string) bool {
		return slices.Contains(c.points, uri)
	})
}

// inForce holds the list against our clock.
func (c *crl) inForce(now time.Time) bool {
	return !now.Before(c.thisUpdate.Add(-crlClockAhead)) && now.Before(c.nextUpdate)
}

func (c *crl) lists(serial serialKey) bool {
	_, found := slices.BinarySearchFunc(c.revoked, serial, compareSerials)
	return found
}

func compareSerials(a, b serialKey) int { return bytes.Compare(a[:], b[:]) }

// serialOf takes the content octets of a serial number; negative ones and those
// longer than RFC 5280 allows are none.
func serialOf(b []byte) (serialKey, bool) {
	var key serialKey
	if len(b) > 0 && b[0] == 0 {
		b = b[1:]
	} else if len(b) > 0 && b[0]&0x80 != 0 {
		return key, false
	}
	if len(b) > len(key) {
		return key, false
	}
	copy(key[len(key)-len(b):], b)
	return key, true
}

// listAlgorithm knows the algorithms in which a list may be signed.
func listAlgorithm(algorithm []byte) x509.SignatureAlgorithm {
	rsaOID := func(last byte) []byte {
		oid := bytes.Clone(oidRSAWithSHA256)
		oid[len(oid)-1] = last
		return tlv(tagSequence, oid, derNull)
	}
	ecOID := func(last byte) []byte {
		oid := bytes.Clone(oidECDSASHA256)
		oid[len(oid)-1] = last
		return tlv(tagSequence, oid)
	}
	for _, known := range []struct {
		der []byte
		alg x509.SignatureAlgorithm
	}{
		{rsaOID(11), x509.SHA256WithRSA}, {rsaOID(12), x509.SHA384WithRSA}, {rsaOID(13), x509.SHA512WithRSA},
		{ecOID(2), x509.ECDSAWithSHA256}, {ecOID(3), x509.ECDSAWithSHA384},
	} {
		if bytes.Equal(known.der, algorithm) {
			return known.alg
		}
	}
	return x509.UnknownSignatureAlgorithm
}
