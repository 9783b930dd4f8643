package devicebind

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	idp "taipeion.internal/idp"
)

// The limits of what a phone sends.
const (
	maxCSR      = 2048
	maxName     = 64 // characters
	maxPlatform = 128
	maxWebAuthn = 8 << 10
	minPIN      = 6
	maxPIN      = 12
)

// Request is a PKCS#10 request that is in order.
type Request struct {
	Public []byte // PKIX DER, P-256
	Name   string // the common name
}

var errRequest = errors.New("not a request of ours")

// ParseRequest reads a PKCS#10 request (RFC 2986): P-256, ECDSA with SHA-256,
// signed by its own key, with a name that can be shown. Whatever else it asks
// for is not looked at.
func ParseRequest(der []byte) (*Request, error) {
	if len(der) > maxCSR {
		return nil, errRequest
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, errRequest
	}
	key, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() || csr.SignatureAlgorithm != x509.ECDSAWithSHA256 || csr.CheckSignature() != nil {
		return nil, errRequest
	}
	public, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, errRequest
	}
	name, ok := cleanName(csr.Subject.CommonName)
	if !ok {
		return nil, errRequest
	}
	return &Request{Public: public, Name: name}, nil
}

// cleanName takes a name that people will read: short, one line, nothing that
// hides or turns the text around.
func cleanName(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxName {
		return "", false
	}
	for _, r := range s {
		if r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r) {
			continue
		}
		return "", false
	}
	return s, true
}

// cleanPlatform keeps what can be shown of what a phone says it is.
func cleanPlatform(s string) string {
	if name, ok := cleanName(s); ok && len(name) <= maxPlatform {
		return name
	}
	return ""
}

// goodPIN tells whether a PIN is of 6 to 12 digits that are not all the same or
// a plain run.
func goodPIN(pin string) bool {
	if len(pin) < minPIN || len(pin) > maxPIN {
		return false
	}
	same, up, down := true, true, true
	for i := range len(pin) {
		if pin[i] < '0' || pin[i] > '9' {
			return false
		}
		if i > 0 {
			step := int(pin[i]) - int(pin[i-1])
			same, up, down = same && step == 0, up && step == 1, down && step == -1
		}
	}
	return !same && !up && !down
}

// Claim takes the enrolment for one phone, by one conditional statement. The
// same phone may ask again and gets the same answer. idp.Denied:
// ReasonEnrolOver (unknown, used, too old, too many tries), ReasonEnrolProof
// (counted as a try where the secret was not proved).
func (e *Enroller) Claim(ctx context.Context, id string, c Claim) (*Claimed, error) {
	raw, err := unb64(id, idSize)
	if err != nil {
		return nil, denied(ReasonEnrolOver)
	}
	n, person, err := e.Store.Enrolment(ctx, raw)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, denied(ReasonEnrolOver)
	}
	if err != nil {
		return nil, fmt.Errorf("read enrolment: %w", err)
	}
	now := e.Now()
	state := n.stateAt(now)
	if state == EnrolOver || person.State != idp.PersonEnabled {
		return nil, denied(ReasonEnrolOver)
	}
	if err := e.proved(ctx, n, person, c); err != nil {
		return nil, err
	}
	req, err := ParseRequest(c.CSR)
	if err != nil {
		return nil, denied(ReasonEnrolProof)
	}
	if state != EnrolNew {
		if subtle.ConstantTimeCompare(req.Public, n.Public) == 1 {
			return e.claimed(n, person), nil // the answer was lost on its way
		}
		return nil, denied(ReasonEnrolOver)
	}
	secrets, err := e.presence(ctx, n, req, c)
	if err != nil {
		return nil, err
	}
	n.Public, n.Name, n.Platform = req.Public, req.Name, cleanPlatform(c.Platform)
	if n.Sealed, err = e.Keeper.sealDevice(b64(n.ID), n.PersonID, secrets); err != nil {
		return nil, err
	}
	n.State, n.ClaimedAt, n.EndsAt = EnrolClaimed, now, now.Add(EnrolLife)
	err = e.Store.ClaimEnrolment(ctx, n, now, With{Events: []idp.Event{event(ctx, now, "phone.claim", "ok", Who{Person: person})}})
	if errors.Is(err, idp.ErrUsed) {
		return nil, denied(ReasonEnrolOver)
	}
	if err != nil {
		return nil, fmt.Errorf("claim enrolment: %w", err)
	}
	e.Notifier.Wake(n.ID)
	return e.claimed(n, person), nil
}

// proved checks that the phone knows the secret, and counts a try if it does
// not.
func (e *Enroller) proved(ctx context.Context, n *Enrolment, person *idp.Person, c Claim) error {
	proof, err := unb64(c.Proof, 32)
	want := EnrolProof(e.Keeper.enrolSecret(n), n.ID, c.CSR)
	if err == nil && len(c.CSR) <= maxCSR && subtle.ConstantTimeCompare(proof, want) == 1 {
		return nil
	}
	if n.State == EnrolNew {
		ev := event(ctx, e.Now(), "phone.claim", string(ReasonEnrolProof), Who{Person: person})
		if err := e.Store.CountEnrolTry(ctx, n.ID, e.Now(), With{Events: []idp.Event{ev}}); err != nil {
			return fmt.Errorf("count enrolment try: %w", err)
		}
		e.Notifier.Wake(n.ID)
	}
	return denied(ReasonEnrolProof)
}

// presence takes the phone's own authenticator, or a PIN where it has none.
func (e *Enroller) presence(ctx context.Context, n *Enrolment, req *Request, c Claim) (s Secrets, err error) {
	s.Public = req.Public
	switch {
	case len(c.WebAuthn) > 0 && c.PIN == "":
		n.Presence = PresenceWebAuthn
		s.Credential, n.SignCount, err = registerPresence(e.Origin, n.ID, EnrolChallenge(n.ID, req.Public), c.WebAuthn)
		if err != nil {
			return s, fmt.Errorf("%w: %w", denied(ReasonEnrolProof), err)
		}
		return s, nil
	case len(c.WebAuthn) == 0 && !c.HasOwn && goodPIN(c.PIN):
		n.Presence = PresencePIN
		if s.PINHash, err = e.Hasher.Hash(ctx, c.PIN); err != nil {
			return s, fmt.Errorf("hash PIN: %w", err)
		}
		return s, nil
	}
	return s, denied(ReasonEnrolProof)
}

func (e *Enroller) claimed(n *Enrolment, person *idp.Person) *Claimed {
	return &Claimed{
		Digits: EnrolDigits(n.ID, n.Public), Name: MaskName(person.Name), Agency: person.Agency.Name,
		StatusToken: e.Keeper.statusToken(n.ID, n.Public), EndsAt: n.EndsAt.UnixMilli(),
	}
}

// Collect tells the phone that holds the status token how things stand;
// idp.ErrNotFound for everybody else.
func (e *Enroller) Collect(ctx context.Context, id, statusToken string) (*Collected, error) {
	n, person, err := e.claimedBy(ctx, id, statusToken)
	if err != nil {
		return nil, err
	}
	c := &Collected{State: n.stateAt(e.Now()), Called: n.calledOff(e.Now())}
	if c.State != EnrolDone {
		return c, nil
	}
	d, _, err := e.Store.Device(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read device: %w", err)
	}
	c.DeviceID, c.Certificate, c.CA = d.ID, d.Certificate, e.CA.Certificate()
	c.Name, c.Agency, c.NotAfter = person.Name, person.Agency.Name, d.NotAfter.UnixMilli()
	return c, nil
}

// claimedBy finds an enrolment for the phone that claimed it.
func (e *Enroller) claimedBy(ctx context.Context, id, statusToken string) (*Enrolment, *idp.Person, error) {
	raw, err := unb64(id, idSize)
	if err != nil {
		return nil, nil, idp.ErrNotFound
	}
	n, person, err := e.Store.Enrolment(ctx, raw)
	if err != nil {
		return nil, nil, fmt.Errorf("read enrolment: %w", err)
	}
	if len(n.Public) == 0 || subtle.ConstantTimeCompare([]byte(statusToken), []byte(e.Keeper.statusToken(n.ID, n.Public))) != 1 {
		return nil, nil, idp.ErrNotFound
	}
	return n, person, nil
}

// Abandon ends an enrolment by the phone that claimed it: the digits differ, or
// its person does not want it. idp.ErrNotFound for everybody else;
// idp.Denied{ReasonEnrolOver}: it is over, or the PC has just confirmed.
func (e *Enroller) Abandon(ctx context.Context, id, statusToken string) error {
	n, person, err := e.claimedBy(ctx, id, statusToken)
	if err != nil {
		return err
	}
	ev := event(ctx, e.Now(), "phone.enrol", "cancelled", Who{Person: person})
	ev.Detail = "by the phone"
	return e.end(ctx, n, ev)
}

// MaskName hides all but the first and last character of a name: 王○明.
func MaskName(name string) string {
	r := []rune(name)
	switch len(r) {
	case 0, 1:
		return name
	case 2:
		return string(r[:1]) + "○"
	}
	return string(r[:1]) + strings.Repeat("○", len(r)-2) + string(r[len(r)-1:])
}
