package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/sync"
)

// shownRun is a run as scripts see it.
type shownRun struct {
	sync.Run
	Progress sync.Progress `json:"progress"`
	Holder   string        `json:"running_on,omitempty"`
}

func (c *cli) showRuns(cmd *cobra.Command, s *syncing, runs []sync.Run) error {
	shown := []shownRun{}
	for _, run := range runs {
		r := shownRun{Run: run}
		var err error
		if r.Progress, err = s.store.Progress(cmd.Context(), run.ID); err != nil {
			return err
		}
		if run.State == sync.Applying {
			if r.Holder, err = s.store.LeaseHolder(cmd.Context(), sync.LeaseName(run.Source), time.Now()); err != nil {
				return err
			}
			if r.Holder == "" {
				r.State = sync.Interrupted // the next run goes on with it
			}
		}
		shown = append(shown, r)
	}
	return c.print(cmd, shown, func(out *table) {
		out.row("RUN", "SOURCE", "STARTED", "TOOK", "STATE", "PLAN", "ROWS", "NEW", "CHANGED", "DISABLED", "ENABLED", "FAULTS", "FAILED", "")
		for _, r := range shown {
			n := r.Summary.Counts
			note := r.Summary.Error
			if r.State == sync.Asking || r.State == sync.Planned {
				note = strings.Join(r.Summary.Asks, "; ")
			}
			if r.Progress.Waiting > 0 && (r.State == sync.Applying || r.State == sync.Interrupted) {
				note = fmt.Sprintf("%d changes to go", r.Progress.Waiting)
			}
			out.row(r.ID, r.Source, r.StartedAt, took(r.Run), r.State, r.Plan, n.Rows, n.Add, n.Update+n.Units, n.Disable, n.Enable, n.Faults,
				r.Summary.Failed, note)
		}
	})
}

func took(r sync.Run) string {
	if r.EndedAt.IsZero() {
		return "-"
	}
	return r.EndedAt.Sub(r.StartedAt).Round(100 * time.Millisecond).String()
}

// shownChange is a change as scripts see it.
type shownChange struct {
	Kind    directory.ChangeKind    `json:"kind"`
	Line    int                     `json:"line,omitempty"`
	Who     string                  `json:"who"`
	Agency  string                  `json:"agency,omitempty"`
	Changes []directory.FieldChange `json:"changes,omitempty"`
	State   string                  `json:"state"`
	Reason  string                  `json:"reason,omitempty"`
}

// eachChange gives all changes of a run.
func (s *syncing) eachChange(cmd *cobra.Command, runID string, yield func(shownChange)) error {
	for from := int64(0); ; {
		list, err := s.store.Changes(cmd.Context(), runID, from, false, 1000)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, k := range list {
			shown := shownChange{Kind: k.Kind, Line: k.Line, Changes: k.Fields, State: k.State, Reason: k.Reason}
			switch {
			case k.Unit != nil:
				shown.Who, shown.Agency = strings.TrimSpace(k.Unit.AgencyName+" "+k.Unit.Name), k.Unit.Agency
			case k.To != nil:
				shown.Who, shown.Agency = k.To.Name, k.To.Agency
				if len(k.To.Accounts) > 0 {
					shown.Who += " (" + k.To.Accounts[0].Name + ")"
				}
			}
			yield(shown)
		}
		from = list[len(list)-1].Seq + 1
	}
}

func (c *cli) showChanges(cmd *cobra.Command, s *syncing, run *sync.Run) error {
	faults, err := s.store.Faults(cmd.Context(), run.ID)
	if err != nil {
		return err
	}
	kept := run.ID
	if run.Summary.Like != "" {
		kept = run.Summary.Like
	}
	if c.json {
		changes := []shownChange{}
		if err := s.eachChange(cmd, kept, func(k shownChange) { changes = append(changes, k) }); err != nil {
			return err
		}
		return c.print(cmd, map[string]any{"run": run, "changes": changes, "faults": faults}, nil)
	}
	return c.print(cmd, nil, func(out *table) {
		err = s.eachChange(cmd, kept, func(k shownChange) {
			out.row(k.Kind, k.Agency, k.Who, fieldsText(k.Changes), k.State, k.Reason)
		})
		for _, f := range faults {
			what := "taken"
			if f.Refused {
				what = "refused"
			}
			line := "line " + fmt.Sprint(f.Line)
			if f.Line == 0 {
				line, what = "no line", "left alone"
			}
			out.row(line, what, f.Account, f.Reason)
		}
	})
}

func fieldsText(fields []directory.FieldChange) string {
	var parts []string
	for _, f := range fields {
		parts = append(parts, fmt.Sprintf("%s: %q → %q", f.Field, f.Old, f.New))
	}
	return strings.Join(parts, ", ")
}

func (c *cli) showRun(cmd *cobra.Command, s *syncing, run *sync.Run) error {
	if !c.json {
		if err := c.showRuns(cmd, s, []sync.Run{*run}); err != nil {
			return err
		}
	}
	return c.showChanges(cmd, s, run)
}
