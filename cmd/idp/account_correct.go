package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
)

// accountCorrect corrects a name or a national ID by hand.
func (c *cli) accountCorrect() *cobra.Command {
	var name, file, reason, by string
	cmd := c.needsConfig(&cobra.Command{
		Use:   "correct NAME --by ADMINISTRATOR",
		Short: "Correct a person's name or national ID by hand, on record",
		Long: "Corrects a person's name or national ID, when the portal no longer feeds people (phase directory and\n" +
			"later; before, correct them there). The national ID is read from a file, - for standard input, and never\n" +
			"from the command line. The person's next first card waits for a second administrator's approval. --by names\n" +
			"the administrator who does it, by an account: their role has to reach the person. " + actsForOne,
		Example: `  idp account correct ab1234 --name 王大明 --by cd5678 --reason "changed at the household office" --config idp.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			nationalID, err := readLine(cmd, file)
			if err != nil {
				return err
			}
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			if err := o.tells(); err != nil {
				return err
			}
			person, err := o.personOf(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			sealer, err := o.sealer(cmd.Context())
			if err != nil {
				return err
			}
			registrar := &directory.Registrar{Accounts: o.store, Names: names(o.config), Seal: sealer.Seal, Key: sealer.Hash, Now: time.Now}
			hand, err := o.hand(cmd.Context(), by)
			if err != nil {
				return err
			}
			correction := directory.Correction{PersonID: person.ID, Name: name, Hand: hand, Reason: reason}
			err = registrar.Correct(cmd.Context(), o.store, correction, nationalID)
			switch {
			case errors.Is(err, directory.ErrNothing), errors.Is(err, directory.ErrNationalID), errors.Is(err, directory.ErrUnfit):
				return usage(err)
			case errors.Is(err, idp.ErrConflict):
				return advise(fmt.Errorf("account %q: %w", args[0], err),
					"While the portal feeds people (phase coexist) they are corrected there. Or the national ID is another person's.")
			case err != nil:
				return handFault(by, fmt.Errorf("account %q: %w", args[0], err))
			}
			return c.print(cmd, map[string]string{"username": person.Username}, func(out *table) { out.row("corrected", person.Username) })
		},
	})
	cmd.Flags().StringVar(&name, "name", "", "the name, as in the personnel register")
	cmd.Flags().StringVar(&file, "national-id-file", "", "file with the national ID; - for standard input")
	needsReason(cmd, &reason)
	needsBy(cmd, &by, "an account of the administrator who does it")
	return cmd
}

// readLine reads a secret line from a file, or from standard input.
func readLine(cmd *cobra.Command, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	var in io.Reader = cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, 1024))
	if err != nil {
		return "", fmt.Errorf("read the national ID: %w", err)
	}
	if line := strings.TrimSpace(string(raw)); line != "" {
		return line, nil
	}
	return "", usage(errors.New("the file with the national ID is empty"))
}
