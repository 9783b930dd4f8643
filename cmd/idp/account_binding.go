package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// accountUnbind undoes the binding of a portal account.
func (c *cli) accountUnbind() *cobra.Command {
	var reason string
	cmd := c.needsConfig(&cobra.Command{
		Use:   "unbind PORTAL-ACCOUNT",
		Short: "Undo the binding of a portal account to its TPEAD account, on record",
		Long: "Undoes the binding of a portal account 「員工愛上網帳號」 to its TPEAD account. The TPEAD\n" +
			"account does not log in here until it is bound again. If its person only claimed it by its password, it\n" +
			"is nobody's again, so that its owner can bind it. The person's sessions and tokens end.\n" +
			"When the portal is off, only such a claimed account is taken.",
		Example: `  idp account unbind wang.xiaoming --reason "bound to a colleague's account" --config idp.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason = strings.TrimSpace(reason); reason == "" {
				return directory.ErrReason
			}
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			if err := o.tells(); err != nil {
				return err
			}
			portal, now := names(o.config).Normalize(args[0]), time.Now()
			bound, err := o.store.BindingOf(cmd.Context(), portal)
			if err == nil {
				err = o.store.Unbind(cmd.Context(), portal, operator(), reason, now, idp.Event{
					At: now, Kind: "account.unbind", Result: "ok", PersonID: bound.PersonID, Actor: operator(), Detail: reason,
				})
			}
			if err != nil {
				err = fmt.Errorf("portal account %q: %w", args[0], err)
				if errors.Is(err, idp.ErrNotFound) {
					err = advise(err, "It is not bound. The name has to be that of the portal account: idp account show NAME lists them.")
				}
				if errors.Is(err, directory.ErrPortalOff) {
					err = advise(err, "The TPEAD account is the person's own: to close it, disable it in its directory.")
				}
				return err
			}
			return c.print(cmd, map[string]string{"portal": bound.Portal, "tpead": bound.TPEAD}, func(out *table) {
				out.row("no longer bound", bound.Portal, bound.TPEAD)
			})
		},
	})
	needsReason(cmd, &reason)
	return cmd
}

type decidedCard struct {
	Username string `json:"username"`
	Name     string `json:"name"`
	Card     string `json:"card"` // the name on it
	State    string `json:"state"`
}

// accountDecide makes the commands approve-binding and refuse-binding.
func (c *cli) accountDecide(verb, result string, state directory.WaitingState) *cobra.Command {
	var reason, by string
	cmd := c.needsConfig(&cobra.Command{
		Use:   verb + "-binding NAME --by ADMINISTRATOR",
		Short: "As a second administrator, " + verb + " a first card binding that waits",
		Long: "After an administrator has changed a person's name, national ID or password, the person's first card\n" +
			"waits for a second administrator. Better have that one " + verb + " it at /admin/approvals, where their own card\n" +
			"says who they are. Here --by names them, by an account: their role has to reach the person, and\n" +
			"neither they nor whoever types this may have made the change, or act for who did. " + actsForOne + "\n" +
			"This keeps one honest operator from being two by mistake. Whoever can type it can write to the\n" +
			"database, too: what holds them back is that the administrator is told, and the record.",
		Example: "  idp account " + verb + `-binding ab1234 --by cd5678 --reason "was here with the ID card" --config idp.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason = strings.TrimSpace(reason); reason == "" {
				return directory.ErrReason
			}
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			if err := o.tells(); err != nil {
				return err
			}
			waiting, err := o.decide(cmd.Context(), args[0], by, reason, verb)
			if err != nil {
				return fmt.Errorf("card of %q: %w", args[0], err)
			}
			d := decidedCard{waiting.Person.Username, waiting.Person.Name, waiting.Card.Name, string(state)}
			return c.print(cmd, d, func(out *table) { out.row(result, d.Username, d.Name, d.Card) })
		},
	})
	needsReason(cmd, &reason)
	needsBy(cmd, &by, "an account of the administrator who decides")
	return cmd
}

func (o *opened) decide(ctx context.Context, name, by, reason, verb string) (*directory.WaitingCard, error) {
	person, err := o.personOf(ctx, name)
	if err != nil {
		return nil, err
	}
	administrator, err := o.personOf(ctx, by)
	if err != nil {
		return nil, err
	}
	waiting, err := o.store.WaitingOf(ctx, person.ID)
	if err != nil {
		return nil, err
	}
	call := o.store.ApproveCard
	if verb == "refuse" {
		call = o.store.RefuseCard
	}
	now := time.Now()
	_, err = call(ctx, directory.Decision{ID: waiting.ID, PersonID: administrator.ID, Operator: operator(), Reason: reason, At: now}, idp.Event{
		At: now, Kind: "card." + verb, Result: "ok", Actor: directory.ActorOf(administrator.ID), Detail: "by " + operator() + ": " + reason,
	})
	var fault directory.DecisionFault
	switch {
	case errors.As(err, &fault):
		return nil, advise(fmt.Errorf("%w: %w", errRefused, err), map[directory.DecisionFault]string{
			directory.DecisionSelf:     "Whoever changed the person's name, national ID or password can't approve, nor whoever typed it; nor the person.",
			directory.DecisionOperator: operatorAdvice,
			directory.DecisionChanged:  "Something was changed since the card was read: the person has to bind it again.",
			directory.DecisionOver:     "It is decided already, or its time is over: the person has to bind the card again.",
			directory.DecisionTaken:    "The card is bound to somebody else by now, or the person has one.",
		}[fault])
	case errors.Is(err, idp.ErrNotFound):
		return nil, advise(fmt.Errorf("%s has no role that reaches this person: %w", by, errRefused), "idp admin list shows who has one.")
	}
	return waiting, err
}
