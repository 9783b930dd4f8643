package devicebind

// Sealer seals values to a row and makes keyed hashes; *keys.Sealer is one.
type Sealer interface {
	Seal(plain []byte, context string) []byte
	Open(sealed []byte, context string) ([]byte, error)
	Hash(context string, data []byte) []byte
	Derive(label string) []byte
}

// Secrets is what a device's row holds sealed to it: who swaps rows gets
// nothing that opens.
type Secrets struct {
	Public     []byte `json:"public"` // PKIX DER of the phone's key
	PINHash    string `json:"pin_hash,omitempty"`
	Credential []byte `json:"credential,omitempty"` // the WebAuthn credential, JSON
}

// Keeper derives and seals the secrets of this package.
type Keeper struct {
	sealer Sealer
}

// NewKeeper returns the Keeper of a sealer.
func NewKeeper(s Sealer) *Keeper { return &Keeper{sealer: s} }
