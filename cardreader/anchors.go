package cardreader

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Anchors are the pinned issuers. They share a name across their keys, so they
// are told apart by subject key identifier only.
type Anchors struct {
	byKey map[string]*anchor
}

// anchor is one pinned issuer with those above it that are pinned too.
type anchor struct {
	cert   *x509.Certificate
	keyID  string
	rules  *rules // nil: issues no cards
	path   []*x509.Certificate
	limits []constraints // of the whole path
}

// ParseCertificates reads a file of pinned issuers: PEM blocks or one DER
// certificate.
func ParseCertificates(file []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for rest := file; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			return nil, errors.New("issuer file: a block is not a certificate")
		}
		certs = append(certs, cert)
	}
	if len(certs) > 0 {
		return certs, nil
	}
	cert, err := x509.ParseCertificate(file)
	if err != nil {
		return nil, errors.New("issuer file: neither PEM nor DER")
	}
	return []*x509.Certificate{cert}, nil
}

// NewAnchors pins the certificates and gives those that the profiles name
// their rules. A pinned issuer whose own issuer is pinned too must really be
// issued by it, within its path length.
func NewAnchors(certs []*x509.Certificate, profiles []Profile) (*Anchors, error) {
	a := &Anchors{byKey: make(map[string]*anchor, len(certs))}
	for _, cert := range certs {
		id := keyID(cert.SubjectKeyId)
		if err := checkIssuer(cert); err != nil {
			return nil, fmt.Errorf("pinned issuer %q: %w", id, err)
		}
		if a.byKey[id] != nil {
			return nil, fmt.Errorf("pinned issuer %q: twice", id)
		}
		a.byKey[id] = &anchor{cert: cert, keyID: id}
	}
	for _, an := range a.byKey {
		if err := a.link(an); err != nil {
			return nil, fmt.Errorf("pinned issuer %q: %w", an.keyID, err)
		}
	}
	for _, p := range profiles {
		r, err := p.compile()
		if err != nil {
			return nil, err
		}
		for _, id := range p.Issuers {
			an := a.byKey[normalKeyID(id)]
			if an == nil { // a profile may be there before its issuer is
				continue
			}
			if an.rules != nil {
				return nil, fmt.Errorf("pinned issuer %q: more than one profile", an.keyID)
			}
			an.rules = r
		}
	}
	return a, nil
}

// KeyIDs lists the key identifiers of all pinned issuers in lower-case hex.
func (a *Anchors) KeyIDs() []string {
	var ids []string
	for id := range a.byKey {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// NeedLists lists the issuers of cards that need a revocation list, as KeyIDs
// does.
func (a *Anchors) NeedLists() []string {
	var ids []string
	for id, an := range a.byKey {
		if an.rules != nil && !an.rules.withoutCRLs {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func checkIssuer(cert *x509.Certificate) error {
	switch {
	case len(cert.SubjectKeyId) == 0:
		return errors.New("no subject key identifier")
	case cert.Version != 3 || !cert.BasicConstraintsValid || !cert.IsCA:
		return errors.New("not the certificate of an issuer")
	case cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return errors.New("its key may not sign certificates")
	}
	for _, e := range cert.Extensions {
		if e.Critical && !slices.Contains(issuerExtensions, e.Id.String()) {
			return fmt.Errorf("unknown critical extension %v", e.Id)
		}
	}
	return checkKey(cert.PublicKey)
}

// issuerExtensions are the critical extensions that checkIssuer, link and
// constraints together deal with: key usage, basic constraints, name
// constraints, and policies, which only narrow what the profile asks anyway.
var issuerExtensions = []string{extKeyUsage, extBasic, extNameConstraints, extPolicies}

// link follows authority key identifiers upwards through the pinned issuers.
func (a *Anchors) link(an *anchor) error {
	child := an.cert
	for {
		limit, err := parseConstraints(child)
		if err != nil {
			return err
		}
		an.path = append(an.path, child)
		an.limits = append(an.limits, limit...)
		parent := a.byKey[keyID(child.AuthorityKeyId)]
		if parent == nil || parent.cert == child {
			return nil
		}
		if len(an.path) > 8 {
			return errors.New("issued in a circle")
		}
		if !certificateAlgorithm(child.SignatureAlgorithm) || child.CheckSignatureFrom(parent.cert) != nil {
			return errors.New("not signed by the pinned issuer that it names")
		}
		// RFC 5280 section 4.2.1.9: so many issuers may stand between it and a card.
		if max := parent.cert.MaxPathLen; (max > 0 || parent.cert.MaxPathLenZero) && len(an.path) > max {
			return errors.New("the path is longer than an issuer above allows")
		}
		child = parent.cert
	}
}

// inForce checks the whole pinned path by our clock.
func (an *anchor) inForce(now time.Time) error {
	for _, cert := range an.path {
		if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
			return refuse(CauseIssuerValidity, "")
		}
	}
	return nil
}
