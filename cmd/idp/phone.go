package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/app"
)

// phoneCommand is a phone in the terminal. What is secret comes by standard
// input: command lines can be read by everybody on the machine.
func (c *cli) phoneCommand() *cobra.Command {
	p := &phoneCLI{cli: c}
	cmd := group("phone", "Be a phone in the terminal: bind, scan, approve", p.bind(), p.scan(), p.approve(), p.deny(), p.list())
	cmd.PersistentFlags().StringVar(&p.state, "state", "", "file that keeps the phones (default: phone.json in the user's configuration folder)")
	cmd.PersistentFlags().StringVar(&p.device, "device", "", "which phone, by the device_id that list shows; needed if there are several")
	return cmd
}

// phoneCLI holds what the phone commands share.
type phoneCLI struct {
	*cli
	state, device string
	client        app.Client
}

// ask reads lines of standard input: one for each name. Where a line is missing
// the error says which.
func ask(in io.Reader, names ...string) ([]string, error) {
	lines := bufio.NewScanner(in)
	out := make([]string, len(names))
	for i, name := range names {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return nil, fmt.Errorf("standard input: %w", err)
			}
			return nil, usage(fmt.Errorf("standard input has no line %d: %s", i+1, name))
		}
		out[i] = strings.TrimSpace(lines.Text())
	}
	return out, nil
}

func (p *phoneCLI) bind() *cobra.Command {
	var name string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "bind",
		Short: "Bind a new phone with the link of a key QR code",
		Long: "Bind a new phone. Standard input has two lines: the link that the key QR code holds, and a PIN\n" +
			"of six digits or more. The six digits are printed at once; compare them with those on the computer\n" +
			"and confirm there. The phone is bound when the computer has confirmed.",
		Example: `  idp phone bind --name "my terminal" < link-and-pin.txt`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lines, err := ask(cmd.InOrStdin(), "the link", "the PIN")
			if err != nil {
				return err
			}
			phones, err := p.open()
			if err != nil {
				return err
			}
			b, err := p.client.Claim(cmd.Context(), lines[0], name, lines[1])
			if err != nil {
				return phoneError(err)
			}
			if err := p.print(cmd, map[string]string{"digits": b.Digits}, func(out *table) { out.row("digits", b.Digits) }); err != nil {
				return err
			}
			if err := p.collect(cmd, b, wait); err != nil {
				return err
			}
			phones.Phones = append(phones.Phones, kept{Phone: b.Phone})
			if err := phones.save(); err != nil {
				return err
			}
			return p.print(cmd, shownPhoneOf(&b.Phone), shownPhoneOf(&b.Phone).rows)
		},
	}
	cmd.Flags().StringVar(&name, "name", "terminal", "name of the phone, as the person will see it")
	cmd.Flags().DurationVar(&wait, "wait", devicebind.EnrolLife, "how long to wait for the computer")
	return cmd
}

// collect waits for the computer's yes.
func (p *phoneCLI) collect(cmd *cobra.Command, b *app.Binding, wait time.Duration) error {
	end := time.NewTimer(wait)
	defer end.Stop()
	for {
		state, err := p.client.Collect(cmd.Context(), b)
		switch {
		case err != nil:
			return phoneError(err)
		case state == devicebind.EnrolDone:
			return nil
		case state == devicebind.EnrolOver:
			return fmt.Errorf("%w: the computer did not confirm", errRefused)
		}
		select {
		case <-cmd.Context().Done():
			p.abandon(b)
			return cmd.Context().Err()
		case <-end.C:
			return fmt.Errorf("%w: the computer did not confirm in time", errRefused)
		case <-time.After(time.Second / 2):
		}
	}
}

// abandon tells the computer that nobody waits here any more; without an answer
// it will see that by itself, in three minutes.
func (p *phoneCLI) abandon(b *app.Binding) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_ = p.client.Abandon(ctx, b)
}

func (p *phoneCLI) scan() *cobra.Command {
	return &cobra.Command{
		Use:   "scan",
		Short: "Scan a login's QR code: its text or link, by standard input",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lines, err := ask(cmd.InOrStdin(), "the code, or the link that holds it")
			if err != nil {
				return err
			}
			phones, k, err := p.choose()
			if err != nil {
				return err
			}
			s, err := p.client.Scan(cmd.Context(), &k.Phone, lines[0])
			if err != nil {
				return phoneError(err)
			}
			k.Scanned, k.Last = s, s
			if err := phones.save(); err != nil {
				return err
			}
			return p.print(cmd, s, func(out *table) {
				out.row("system", s.ClientName)
				out.row("agency", s.Agency)
				out.row("browser", strings.TrimSpace(s.Browser+" "+s.System))
				out.row("network", s.Network)
				out.row("started", time.UnixMilli(s.Started))
				out.row("ends", time.UnixMilli(s.Ends))
			})
		},
	}
}

func (p *phoneCLI) approve() *cobra.Command {
	return &cobra.Command{
		Use:   "approve",
		Short: "Approve the login that was scanned last: number and PIN by standard input",
		Long: "Approve the login that was scanned last. Standard input has two lines: the two digits that the\n" +
			"computer shows, and the PIN. A wrong number ends the login.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lines, err := ask(cmd.InOrStdin(), "the number", "the PIN")
			if err != nil {
				return err
			}
			return p.decide(cmd, devicebind.VerdictApprove, lines[0], lines[1])
		},
	}
}

func (p *phoneCLI) deny() *cobra.Command {
	var report bool
	cmd := &cobra.Command{
		Use:   "deny",
		Short: "Refuse the login that was scanned last",
		Long: "Refuse the login that was scanned last. With --report also one that was approved, used or over:\n" +
			"whoever was logged in by it is logged out.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if report {
				return p.report(cmd)
			}
			return p.decide(cmd, devicebind.VerdictDeny, "", "")
		},
	}
	cmd.Flags().BoolVar(&report, "report", false, "say that it was not you: it is reported")
	return cmd
}

func (p *phoneCLI) decide(cmd *cobra.Command, v devicebind.Verdict, number, pin string) error {
	phones, k, err := p.choose()
	if err != nil {
		return err
	}
	if k.Scanned == nil {
		return fmt.Errorf("%w: nothing was scanned: idp phone scan comes first", idp.ErrNotFound)
	}
	err = p.client.Decide(cmd.Context(), &k.Phone, k.Scanned, v, number, pin)
	var refused *app.Error
	if err == nil || errors.As(err, &refused) && refused.Reason != string(devicebind.ReasonPINWrong) {
		k.Scanned = nil // decided, or over
		err = errors.Join(err, phones.save())
	}
	if err != nil {
		return phoneError(err)
	}
	return p.print(cmd, map[string]devicebind.Verdict{"decision": v}, func(out *table) { out.row("decision", v) })
}

// report says that the login was not this person's, whatever became of it.
func (p *phoneCLI) report(cmd *cobra.Command) error {
	phones, k, err := p.choose()
	if err != nil {
		return err
	}
	if k.Last == nil {
		return fmt.Errorf("%w: nothing was scanned: idp phone scan comes first", idp.ErrNotFound)
	}
	ended, err := p.client.Report(cmd.Context(), &k.Phone, k.Last)
	if err != nil {
		return phoneError(err)
	}
	k.Scanned = nil
	if err := phones.save(); err != nil {
		return err
	}
	return p.print(cmd, map[string]any{"decision": devicebind.VerdictReport, "ended": ended}, func(out *table) {
		out.row("decision", devicebind.VerdictReport)
		out.row("ended", ended)
	})
}

func (p *phoneCLI) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the phones of this terminal, and ask how each stands",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			phones, err := p.open()
			if err != nil {
				return err
			}
			all := make([]shownPhone, len(phones.Phones))
			for i := range phones.Phones {
				all[i] = shownPhoneOf(&phones.Phones[i].Phone)
				all[i].Standing = p.standing(cmd, &phones.Phones[i].Phone)
			}
			return p.print(cmd, all, func(out *table) {
				if len(all) == 0 {
					out.row("No phone is bound here yet: idp phone bind --help says how.")
				}
				for _, s := range all {
					out.row(s.DeviceID, s.Name, s.Person, s.Agency, s.Standing, s.Origin)
				}
			})
		},
	}
}

// standing is how the phone stands: what the provider says, or why it said
// nothing.
func (p *phoneCLI) standing(cmd *cobra.Command, phone *app.Phone) string {
	answer, err := p.client.Self(cmd.Context(), phone, devicebind.SelfStatus, "")
	var refused *app.Error
	switch {
	case err == nil:
		return string(answer.Standing)
	case errors.As(err, &refused):
		return refused.Reason
	}
	return "unreachable"
}

// phoneError sorts what the provider said into our classes of failure.
func phoneError(err error) error {
	var refused *app.Error
	if !errors.As(err, &refused) {
		return err
	}
	switch {
	case refused.Status == 404:
		return fmt.Errorf("%w: %w", idp.ErrNotFound, err)
	case refused.Status == 409:
		return fmt.Errorf("%w: %w", idp.ErrConflict, err)
	case refused.Status >= 500:
		return fmt.Errorf("%w: %w", idp.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", errRefused, err)
}
