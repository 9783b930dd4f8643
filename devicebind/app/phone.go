// Package app is a phone in software: it speaks the protocol of
// docs/phone-protocol.md to the provider, for the terminal and for tests.
//
// It owns the phone's side of the protocol: the key, the request, the proofs and
// the signatures, and the calls that carry them. It does not own where the key
// is kept: a Phone is plain data. What always holds: it speaks to the origin it
// was bound to and to no other.
package app

import (
	"context"
	"errors"
	"net/http"

	"taipeion.internal/idp/devicebind"
)

var errNotYet = errors.New("not yet")

// Phone is a bound phone: one account of one person at one origin.
type Phone struct {
	Origin      string `json:"origin"`
	DeviceID    string `json:"device_id"`
	Name        string `json:"name"` // of the phone
	Person      string `json:"person"`
	Agency      string `json:"agency"`
	Key         []byte `json:"key"` // PKCS#8, P-256
	Certificate []byte `json:"certificate"`
	CA          []byte `json:"ca"`
}

// Binding is an enrolment that the phone has claimed and the PC has not
// confirmed.
type Binding struct {
	Phone       Phone
	Digits      string
	StatusToken string
}

// Client calls the provider. Its errors are *Error where the provider said no.
type Client struct {
	HTTP *http.Client // nil: one with a time limit
}

// Error is what the provider answered: {"error": reason}.
type Error struct {
	Status int
	Reason string
}

func (e *Error) Error() string { return "refused: " + e.Reason }

// Claim makes a key and claims the enrolment of a key QR code's link:
// POST /phone/api/enrolments/ID.
func (c *Client) Claim(ctx context.Context, link, name, pin string) (*Binding, error) {
	return nil, errNotYet
}

// Collect asks whether the PC has confirmed, and completes b.Phone when it has:
// GET /phone/api/enrolments/ID with "Authorization: Bearer STATUS_TOKEN".
func (c *Client) Collect(ctx context.Context, b *Binding) (devicebind.EnrolState, error) {
	return "", errNotYet
}

// Scan scans a code or its link: POST /phone/api/scan.
func (c *Client) Scan(ctx context.Context, p *Phone, code string) (*devicebind.Scanned, error) {
	return nil, errNotYet
}

// Decide approves, denies or reports: POST /phone/api/decide.
func (c *Client) Decide(ctx context.Context, p *Phone, s *devicebind.Scanned, v devicebind.Verdict, number, pin string) error {
	return errNotYet
}

// Self asks for the phone's standing ("status") or ends it ("unbind"):
// POST /phone/api/self.
func (c *Client) Self(ctx context.Context, p *Phone, action string) (*Standing, error) {
	return nil, errNotYet
}

// Standing is the answer to "status".
type Standing struct {
	Standing devicebind.Standing `json:"standing"`
	Name     string              `json:"name"` // of the phone
	Person   string              `json:"person"`
	Agency   string              `json:"agency"`
	NotAfter int64               `json:"not_after"` // Unix milliseconds
}
