//go:build cgo

package pkcs11

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"os"
	"sync"

	p11 "github.com/miekg/pkcs11"
)

// provisioning guards the process's environment and SoftHSM2's own state,
// which exists once.
var provisioning sync.Mutex

// Provision makes software cards beside those that the folder has already. It
// loads the module into this process for as long as it works.
func (s *SoftHSM) Provision(cards []SoftCard) error {
	provisioning.Lock()
	defer provisioning.Unlock()
	if err := s.Prepare(); err != nil {
		return err
	}
	path := s.Path()
	if path == "" {
		return Fail(KindNoComponent, "find SoftHSM2")
	}
	before, had := os.LookupEnv("SOFTHSM2_CONF")
	if err := os.Setenv("SOFTHSM2_CONF", s.Config()); err != nil {
		return fmt.Errorf("software cards: %w", err)
	}
	defer func() {
		if had {
			_ = os.Setenv("SOFTHSM2_CONF", before)
		} else {
			_ = os.Unsetenv("SOFTHSM2_CONF")
		}
	}()
	m, err := Open(path)
	if err != nil {
		return err
	}
	defer m.Close()
	for _, c := range cards {
		if err := m.provision(c); err != nil {
			return fmt.Errorf("software card %q: %w", c.Label, err)
		}
	}
	return nil
}

func (m *Module) provision(c SoftCard) error {
	cert, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	if key, ok := cert.PublicKey.(*rsa.PublicKey); !ok || !key.Equal(&c.Key.PublicKey) {
		return errors.New("the certificate is not of this key")
	}
	slot, err := m.freeSlot()
	if err != nil {
		return err
	}
	if err := m.ctx.InitToken(slot, c.SOPIN, c.Label); err != nil {
		return fromRV("C_InitToken", rvOf(err))
	}
	session, err := m.ctx.OpenSession(slot, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
	if err != nil {
		return fromRV("C_OpenSession", rvOf(err))
	}
	defer func() { _ = m.ctx.CloseSession(session) }()
	if err := m.ctx.Login(session, p11.CKU_SO, c.SOPIN); err != nil {
		return fromRV("C_Login", rvOf(err))
	}
	if err := m.ctx.InitPIN(session, c.PIN); err != nil {
		return fromRV("C_InitPIN", rvOf(err))
	}
	if err := m.ctx.Logout(session); err != nil {
		return fromRV("C_Logout", rvOf(err))
	}
	if err := m.ctx.Login(session, p11.CKU_USER, c.PIN); err != nil {
		return fromRV("C_Login", rvOf(err))
	}
	defer func() { _ = m.ctx.Logout(session) }()
	return m.store(session, c, cert)
}

// freeSlot is the one slot that SoftHSM2 always offers for a new token.
func (m *Module) freeSlot() (uint, error) {
	ids, err := m.ctx.GetSlotList(true)
	if err != nil {
		return 0, fromRV("C_GetSlotList", rvOf(err))
	}
	for _, id := range ids {
		if info, err := m.ctx.GetTokenInfo(id); err == nil && info.Flags&p11.CKF_TOKEN_INITIALIZED == 0 {
			return id, nil
		}
	}
	return 0, Fail(KindNoCard, "find a free slot")
}

// store writes certificate and private key as a natural-person card has them.
func (m *Module) store(session p11.SessionHandle, c SoftCard, cert *x509.Certificate) error {
	common := []*p11.Attribute{
		p11.NewAttribute(p11.CKA_TOKEN, true),
		p11.NewAttribute(p11.CKA_ID, signatureID),
		p11.NewAttribute(p11.CKA_LABEL, "cert1"),
		p11.NewAttribute(p11.CKA_SUBJECT, cert.RawSubject),
	}
	certificate := append(common[:len(common):len(common)],
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_CERTIFICATE),
		p11.NewAttribute(p11.CKA_CERTIFICATE_TYPE, p11.CKC_X_509),
		p11.NewAttribute(p11.CKA_PRIVATE, false),
		p11.NewAttribute(p11.CKA_ISSUER, cert.RawIssuer),
		p11.NewAttribute(p11.CKA_VALUE, c.Certificate),
	)
	if _, err := m.ctx.CreateObject(session, certificate); err != nil {
		return fromRV("C_CreateObject", rvOf(err))
	}
	c.Key.Precompute()
	number := func(kind uint, n *big.Int) *p11.Attribute { return p11.NewAttribute(kind, n.Bytes()) }
	key := append(common[:len(common):len(common)],
		p11.NewAttribute(p11.CKA_CLASS, p11.CKO_PRIVATE_KEY),
		p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_RSA),
		p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, true),
		p11.NewAttribute(p11.CKA_EXTRACTABLE, false),
		p11.NewAttribute(p11.CKA_SIGN, true),
		number(p11.CKA_MODULUS, c.Key.N),
		number(p11.CKA_PUBLIC_EXPONENT, big.NewInt(int64(c.Key.E))),
		number(p11.CKA_PRIVATE_EXPONENT, c.Key.D),
		number(p11.CKA_PRIME_1, c.Key.Primes[0]),
		number(p11.CKA_PRIME_2, c.Key.Primes[1]),
		number(p11.CKA_EXPONENT_1, c.Key.Precomputed.Dp),
		number(p11.CKA_EXPONENT_2, c.Key.Precomputed.Dq),
		number(p11.CKA_COEFFICIENT, c.Key.Precomputed.Qinv),
	)
	if _, err := m.ctx.CreateObject(session, key); err != nil {
		return fromRV("C_CreateObject", rvOf(err))
	}
	return nil
}
