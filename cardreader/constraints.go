package cardreader

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"taipeion.internal/idp/policy"
)

// constraints are the name constraints of one pinned issuer (RFC 5280 section
// 4.2.1.10) for the kinds of name that a card can have: directory names, mail
// addresses and DNS names. Any other kind makes the issuer unusable, and a
// card with any other kind of alternative name falls outside.
type constraints struct {
	permitted, excluded []subtree
}

// subtree is a GeneralName by its tag: 4 directory name, 1 mail, 2 DNS.
type subtree struct {
	kind byte
	base []byte
}

const (
	kindMail      = 0x81
	kindDNS       = 0x82
	kindDirectory = 0xa4
)

// parseConstraints returns at most one element.
func parseConstraints(issuer *x509.Certificate) ([]constraints, error) {
	value, ok := extension(issuer, extNameConstraints)
	if !ok {
		return nil, nil
	}
	if checkDER(value) != nil {
		return nil, errors.New("name constraints cannot be read")
	}
	var c constraints
	r := read(value, tagSequence)
	var err error
	if r.has(tagContext0) {
		c.permitted, err = parseSubtrees(r.in(tagContext0))
	}
	if err == nil && r.has(tagContext1) {
		c.excluded, err = parseSubtrees(r.in(tagContext1))
	}
	if err != nil || !r.done() || len(c.permitted)+len(c.excluded) == 0 {
		return nil, errors.New("name constraints of an unknown kind")
	}
	return []constraints{c}, nil
}

func parseSubtrees(r *reader) ([]subtree, error) {
	var list []subtree
	for r.more() {
		tree := r.in(tagSequence)
		base := tree.any()
		if !tree.done() { // minimum and maximum are not used in this profile
			return nil, errors.New("subtree")
		}
		s := subtree{kind: base.tag, base: base.body}
		switch base.tag {
		case kindMail, kindDNS:
			s.base = bytes.ToLower(base.body)
		case kindDirectory:
			name := &reader{rest: base.body}
			s.base = name.next(tagSequence).body
			if !name.done() {
				return nil, errors.New("directory name")
			}
		default:
			return nil, errors.New("kind of name")
		}
		list = append(list, s)
	}
	if !r.done() {
		return nil, errors.New("subtrees")
	}
	return list, nil
}

// check holds every name of the card against the constraints.
func (c constraints) check(cert *x509.Certificate) error {
	subject, _, err := readElement(cert.RawSubject)
	if err != nil || !c.allow(kindDirectory, subject.body) {
		return refuse(CauseConstraint, "subject")
	}
	value, ok := extension(cert, extAltName)
	if !ok {
		return nil
	}
	names := read(value, tagSequence)
	for names.more() {
		name := names.any()
		body := name.body
		switch name.tag {
		case kindMail, kindDNS:
			body = bytes.ToLower(body)
		case kindDirectory:
			e, rest, err := readElement(body)
			if err != nil || len(rest) != 0 {
				return refuse(CauseConstraint, "alternative name")
			}
			body = e.body
		default:
			return refuse(CauseConstraint, "kind of alternative name")
		}
		if !c.allow(name.tag, body) {
			return refuse(CauseConstraint, "alternative name")
		}
	}
	if !names.done() {
		return refuse(CauseConstraint, "alternative names")
	}
	return nil
}

func (c constraints) allow(kind byte, name []byte) bool {
	constrained, within := false, false
	for _, s := range c.permitted {
		if s.kind == kind {
			constrained = true
			within = within || s.holds(name)
		}
	}
	for _, s := range c.excluded {
		if s.kind == kind && s.holds(name) {
			return false
		}
	}
	return within || !constrained
}

// holds compares directory names by their leading elements, DNS names by
// label, and mail addresses as a whole, by host or by domain.
func (s subtree) holds(name []byte) bool {
	base, text := string(s.base), string(name)
	switch s.kind {
	case kindDirectory:
		bases, names := directoryElements(s.base), directoryElements(name)
		return len(names) >= len(bases) && slices.Equal(names[:len(bases)], bases)
	case kindDNS:
		return underDomain(strings.TrimSuffix(text, "."), strings.TrimPrefix(base, "."))
	}
	_, host, ok := strings.Cut(text, "@")
	switch {
	case !ok:
		return true // not an address: neither permitted nor spared by anything
	case strings.Contains(base, "@"):
		return base == text
	case strings.HasPrefix(base, "."):
		return strings.HasSuffix(host, base)
	}
	return host == base
}

// directoryElements brings each element of a directory name to one form,
// whatever its string type and letter case are (RFC 5280 section 7.1).
func directoryElements(name []byte) []string {
	var list []string
	for r := (&reader{rest: name}); r.more(); {
		set := r.next(tagSet)
		form := string(set.raw)
		rdn := (&reader{rest: set.body})
		pair := rdn.in(tagSequence)
		oid, value := pair.next(tagOID), pair.any()
		if text, ok := decodeString(value); ok && pair.done() && rdn.done() {
			form = string(oid.raw) + policy.PersonName(text)
		}
		list = append(list, form)
	}
	return list
}

func underDomain(name, domain string) bool {
	return domain == "" || name == domain || strings.HasSuffix(name, "."+domain)
}
