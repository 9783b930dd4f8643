package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
)

// newPasswords joins what changes passwords, and tells the gate which of them
// have to be changed first.
func newPasswords(c *config.Config, gate *directory.Gate, st *store.Store, sealer *keys.Sealer, logger *slog.Logger, now func() time.Time) (*directory.Passwords, error) {
	rules, err := passwordRules(c)
	if err != nil {
		return nil, err
	}
	p := &directory.Passwords{
		Gate: gate, Keeper: st, Rules: rules, Seal: sealer.Seal, Open: sealer.Open,
		StartLife: c.Passwords.StartLife.D(), Bound: st.Bound, Now: now, Logger: logger,
	}
	if c.Passwords.Leaked != "" {
		list := &directory.LeakedFile{Path: c.Path(c.Passwords.Leaked)}
		if err := list.Look(); err != nil {
			return nil, fmt.Errorf("passwords.leaked: %w", err)
		}
		p.Leaked = list
	}
	p.Bound = func(ctx context.Context, account string) (bool, error) {
		_, f, err := st.NameFacts(ctx, account)
		return f.Bound || !f.Portal, err
	}
	gate.After = p.After
	return p, nil
}

// passwordRules are the profile's, with the city's own length.
func passwordRules(c *config.Config) (policy.PasswordRules, error) {
	rules, err := policy.RulesOf(policy.PasswordProfile(c.Passwords.Profile))
	if err != nil {
		return rules, fmt.Errorf("passwords.profile: %w: %w", config.ErrInvalid, err)
	}
	if c.Passwords.MinLength > 0 {
		rules.MinLength = c.Passwords.MinLength
	}
	return rules, nil
}
