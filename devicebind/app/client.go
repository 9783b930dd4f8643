package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"taipeion.internal/idp/devicebind"
)

// Client calls the provider. Its errors are *Error where the provider said no.
type Client struct {
	HTTP *http.Client     // nil: one with a time limit that follows no redirects
	Now  func() time.Time // nil: time.Now
}

// Error is what the provider answered: {"error": reason}.
type Error struct {
	Status int
	Reason string
}

func (e *Error) Error() string { return "refused: " + e.Reason }

// maxAnswer bounds an answer.
const maxAnswer = 64 << 10

// Claim makes a key and claims the enrolment of a key QR code's link:
// POST /phone/api/enrolments/ID. The digits are the phone's own.
func (c *Client) Claim(ctx context.Context, link, name, pin string) (*Binding, error) {
	l, err := ParseLink(link)
	if err != nil {
		return nil, err
	}
	b := &Binding{Phone: Phone{Origin: l.Origin, DeviceID: l.ID, Name: name}}
	if b.Phone.Key, err = NewKey(nil); err != nil {
		return nil, err
	}
	claim, err := NewClaim(l, &b.Phone, "terminal", pin)
	if err != nil {
		return nil, err
	}
	var got devicebind.Claimed
	if err := c.call(ctx, http.MethodPost, l.Origin+"/phone/api/enrolments/"+l.ID, "", claim, &got); err != nil {
		return nil, err
	}
	b.StatusToken, b.Ends, b.Phone.Agency = got.StatusToken, got.EndsAt, got.Agency
	b.Digits, err = b.Phone.Digits(l)
	return b, err
}

// Collect asks whether the PC has confirmed, and completes b.Phone when it has:
// GET /phone/api/enrolments/ID with "Authorization: Bearer STATUS_TOKEN".
func (c *Client) Collect(ctx context.Context, b *Binding) (devicebind.EnrolState, error) {
	var got devicebind.Collected
	address := b.Phone.Origin + "/phone/api/enrolments/" + url.PathEscape(b.Phone.DeviceID)
	if err := c.call(ctx, http.MethodGet, address, b.StatusToken, nil, &got); err != nil {
		return "", err
	}
	if got.State != devicebind.EnrolDone {
		return got.State, nil
	}
	return got.State, b.Phone.Complete(&got)
}

// Scan scans a code or its link: POST /phone/api/scan.
func (c *Client) Scan(ctx context.Context, p *Phone, code string) (*devicebind.Scanned, error) {
	req, err := p.NewScan(code, c.now())
	if err != nil {
		return nil, err
	}
	got := &devicebind.Scanned{}
	return got, c.call(ctx, http.MethodPost, p.Origin+"/phone/api/scan", "", req, got)
}

// Decide approves, denies or reports: POST /phone/api/decide.
func (c *Client) Decide(ctx context.Context, p *Phone, s *devicebind.Scanned, v devicebind.Verdict, number, pin string) error {
	req, err := p.NewDecision(s, v, number, pin, c.now())
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, p.Origin+"/phone/api/decide", "", req, nil)
}

// Report says that what was scanned was not this person's: it ends the login and
// what it opened. POST /phone/api/decide.
func (c *Client) Report(ctx context.Context, p *Phone, s *devicebind.Scanned) (devicebind.Ended, error) {
	req, err := p.NewDecision(s, devicebind.VerdictReport, "", "", c.now())
	if err != nil {
		return "", err
	}
	var got struct {
		Ended devicebind.Ended `json:"ended"`
	}
	return got.Ended, c.call(ctx, http.MethodPost, p.Origin+"/phone/api/decide", "", req, &got)
}

// Abandon says that the phone does not go on with a binding that it claimed:
// POST /phone/api/enrolments/ID/cancel.
func (c *Client) Abandon(ctx context.Context, b *Binding) error {
	address := b.Phone.Origin + "/phone/api/enrolments/" + url.PathEscape(b.Phone.DeviceID) + "/cancel"
	return c.call(ctx, http.MethodPost, address, b.StatusToken, nil, nil)
}

// Standing is the answer to "status".
type Standing struct {
	Standing devicebind.Standing `json:"standing"`
	Name     string              `json:"name"` // of the phone
	Person   string              `json:"person"`
	Agency   string              `json:"agency"`
	NotAfter int64               `json:"not_after"` // Unix milliseconds
}

// Self asks for the phone's standing (devicebind.SelfStatus) or ends it
// (SelfUnbind, with the PIN): POST /phone/api/self.
func (c *Client) Self(ctx context.Context, p *Phone, action, pin string) (*Standing, error) {
	req, err := p.NewSelf(action, pin, c.now())
	if err != nil {
		return nil, err
	}
	got := &Standing{}
	return got, c.call(ctx, http.MethodPost, p.Origin+"/phone/api/self", "", req, got)
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

var plain = &http.Client{
	Timeout:       20 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (c *Client) call(ctx context.Context, method, address, bearer string, body, into any) error {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, in)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	client := c.HTTP
	if client == nil {
		client = plain
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("call the provider: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return decode(res.StatusCode, text, into)
}

func decode(status int, text []byte, into any) error {
	if status < 200 || status > 299 {
		var no struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(text, &no) != nil || no.Error == "" {
			no.Error = http.StatusText(status)
		}
		return &Error{Status: status, Reason: no.Error}
	}
	if into == nil || status == http.StatusNoContent {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return errors.New("the provider's answer can't be read")
	}
	return nil
}
