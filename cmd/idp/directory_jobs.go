package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/directory"
)

// jobFlags are those of the batch jobs.
type jobFlags struct {
	agency string
	limit  int
	plan   bool
	csv    string
	html   string
}

func (f *jobFlags) add(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&f.agency, "agency", "", "only people of the agency of this code")
	cmd.Flags().IntVar(&f.limit, "limit", 0, "how many accounts at most; 0: all")
	cmd.Flags().BoolVar(&f.plan, "plan", false, "only show what would be done")
	return f.addReports(cmd)
}

func (f *jobFlags) addReports(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&f.csv, "csv", "", "write the report to this file, for spreadsheets")
	cmd.Flags().StringVar(&f.html, "html", "", "write the report to this file, as a page")
	return cmd
}

// write makes the files that were asked for, readable by us alone.
func (f *jobFlags) write(t *directory.Table) error {
	for path, write := range map[string]func(io.Writer) error{f.csv: t.WriteCSV, f.html: t.WriteHTML} {
		if path == "" {
			continue
		}
		file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("report: %w", err)
		}
		if err := errors.Join(write(file), file.Close()); err != nil {
			return fmt.Errorf("report %s: %w", path, err)
		}
	}
	return nil
}

func (c *cli) provisionCommand() *cobra.Command {
	f := &jobFlags{}
	return f.add(c.needsConfig(&cobra.Command{
		Use:   "provision",
		Short: "代建代綁: give every unbound portal account of a person a TPEAD account, bound to it",
		Long: "Gives every portal account of an enabled person that is not bound a new account in the form of a\n" +
			"single one, and binds it. Its password is known to nobody: the owner sets one. Shared accounts are left\n" +
			"out and listed. It can be stopped at any time and run again: nobody gets a second one.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.runJob(cmd, f, "代建代綁 "+time.Now().Format("2006-01-02"), (*directory.Job).Provision)
		},
	}))
}

func (c *cli) renameCommand() *cobra.Command {
	f := &jobFlags{}
	cmd := f.add(c.needsConfig(&cobra.Command{
		Use:     "rename --agency CODE",
		Short:   "Turn an agency's old TPEAD names into single accounts",
		Example: "  idp directory rename --agency 379000000A --limit 100 --csv renamed.csv --config idp.yaml",
		Long: "Gives each person's TPEAD account its single name. The person keeps everything else, sessions too,\n" +
			"and logs in by the new name only. It can be stopped at any time and run again.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.agency == "" {
				return usage(errors.New("--agency is required: names change agency by agency"))
			}
			return c.runJob(cmd, f, "單一帳號 "+f.agency, (*directory.Job).Rename)
		},
	}))
	return cmd
}

// runJob runs a batch job and reports, also of what was done before it was
// interrupted.
func (c *cli) runJob(cmd *cobra.Command, f *jobFlags, title string,
	run func(*directory.Job, context.Context, func(directory.Outcome)) error,
) error {
	o, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	defer o.close()
	gate, err := o.gate(cmd.Context())
	if err != nil {
		return err
	}
	shown := newProgress(os.Stderr)
	job := &directory.Job{Store: o.store, Gate: gate, Now: time.Now, Actor: operator(), Agency: f.agency, Limit: f.limit, Dry: f.plan}
	if !c.json {
		job.Progress = shown.tell
	}
	outcomes, counts := []directory.Outcome{}, map[string]int{}
	report := &directory.Table{Title: title, Columns: []string{"機關代碼", "機關", "單位", "姓名", "原帳號", "新帳號", "結果"}}
	failed := run(job, cmd.Context(), func(out directory.Outcome) {
		outcomes = append(outcomes, out)
		counts[out.Result]++
		report.Rows = append(report.Rows, []string{out.Agency, out.AgencyName, out.Unit, out.Name, out.Former, out.Account, out.Result})
	})
	shown.end()
	if err := f.write(report); err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, c.print(cmd, map[string]any{"counts": counts, "accounts": outcomes}, func(out *table) {
		if f.csv == "" && f.html == "" {
			for _, o := range outcomes {
				out.row(o.Agency, o.AgencyName, o.Name, o.Former, o.Account, o.Result)
			}
		}
		for _, result := range []string{directory.ResultDone, directory.ResultPlanned, directory.ResultShared, directory.ResultChanged, directory.ResultMissing} {
			if counts[result] > 0 {
				out.row(result, counts[result])
			}
		}
		if len(outcomes) == 0 {
			out.row("There is nothing to do.")
		}
	}))
}

func (c *cli) rateCommand() *cobra.Command {
	f := &jobFlags{}
	cmd := f.addReports(c.needsConfig(&cobra.Command{
		Use: "rate", Short: "Show the binding rate 綁定率 of each agency; the files list who is missing", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer o.close()
			rates, err := directory.Rates(cmd.Context(), o.store, f.agency)
			if err != nil {
				return err
			}
			if err := f.write(directory.RateTable(rates)); err != nil {
				return err
			}
			return c.print(cmd, rates, func(out *table) {
				for _, r := range rates {
					out.row(r.Agency, r.AgencyName, fmt.Sprintf("%d of %d", r.Bound, r.Bindable), directory.Percent(r.Bound, r.Bindable))
				}
			})
		},
	}))
	cmd.Flags().StringVar(&f.agency, "agency", "", "only the agency of this code")
	return cmd
}
