package devicebind

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

var errPresence = errors.New("authenticator's answer refused")

// relyingParty is our side of Web Authentication at an origin: its host is the
// relying party ID (Web Authentication Level 3, section 4), user verification
// is always required, and no page of another origin may frame a ceremony.
func relyingParty(origin, name string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(origin)
	if err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	if name == "" {
		name = u.Hostname()
	}
	return webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: name, RPOrigins: []string{origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
		// Password managers answer extensions that nobody asked for; nothing of ours reads them.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
}

// holder is a user as the library wants to see one.
type holder struct {
	id          []byte
	name        string
	credentials []webauthn.Credential
}

func (h holder) WebAuthnID() []byte                         { return h.id }
func (h holder) WebAuthnName() string                       { return h.name }
func (h holder) WebAuthnDisplayName() string                { return h.name }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.credentials }

// algorithms are those of credentials: ES256, EdDSA, RS256 (RFC 9053).
func algorithms() []protocol.CredentialParameter {
	return []protocol.CredentialParameter{
		{Type: protocol.PublicKeyCredentialType, Algorithm: -7},
		{Type: protocol.PublicKeyCredentialType, Algorithm: -8},
		{Type: protocol.PublicKeyCredentialType, Algorithm: -257},
	}
}

// registerPresence takes the registration of a phone's own authenticator for
// the enrolment of that ID.
func registerPresence(origin string, id, challenge, answer []byte) (credential []byte, signCount uint32, err error) {
	if len(answer) > maxWebAuthn {
		return nil, 0, errPresence
	}
	rp, err := relyingParty(origin, "")
	if err != nil {
		return nil, 0, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, 0, errPresence
	}
	session := webauthn.SessionData{
		Challenge: b64(challenge), RelyingPartyID: rp.Config.RPID, UserID: id,
		UserVerification: protocol.VerificationRequired, CredParams: algorithms(),
	}
	c, err := rp.CreateCredential(holder{id: id}, session, parsed)
	if err != nil {
		return nil, 0, errPresence
	}
	return encodeCredential(c)
}

func encodeCredential(c *webauthn.Credential) ([]byte, uint32, error) {
	c.Attestation = webauthn.CredentialAttestation{} // looked at once, and not kept
	out, err := json.Marshal(c)
	if err != nil {
		return nil, 0, fmt.Errorf("encode credential: %w", err)
	}
	return out, c.Authenticator.SignCount, nil
}

func decodeCredential(kept []byte, signCount uint32) (*webauthn.Credential, error) {
	c := &webauthn.Credential{}
	if err := json.Unmarshal(kept, c); err != nil {
		return nil, fmt.Errorf("decode credential: %w", err)
	}
	c.Authenticator.SignCount, c.Authenticator.CloneWarning = signCount, false
	return c, nil
}

// assertPresence takes an assertion over the challenge by the credential of the
// holder, and returns the new sign count (section 7.2).
func assertPresence(origin string, holderID, challenge, answer []byte, c *webauthn.Credential) (signCount uint32, err error) {
	if len(answer) > maxWebAuthn {
		return 0, errPresence
	}
	rp, err := relyingParty(origin, "")
	if err != nil {
		return 0, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return 0, errPresence
	}
	session := webauthn.SessionData{
		Challenge: b64(challenge), RelyingPartyID: rp.Config.RPID, UserID: holderID,
		AllowedCredentialIDs: [][]byte{c.ID}, UserVerification: protocol.VerificationRequired,
	}
	done, err := rp.ValidateLogin(holder{id: holderID, credentials: []webauthn.Credential{*c}}, session, parsed)
	if err != nil {
		return 0, errPresence
	}
	if done.Authenticator.CloneWarning {
		return 0, errPresence // the count fell or stood still: two copies of the key
	}
	return done.Authenticator.SignCount, nil
}
