package phone

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

// History knows what a person's phones decided.
type History struct {
	// Events are the person's, newest first, not before since.
	Events func(ctx context.Context, personID string, since time.Time) ([]idp.Event, error)
	// Client finds a relying system; idp.ErrNotFound.
	Client func(ctx context.Context, id string) (*idp.Client, error)
}

// How much of it a phone is told.
const (
	historyAge  = 90 * 24 * time.Hour
	historySize = 50
)

// decided is one decision of one of the person's phones.
type decided struct {
	At       int64  `json:"at"`       // Unix milliseconds
	Decision string `json:"decision"` // approve, deny or report
	OK       bool   `json:"ok"`       // false: it was refused, a wrong number for example
	Client   string `json:"client_name"`
	ClientEN string `json:"client_name_en,omitempty"`
	Here     bool   `json:"here"` // decided on the phone that asks
}

var decisions = map[string]devicebind.Verdict{
	"phone.approve": devicebind.VerdictApprove, "phone.deny": devicebind.VerdictDeny, "phone.report": devicebind.VerdictReport,
}

// of lists what the person's phones decided, newest first.
func (h *History) of(ctx context.Context, d *devicebind.Device, now time.Time) ([]decided, error) {
	if h.Events == nil {
		return nil, nil
	}
	events, err := h.Events(ctx, d.PersonID, now.Add(-historyAge))
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	var out []decided
	clients := map[string]*idp.Client{}
	for _, e := range events {
		decision, ours := decisions[e.Kind]
		if !ours || len(out) == historySize {
			continue
		}
		c, err := h.client(ctx, clients, e.ClientID)
		if err != nil {
			return nil, err
		}
		out = append(out, decided{
			At: e.At.UnixMilli(), Decision: string(decision), OK: e.Result == "ok" || e.Kind == "phone.report",
			Client: c.Name, ClientEN: c.NameEN, Here: strings.Contains(e.Detail+" ", "device "+d.ID+" "),
		})
	}
	return out, nil
}

// client finds a system once; one that is gone has no name.
func (h *History) client(ctx context.Context, found map[string]*idp.Client, id string) (*idp.Client, error) {
	if c := found[id]; c != nil {
		return c, nil
	}
	c := &idp.Client{}
	if id != "" {
		var err error
		c, err = h.Client(ctx, id)
		if errors.Is(err, idp.ErrNotFound) {
			c = &idp.Client{Name: id, NameEN: id}
		} else if err != nil {
			return nil, fmt.Errorf("read client: %w", err)
		}
	}
	found[id] = c
	return c, nil
}
