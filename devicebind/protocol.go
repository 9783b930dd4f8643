package devicebind

// The first lines of what phones sign and prove: no two messages can be
// mistaken for each other.
const (
	tagBind     = "taipeion-phone-bind-v1"
	tagDigits   = "taipeion-phone-digits-v1"
	tagPresence = "taipeion-phone-presence-v1"
	tagScan     = "taipeion-phone-scan-v1"
	tagApproval = "taipeion-phone-approval-v1"
	tagSelf     = "taipeion-phone-self-v1"
)

// EnrolProof is HMAC-SHA-256 under the key QR code's secret over the tag, a zero
// byte, the enrolment's ID and the SHA-256 of the request (DER).
func EnrolProof(secret, id, csr []byte) []byte { return nil }

// EnrolDigits are the six digits that both screens show: of the enrolment's ID
// and the phone's public key (PKIX DER).
func EnrolDigits(id, public []byte) string { return "" }

// EnrolChallenge is the challenge of the WebAuthn registration in a claim: it
// names the enrolment and the phone's key (PKIX DER). The user.id is the
// enrolment's ID (16 bytes).
func EnrolChallenge(id, public []byte) []byte { return nil }

// ScanBytes is what a phone signs to scan.
func ScanBytes(origin string, s ScanRequest) []byte { return nil }

// ApprovalBytes is what a phone signs to decide; its SHA-256 is the challenge of
// the WebAuthn assertion. The nonce is Scanned.Nonce.
func ApprovalBytes(origin, nonce string, d DecideRequest) []byte { return nil }

// SelfBytes is what a phone signs about itself.
func SelfBytes(origin string, s Self) []byte { return nil }
