package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/directory"
)

// actsForOne is what the help of each command with --by says.
const actsForOne = "An account on this\n" +
	"machine acts for one administrator, from the first time on (idp admin operators, release)."

const operatorAdvice = "An account on this machine acts for one administrator: idp admin operators shows for whom. " +
	"Another operator can release it (idp admin release), or the administrator uses the pages at /admin."

// needsBy adds the flag that names the administrator in whose name it is done.
func needsBy(cmd *cobra.Command, by *string, usage string) {
	cmd.Flags().StringVar(by, "by", "", usage)
	if err := cmd.MarkFlagRequired("by"); err != nil {
		panic(err) // the flag was added a line ago
	}
}

// hand is who makes a change at the command line: an administrator, and the
// operating-system account that types it for them.
func (o *opened) hand(ctx context.Context, by string) (directory.Hand, error) {
	administrator, err := o.personOf(ctx, by)
	if err != nil {
		return directory.Hand{}, fmt.Errorf("--by: %w", err)
	}
	return directory.Hand{Actor: directory.ActorOf(administrator.ID), Operator: operator()}, nil
}

// handFault says what to do about a hand that may not.
func handFault(by string, err error) error {
	switch {
	case errors.Is(err, directory.ErrNoRole):
		return advise(fmt.Errorf("%s: %w: %w", by, err, errRefused), "idp admin list shows who has a role; nobody changes themself so.")
	case errors.Is(err, directory.ErrOperator):
		return advise(fmt.Errorf("%w: %w", err, errRefused), operatorAdvice)
	}
	return err
}
