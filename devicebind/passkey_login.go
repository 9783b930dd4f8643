package devicebind

import (
	"context"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	idp "taipeion.internal/idp"
)

// BeginLogin returns the options (JSON, for
// PublicKeyCredential.parseRequestOptionsFromJSON) for a browser, known by the
// hash of its flow cookie. Without a person the authenticator says who it is
// (also for conditional mediation); with one, only their passkeys do. Nothing is
// written.
func (p *Passkeys) BeginLogin(ctx context.Context, browser []byte, personID string) (options []byte, err error) {
	rp, err := relyingParty(p.Origin, p.Name)
	if err != nil {
		return nil, err
	}
	o := protocol.PublicKeyCredentialRequestOptions{
		Challenge: p.challenge(purposeLogin, browser), RelyingPartyID: rp.Config.RPID,
		Timeout: int(PasskeyChallengeLife.Milliseconds()), UserVerification: protocol.VerificationRequired,
	}
	if personID != "" {
		have, err := p.Store.PasskeysOf(ctx, personID)
		if err != nil {
			return nil, fmt.Errorf("read passkeys: %w", err)
		}
		if len(have) == 0 {
			return nil, idp.ErrNotFound
		}
		for _, k := range have {
			o.AllowedCredentials = append(o.AllowedCredentials, protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: k.ID})
		}
	}
	return json.Marshal(o)
}

// Login takes the browser's answer, once, and says who it is. A step-up gives
// the person who must answer; a login gives "".
// idp.Denied{ReasonPasskey} or {idp.ReasonDisabled}.
func (p *Passkeys) Login(ctx context.Context, browser []byte, personID string, answer []byte) (*idp.Person, *Passkey, error) {
	if len(answer) > maxWebAuthn {
		return nil, nil, denied(ReasonPasskey)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, nil, denied(ReasonPasskey)
	}
	challenge, endsAt, err := p.ours(parsed.Response.CollectedClientData.Challenge, purposeLogin, browser)
	if err != nil {
		return nil, nil, err
	}
	k, person, err := p.Store.Passkey(ctx, parsed.RawID)
	if errors.Is(err, idp.ErrNotFound) {
		return nil, nil, p.refused(ctx, "login.passkey", "")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read passkey: %w", err)
	}
	signCount, err := p.assert(ctx, k, personID, challenge, parsed)
	if err != nil {
		return nil, nil, p.refused(ctx, "login.passkey", k.PersonID)
	}
	if person.State != idp.PersonEnabled {
		return nil, nil, denied(idp.ReasonDisabled)
	}
	now := p.Now()
	k.SignCount, k.UsedAt = signCount, now
	err = p.Store.UsePasskey(ctx, k, challenge, endsAt, now)
	if errors.Is(err, idp.ErrUsed) || errors.Is(err, idp.ErrConflict) {
		return nil, nil, p.refused(ctx, "login.passkey", k.PersonID)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("use passkey: %w", err)
	}
	return person, k, nil
}

// assert checks an answer (section 7.2) by the passkey it names.
func (p *Passkeys) assert(ctx context.Context, k *Passkey, personID string, challenge []byte, parsed *protocol.ParsedCredentialAssertionData) (signCount uint32, err error) {
	if personID != "" && k.PersonID != personID {
		return 0, errPresence
	}
	handle := p.Keeper.userHandle(k.PersonID)
	// Without a person the authenticator must name its own (step 6).
	given := parsed.Response.UserHandle
	if (personID == "" || len(given) > 0) && subtle.ConstantTimeCompare(given, handle) != 1 {
		return 0, errPresence
	}
	plain, err := p.Keeper.sealer.Open(k.Sealed, passkeyContext(k.ID, k.PersonID))
	if err != nil {
		return 0, errors.Join(err, p.Store.Record(ctx, tampered(ctx, p.Now(), "passkey", k.PersonID, "passkey "+b64(k.ID))))
	}
	c, err := decodeCredential(plain, k.SignCount)
	if err != nil {
		return 0, err
	}
	rp, err := relyingParty(p.Origin, p.Name)
	if err != nil {
		return 0, err
	}
	done, err := rp.ValidateLogin(holder{id: handle, credentials: []webauthn.Credential{*c}}, webauthn.SessionData{
		Challenge: b64(challenge), RelyingPartyID: rp.Config.RPID, UserID: handle,
		AllowedCredentialIDs: [][]byte{c.ID}, UserVerification: protocol.VerificationRequired,
	}, parsed)
	if err != nil || done.Authenticator.CloneWarning {
		return 0, errPresence
	}
	return done.Authenticator.SignCount, nil
}

// attested holds a new credential against the policy: the model is on the list,
// and a certificate that a maker's root vouches for says so (section 7.1, steps
// 21 to 24).
func (p *Passkeys) attested(c *webauthn.Credential, parsed *protocol.ParsedCredentialCreationData) error {
	if p.Attestation != AttestationAllow {
		return nil
	}
	listed := slices.ContainsFunc(p.Models, func(m []byte) bool { return subtle.ConstantTimeCompare(m, c.Authenticator.AAGUID) == 1 })
	chain, ok := parsed.Response.AttestationObject.AttStatement["x5c"].([]any)
	if !listed || p.Roots == nil || !ok || len(chain) == 0 || len(chain) > 8 {
		return errPresence
	}
	opts := x509.VerifyOptions{Roots: p.Roots, Intermediates: x509.NewCertPool(), CurrentTime: p.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	var leaf *x509.Certificate
	for i, link := range chain {
		der, ok := link.([]byte)
		if !ok {
			return errPresence
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return errPresence
		}
		if i == 0 {
			leaf = cert
		} else {
			opts.Intermediates.AddCert(cert)
		}
	}
	if _, err := leaf.Verify(opts); err != nil {
		return errPresence
	}
	return nil
}
