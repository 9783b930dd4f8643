package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The errors of the master key and of sealed values.
var (
	// ErrMode says that others on this machine may read the master key.
	ErrMode = errors.New("the master key file may be read by others: chmod 600")
	// ErrSealed says that a value was not sealed by this master key for this
	// context, or was changed.
	ErrSealed = errors.New("sealed value can't be opened")
)

const (
	masterSize  = 32
	sealVersion = 1
)

// Sealer seals values at rest and derives keys. It is safe for concurrent use.
type Sealer struct {
	prk  []byte // HKDF pseudorandom key (RFC 5869 section 2.2)
	aead cipher.AEAD
}

// NewSealer makes a Sealer from a master key of 32 random bytes.
func NewSealer(master []byte) (*Sealer, error) {
	if len(master) != masterSize {
		return nil, fmt.Errorf("master key: %d bytes instead of %d", len(master), masterSize)
	}
	prk, err := hkdf.Extract(sha256.New, master, []byte("taipeion idp master key"))
	if err != nil {
		return nil, fmt.Errorf("derive from the master key: %w", err)
	}
	s := &Sealer{prk: prk}
	block, err := aes.NewCipher(s.Derive("seal v1"))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if s.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return s, nil
}

// OpenMaster reads the master key file: 32 bytes as hexadecimal text, readable
// by its owner only. With create, a missing file is made; of several processes
// that try at once, all get the same key.
func OpenMaster(path string, create bool) (*Sealer, error) {
	master, err := readMaster(path)
	if create && errors.Is(err, fs.ErrNotExist) {
		if err = createMaster(path); err == nil || errors.Is(err, fs.ErrExist) {
			master, err = readMaster(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	return NewSealer(master)
}

func readMaster(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: mode %#o: %w", path, info.Mode().Perm(), ErrMode)
	}
	text, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return nil, err
	}
	// The text itself stays out of the error: it is the secret.
	master, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(master) != masterSize {
		return nil, fmt.Errorf("%s: want %d bytes as hexadecimal text", path, masterSize)
	}
	return master, nil
}

// createMaster writes the whole file under another name first and links it, so
// that nobody ever reads half a key and nobody's key is overwritten.
func createMaster(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".master-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	master := make([]byte, masterSize)
	if _, err := rand.Read(master); err != nil {
		return err
	}
	if _, err := f.WriteString(hex.EncodeToString(master) + "\n"); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

// Seal encrypts plain for one context: the row and column it belongs to. It
// opens nowhere else.
func (s *Sealer) Seal(plain []byte, context string) []byte {
	out := make([]byte, 1, 1+len(plain)+s.aead.Overhead())
	out[0] = sealVersion
	return s.aead.Seal(out, nil, plain, sealContext(context))
}

// Open decrypts what Seal made for the same context; ErrSealed otherwise.
func (s *Sealer) Open(sealed []byte, context string) ([]byte, error) {
	if len(sealed) < 1+s.aead.Overhead() || sealed[0] != sealVersion {
		return nil, ErrSealed
	}
	plain, err := s.aead.Open(nil, nil, sealed[1:], sealContext(context))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

func sealContext(context string) []byte {
	return append([]byte{sealVersion}, context...)
}

// Hash is a keyed hash (HMAC-SHA-256) under a key of its own for each context:
// equal data can be found again without being readable.
func (s *Sealer) Hash(context string, data []byte) []byte {
	mac := hmac.New(sha256.New, s.Derive("hash "+context))
	mac.Write(data)
	return mac.Sum(nil)
}

// Derive returns a key of 32 bytes for one purpose (HKDF, RFC 5869).
func (s *Sealer) Derive(label string) []byte {
	key, err := hkdf.Expand(sha256.New, s.prk, "taipeion idp "+label, 32)
	if err != nil {
		// Only a length over 255 hashes can fail.
		panic("keys: hkdf: " + err.Error())
	}
	return key
}
