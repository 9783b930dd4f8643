package cardreader

import "taipeion.internal/idp"

// Cause is the exact reason of a refusal, for the record. The world outside
// only learns the idp.Reason that Refusal unwraps to.
type Cause string

// The causes.
const (
	CauseSize        Cause = "cms_size"         // larger than any card's answer
	CauseDER         Cause = "cms_der"          // not DER
	CauseShape       Cause = "cms_shape"        // DER, but not the profiled SignedData
	CauseSigners     Cause = "cms_signers"      // not exactly one signer
	CauseContent     Cause = "cms_content"      // not the challenge that was issued
	CauseAttributes  Cause = "cms_attributes"   // signed attributes missing, repeated or wrong
	CauseSigningTime Cause = "cms_signing_time" // far from our clock
	CauseAlgorithm   Cause = "cms_algorithm"    // not an algorithm of the profile
	CauseSignature   Cause = "cms_signature"    // the card's signature is wrong

	CauseNoCertificate  Cause = "cert_missing"     // the signer's certificate is not in the message
	CauseCertificate    Cause = "cert_malformed"   // it cannot be read
	CauseIssuer         Cause = "cert_issuer"      // no pinned issuer has its key identifier
	CauseIssued         Cause = "cert_signature"   // the pinned issuer did not sign it
	CauseValidity       Cause = "cert_validity"    // expired or not yet valid
	CauseIssuerValidity Cause = "issuer_validity"  // the same, of a pinned issuer
	CauseExtension      Cause = "cert_extension"   // an unknown critical extension
	CauseUsage          Cause = "cert_usage"       // key usage, extended key usage or basic constraints
	CausePolicy         Cause = "cert_policy"      // no policy of the profile
	CauseConstraint     Cause = "cert_constraints" // outside the issuer's name constraints
	CauseKey            Cause = "cert_key"         // key type or size
	CauseKeyWeak        Cause = "cert_key_weak"    // the key can be factored
	CauseKeyShared      Cause = "cert_key_shared"  // it shares a prime with another card's key
	CauseSubject        Cause = "cert_subject"     // the subject's name is not of the profile
	CauseHolder         Cause = "cert_holder"      // nor are its directory attributes

	CauseRevoked           Cause = "revoked"
	CauseRevocationUnknown Cause = "revocation_unknown" // no revocation list in force
)

// Refusal says that a card's answer was refused. Its text is for the record and
// holds nothing of the holder.
type Refusal struct {
	Cause  Cause
	Detail string
}

func (r *Refusal) Error() string {
	if r.Detail == "" {
		return "card refused: " + string(r.Cause)
	}
	return "card refused: " + string(r.Cause) + ": " + r.Detail
}

// Unwrap is what may be told outside: an idp.Denied. Every fault of message or
// certificate looks the same; a revoked card looks like an unbound one; a
// missing revocation list is our fault and not the card's.
func (r *Refusal) Unwrap() error {
	switch r.Cause {
	case CauseRevoked:
		return idp.Denied{Reason: idp.ReasonCardUnusable}
	case CauseRevocationUnknown:
		return idp.Denied{Reason: idp.ReasonUnavailable}
	}
	return idp.Denied{Reason: idp.ReasonCardInvalid}
}

func refuse(cause Cause, detail string) error { return &Refusal{Cause: cause, Detail: detail} }
