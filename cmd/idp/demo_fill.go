package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/demo"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/session"
)

// fill puts the plan's people and clients into the store, those that are not
// there yet. All at once: the store commits together what arrives together.
func (h *house) fill(ctx context.Context, plan *demo.Plan) error {
	registrar := &directory.Registrar{
		Accounts: h.store, Names: names(h.config), Seal: h.sealer.Seal, Key: h.sealer.Hash, Now: time.Now,
	}
	var wg sync.WaitGroup
	errs := make([]error, len(plan.Staff)+len(plan.Clients))
	for i := range plan.Staff {
		wg.Go(func() { errs[i] = h.fillMember(ctx, registrar, &plan.Staff[i]) })
	}
	for i := range plan.Clients {
		wg.Go(func() { errs[len(plan.Staff)+i] = h.fillClient(ctx, &plan.Clients[i].Client) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (h *house) fillMember(ctx context.Context, registrar *directory.Registrar, m *demo.Member) error {
	_, err := h.store.Account(ctx, registrar.Names.Normalize(m.Account()))
	if !errors.Is(err, idp.ErrNotFound) {
		return err // there already, or the store does not answer
	}
	person, err := registrar.Put(ctx, m.NewPerson())
	if err != nil {
		return fmt.Errorf("demo staff %s: %w", m.Portal, err)
	}
	bound := directory.Binding{
		Portal: registrar.Names.Normalize(m.Portal), TPEAD: registrar.Names.Normalize(m.Account()), PersonID: person.ID,
		How: "provision", At: time.Now(),
	}
	if m.Single == "" {
		bound.How = "self"
	}
	if err := h.store.Bind(ctx, bound, "demo"); err != nil {
		return fmt.Errorf("demo binding of %s: %w", m.Portal, err)
	}
	if m.Card == nil || !m.Card.Bound {
		return nil
	}
	card, err := m.Card.Binding(person.ID, time.Now())
	if err != nil {
		return err
	}
	id, _ := session.NewHandle()
	card.ID = id[:22]
	if err := h.store.BindCard(ctx, card); err != nil {
		return fmt.Errorf("demo card of %s: %w", m.Portal, err)
	}
	return nil
}

// fillClient registers a client, or follows its changed addresses: what an
// operator changed otherwise stays.
func (h *house) fillClient(ctx context.Context, want *idp.Client) error {
	have, err := h.store.Client(ctx, want.ID)
	if errors.Is(err, idp.ErrNotFound) {
		return h.store.PutClient(ctx, want)
	}
	if err != nil {
		return err
	}
	if slices.Equal(have.RedirectURIs, want.RedirectURIs) && slices.Equal(have.PostLogoutURIs, want.PostLogoutURIs) {
		return nil
	}
	have.RedirectURIs, have.PostLogoutURIs, have.URI = want.RedirectURIs, want.PostLogoutURIs, want.URI
	have.UpdatedAt = time.Now()
	return h.store.PutClient(ctx, have)
}
