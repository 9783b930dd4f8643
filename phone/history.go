package phone

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
)

// History knows what a person's phones decided.
type History struct {
	// Events are the newest that are asked for, newest first.
	Events func(ctx context.Context, a AskDecided) ([]idp.Event, error)
	// Client finds a relying system; idp.ErrNotFound.
	Client func(ctx context.Context, id string) (*idp.Client, error)
}

// AskDecided asks for a person's events.
type AskDecided struct {
	PersonID string
	Kinds    []string
	Since    time.Time // not before
	Before   time.Time // zero: until now
	Limit    int
}

// How much of it a phone is told.
const (
	historyAge  = 90 * 24 * time.Hour
	historySize = 50 // on a page
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

// of lists what the person's phones decided before then (Unix microseconds; 0: until
// now), newest first. With the whole of it shown, older is 0.
func (h *History) of(ctx context.Context, d *devicebind.Device, now time.Time, before int64) (out []decided, older int64, err error) {
	if h.Events == nil {
		return nil, 0, nil
	}
	ask := AskDecided{PersonID: d.PersonID, Kinds: slices.Collect(maps.Keys(decisions)), Since: now.Add(-historyAge), Limit: historySize + 1}
	if before > 0 {
		ask.Before = time.UnixMicro(before)
	}
	events, err := h.Events(ctx, ask)
	if err != nil {
		return nil, 0, fmt.Errorf("read history: %w", err)
	}
	if len(events) > historySize {
		events = events[:historySize]
		older = events[historySize-1].At.UnixMicro()
	}
	clients := map[string]*idp.Client{}
	for _, e := range events {
		decision := decisions[e.Kind]
		c, err := h.client(ctx, clients, e.ClientID)
		if err != nil {
			return nil, 0, err
		}
		out = append(out, decided{
			At: e.At.UnixMilli(), Decision: string(decision), OK: e.Result == "ok" || e.Kind == "phone.report",
			Client: c.Name, ClientEN: c.NameEN, Here: strings.Contains(e.Detail+" ", "device "+d.ID+" "),
		})
	}
	return out, older, nil
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
