package pkcs11

import (
	"crypto/rsa"
	"fmt"
	"os"
	"path/filepath"
)

// SoftHSM is a folder of software cards, kept by the SoftHSM2 module: for the
// demo and for tests. A software card has no protection worth the name.
type SoftHSM struct {
	Dir    string // owned by it
	Module string // path of the module; found by itself if empty
}

// SoftCard is a card to be made.
type SoftCard struct {
	Label       string
	SOPIN       string
	PIN         string
	Key         *rsa.PrivateKey
	Certificate []byte // DER
}

// Path is the file of the module, empty if it is not installed.
func (s *SoftHSM) Path() string {
	if s.Module != "" {
		return s.Module
	}
	if found := Find([]string{"softhsm2"}); len(found) > 0 {
		return found[0]
	}
	return ""
}

// Config is the path of the configuration file.
func (s *SoftHSM) Config() string { return filepath.Join(s.Dir, "softhsm2.conf") }

// Env is the environment variable that points the module to this folder.
func (s *SoftHSM) Env() string { return "SOFTHSM2_CONF=" + s.Config() }

// Prepare makes the folder and its configuration; it keeps what is there.
func (s *SoftHSM) Prepare() error {
	tokens := filepath.Join(s.Dir, "tokens")
	if err := os.MkdirAll(tokens, 0o700); err != nil {
		return fmt.Errorf("software cards: %w", err)
	}
	conf := "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = true\n"
	if err := os.WriteFile(s.Config(), []byte(conf), 0o600); err != nil {
		return fmt.Errorf("software cards: %w", err)
	}
	return nil
}
