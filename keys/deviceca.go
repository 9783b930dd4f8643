package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"time"

	idp "taipeion.internal/idp"
)

// UseDevice is the use of the key that signs the certificates of bound phones.
// It signs nothing else, and no token is verified with it.
const UseDevice = "device"

const (
	deviceCALife = 20 * 365 * 24 * time.Hour
	// deviceURI names a device in its certificate (RFC 5280 section 4.2.1.6).
	deviceURI = "urn:taipeion:device:"
)

// DeviceCA issues the certificates of bound phones (RFC 5280). It is safe for
// concurrent use.
type DeviceCA struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// OpenDeviceCA loads the authority's key, and makes it at the first start. Nodes
// that start together agree through the store, whose first insert wins; all of
// them have the same certificate, bit for bit.
func OpenDeviceCA(ctx context.Context, store Store, sealer *Sealer, now time.Time) (*DeviceCA, error) {
	for range 2 {
		rec, err := deviceRecord(ctx, store, now)
		if err != nil {
			return nil, err
		}
		if rec != nil {
			return newDeviceCA(*rec, sealer)
		}
		// Whole seconds: the certificate can't say less.
		ring := &Ring{opts: RingOptions{Sealer: sealer, Now: func() time.Time { return now.Truncate(time.Second) }}}
		made, err := ring.newRecord(slot{UseDevice, ES256}, StateActive, 1)
		if err != nil {
			return nil, err
		}
		if err := store.AddSigningKey(ctx, made); err != nil && !errors.Is(err, idp.ErrConflict) {
			return nil, fmt.Errorf("keep device authority: %w", err)
		}
	}
	return nil, fmt.Errorf("device authority: %w", idp.ErrUnavailable)
}

func deviceRecord(ctx context.Context, store Store, now time.Time) (*Record, error) {
	records, err := store.SigningKeys(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("load device authority: %w", err)
	}
	for _, rec := range records {
		if rec.Use == UseDevice && rec.Algorithm == ES256 && rec.State == StateActive {
			return &rec, nil
		}
	}
	return nil, nil
}

func newDeviceCA(rec Record, sealer *Sealer) (*DeviceCA, error) {
	k, err := parseKey(rec, nil, sealer)
	if err != nil {
		return nil, fmt.Errorf("device authority: %w", err)
	}
	key, ok := k.private.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("device authority: %T is no ECDSA key", k.private)
	}
	serial := sha256.Sum256(rec.Public)
	from := rec.CreatedAt.UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:15]), Subject: pkix.Name{CommonName: "Device Authority", SerialNumber: rec.KID},
		NotBefore: from, NotAfter: from.Add(deviceCALife), BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, deterministic{key})
	if err != nil {
		return nil, fmt.Errorf("device authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("device authority: %w", err)
	}
	return &DeviceCA{key: key, cert: cert}, nil
}

// deterministic signs as in RFC 6979: the same certificate on every node.
type deterministic struct{ *ecdsa.PrivateKey }

func (d deterministic) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return d.PrivateKey.Sign(nil, digest, opts)
}

// Certificate is the authority's own certificate, DER. It must not be changed.
func (c *DeviceCA) Certificate() []byte { return c.cert.Raw }

// Issue certifies a phone's key for the device of that ID (base64url of 16
// bytes), until notAfter or the authority's own end, whichever comes first.
func (c *DeviceCA) Issue(public *ecdsa.PublicKey, deviceID string, now, notAfter time.Time) (der []byte, until time.Time, err error) {
	id, err := base64.RawURLEncoding.DecodeString(deviceID)
	if err != nil || len(id) != 16 {
		return nil, time.Time{}, errors.New("not a device's ID")
	}
	until = notAfter.UTC().Truncate(time.Second)
	if c.cert.NotAfter.Before(until) {
		until = c.cert.NotAfter
	}
	template := &x509.Certificate{
		// 128 random bits by the ID, and a leading 1: positive, and never zero.
		SerialNumber: new(big.Int).SetBytes(append([]byte{1}, id...)),
		Subject:      pkix.Name{CommonName: deviceID},
		URIs:         []*url.URL{{Scheme: "urn", Opaque: deviceURI[len("urn:"):] + deviceID}},
		NotBefore:    now.UTC().Truncate(time.Second), NotAfter: until,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if !template.NotBefore.Before(until) {
		return nil, time.Time{}, errors.New("the certificate would end before it begins")
	}
	der, err = x509.CreateCertificate(rand.Reader, template, c.cert, public, c.key)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("issue device certificate: %w", err)
	}
	return der, until, nil
}
