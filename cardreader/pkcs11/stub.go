//go:build !cgo

package pkcs11

// Module is a loaded PKCS#11 module; without cgo there is none.
type Module struct{}

// Open answers ErrNoCgo.
func Open(string) (*Module, error) { return nil, ErrNoCgo }

// Slots answers ErrNoCgo.
func (*Module) Slots() ([]Slot, error) { return nil, ErrNoCgo }

// Sign answers ErrNoCgo.
func (*Module) Sign(SignRequest) ([]byte, error) { return nil, ErrNoCgo }

// Close does nothing.
func (*Module) Close() {}

// Provision answers ErrNoCgo.
func (s *SoftHSM) Provision([]SoftCard) error { return ErrNoCgo }
