package main

import (
	"context"
	"fmt"
	"time"
)

// shownFactors is what a person can log in with beside the password.
type shownFactors struct {
	Cards    []shownCard    `json:"cards"`
	Phones   []shownDevice  `json:"phones"`
	Codes    shownCodes     `json:"one_time_codes"`
	Passkeys []shownPasskey `json:"passkeys"`
}

type shownCard struct {
	Name     string    `json:"name"`
	BoundAt  time.Time `json:"bound_at"`
	NotAfter time.Time `json:"not_after"`
}

func (o *opened) factorsOf(ctx context.Context, personID string) (s shownFactors, err error) {
	f, err := o.factors(ctx)
	if err != nil {
		return s, err
	}
	s.Cards = []shownCard{}
	cards, err := o.store.CardsOf(ctx, personID)
	if err != nil {
		return s, fmt.Errorf("list cards: %w", err)
	}
	for _, c := range cards {
		if c.UnboundAt.IsZero() {
			s.Cards = append(s.Cards, shownCard{c.Name, c.BoundAt, c.NotAfter})
		}
	}
	devices, err := f.devices.Of(ctx, personID)
	if err != nil {
		return s, fmt.Errorf("list phones: %w", err)
	}
	s.Phones = shownDevices(devices)
	if s.Codes, err = f.codesOf(ctx, personID); err != nil {
		return s, err
	}
	if s.Passkeys, err = f.passkeysOf(ctx, personID); err != nil {
		return s, fmt.Errorf("list passkeys: %w", err)
	}
	return s, nil
}

func (s shownFactors) rows(out *table) {
	for _, c := range s.Cards {
		out.row("card", fmt.Sprintf("%s, bound %s, until %s", c.Name, moment(c.BoundAt), moment(c.NotAfter)))
	}
	for _, d := range s.Phones {
		out.row("phone", fmt.Sprintf("%s (%s) %s, bound %s %s", d.ID, d.Name, d.Standing, moment(d.BoundAt), joined(d.Why)))
	}
	if s.Codes.Bound {
		s.Codes.rows(out)
	}
	for _, k := range s.Passkeys {
		out.row("passkey", fmt.Sprintf("%s (%s), added %s", k.ID, k.Name, moment(k.CreatedAt)))
	}
}
