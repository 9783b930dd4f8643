package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory"
)

type startPassword struct {
	Account  string    `json:"account"`
	Name     string    `json:"name"`
	Password string    `json:"password"`
	EndsAt   time.Time `json:"ends_at"`
	Mail     []string  `json:"mail,omitempty"`
}

func (c *cli) accountReset() *cobra.Command {
	var reason, by string
	cmd := c.needsConfig(&cobra.Command{
		Use:   "reset-password NAME --by ADMINISTRATOR",
		Short: "Give an account a start password, on record",
		Long: "Gives an account a start password, which is shown once: it opens nothing but the page that\n" +
			"changes it, and ends by itself. The password before it, all sessions and refresh tokens of the\n" +
			"person are dead at once. Make sure who asks; better still, have the person bind a card first:\n" +
			"with it they can set a new password themselves. --by names the administrator who does it, by an\n" +
			"account: their role has to reach the person. " + actsForOne,
		Example: `  idp account reset-password ab1234 --by cd5678 --reason "came to the counter with an ID card" --config idp.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			if err := o.tells(); err != nil {
				return err
			}
			passwords, err := o.passwords(cmd.Context())
			if err != nil {
				return err
			}
			hand, err := o.hand(cmd.Context(), by)
			if err != nil {
				return err
			}
			start, done, err := passwords.Reset(cmd.Context(), args[0], hand, strings.TrimSpace(reason))
			if err != nil {
				return handFault(by, fmt.Errorf("account %q: %w", args[0], err))
			}
			s := startPassword{Account: done.Account, Name: done.Person.Name, Password: start, EndsAt: time.Now().Add(passwords.StartLife), Mail: done.Mail}
			return c.print(cmd, s, func(out *table) {
				out.row("account", s.Account)
				out.row("name", s.Name)
				out.row("start password", s.Password)
				out.row("ends", s.EndsAt)
				out.row("", "It has to be changed at the next login.")
			})
		},
	})
	needsReason(cmd, &reason)
	needsBy(cmd, &by, "an account of the administrator who does it")
	return cmd
}

func (o *opened) passwords(ctx context.Context) (*directory.Passwords, error) {
	sealer, err := o.sealer(ctx)
	if err != nil {
		return nil, err
	}
	gate, err := o.gate(ctx)
	if err != nil {
		return nil, err
	}
	p, err := newPasswords(o.config, gate, o.store, sealer, o.logger, time.Now)
	if err != nil {
		return nil, err
	}
	pages, err := o.letterPages()
	if pages != nil {
		p.Letters = passwordLetters(pages)
	}
	return p, err
}

func (c *cli) passwordsCommand() *cobra.Command {
	imports := c.needsConfig(&cobra.Command{
		Use:   "import FILE|FOLDER...",
		Short: "Make the list of leaked passwords that are refused",
		Long: "Makes the file that passwords.leaked names, from lists of SHA-1 hashes as they are given out for\n" +
			"k-anonymous look-ups: one file of HASH:COUNT lines, or a folder of ranges, each named by the first\n" +
			"five digits of its hashes. Sources have to be sorted by hash, as they are given out. Running nodes\n" +
			"see the new list at once.",
		Example: "  idp passwords import pwned-passwords-sha1-ordered-by-hash.txt --config idp.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.importLeaked(cmd, args) },
	})
	return group("passwords", "The list of leaked passwords", imports)
}

func (c *cli) importLeaked(cmd *cobra.Command, sources []string) error {
	cfg, err := config.Load(c.config)
	if err != nil {
		return err
	}
	if cfg.Passwords.Leaked == "" {
		return fmt.Errorf("%w: passwords.leaked does not say where the list is", config.ErrInvalid)
	}
	target := cfg.Path(cfg.Passwords.Leaked)
	file, err := os.CreateTemp(filepath.Dir(target), ".leaked-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // gone already, if all went well
	count, err := writeLeaked(file, sources)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Chmod(file.Name(), 0o644); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), target); err != nil {
		return err
	}
	return c.print(cmd, map[string]any{"file": target, "passwords": count}, func(out *table) {
		out.row("file", target)
		out.row("passwords", count)
	})
}

func writeLeaked(file *os.File, sources []string) (int64, error) {
	list, err := directory.NewLeakedWriter(file)
	if err != nil {
		return 0, err
	}
	for _, source := range sources {
		err := filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return addLeaked(list, path)
		})
		if err != nil {
			return 0, err
		}
	}
	count, err := list.Close()
	if err == nil && count == 0 {
		// A download that failed must not switch the rule off.
		err = fmt.Errorf("%w: there is no password in it", directory.ErrLeakedFile)
	}
	return count, errors.Join(err, file.Sync())
}

var rangeName = regexp.MustCompile(`^([0-9A-Fa-f]{5})(\.txt)?$`)

func addLeaked(list *directory.LeakedWriter, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	prefix := ""
	if m := rangeName.FindStringSubmatch(filepath.Base(path)); m != nil {
		prefix = m[1]
	}
	if err := list.Add(in, prefix); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
