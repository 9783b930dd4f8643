package sync

import (
	"context"
	"errors"
	"time"

	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/plan"
)

// RunState says how far a run has come.
type RunState string

// The states.
const (
	Planned     RunState = "planned"     // made by hand, not applied
	Asking      RunState = "asking"      // stopped: waits to be confirmed
	Applying    RunState = "applying"    // under way, or interrupted and to be gone on with
	Done        RunState = "done"        // applied
	Failed      RunState = "failed"      // the source could not be read
	Replaced    RunState = "replaced"    // a plan that another run made outdated
	Interrupted RunState = "interrupted" // shown for Applying without a holder
)

// Run is one synchronisation of a source, or a plan for one.
type Run struct {
	ID        string    `json:"id"`
	Source    string    `json:"source"`
	State     RunState  `json:"state"`
	Plan      string    `json:"plan,omitempty"`
	Actor     string    `json:"actor"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Summary   Summary   `json:"summary"`
}

// Summary is what a run found and did.
type Summary struct {
	Counts plan.Counts `json:"counts"`
	Asks   []string    `json:"asks,omitempty"`
	Error  string      `json:"error,omitempty"`
	Failed int         `json:"failed"` // changes that were not possible

	Like   string    `json:"like,omitempty"` // the run before that keeps the same plan
	LikeAt time.Time `json:"like_at,omitzero"`
}

// Progress is how many changes of a run are in which state.
type Progress struct {
	Waiting int `json:"waiting"`
	Done    int `json:"done"`
	Failed  int `json:"failed"`
}

// KeptChange is a change of a kept plan, with what became of it.
type KeptChange struct {
	directory.Change
	State  string // waiting, done, failed
	Reason string
}

// ErrStale says that the person is not any more as the plan saw them.
var ErrStale = errors.New("changed since the plan was made")

// People are those who are kept.
type People interface {
	// Standings gives everybody in turn.
	Standings(ctx context.Context, yield func(*directory.Standing) error) error
	// Units lists agencies and their units.
	Units(ctx context.Context) ([]directory.Unit, error)
	// Names gives the TPEAD account of each bound portal account, and the names that
	// were given once and are nobody's any more.
	Names(ctx context.Context) (bound map[string]string, retired map[string]bool, err error)
	// Apply makes the change, notes it in the person's history and marks it done,
	// in one transaction. ErrStale: the person has changed since; idp.ErrConflict:
	// a name or national ID is another's; idp.ErrUsed: it was applied before.
	Apply(ctx context.Context, run *Run, c *directory.Change, at time.Time) error
	// FailChange notes why a change was not possible.
	FailChange(ctx context.Context, runID string, seq int64, reason string) error
}

// Runs keeps plans and the record of runs.
type Runs interface {
	// PutRun inserts or updates a run.
	PutRun(ctx context.Context, r *Run) error
	// PutPlan keeps a run's changes and faults.
	PutPlan(ctx context.Context, runID string, changes []directory.Change, faults []directory.Fault) error
	// Runs lists the newest runs of a source (empty: of all), newest first.
	Runs(ctx context.Context, source string, limit int) ([]Run, error)
	// NewestRun finds the newest run of a source in one of at most four states, of
	// that plan if one is named; idp.ErrNotFound.
	NewestRun(ctx context.Context, source, plan string, states ...RunState) (*Run, error)
	// Changes lists a run's changes from seq on, at most limit; only those that
	// wait, if so asked.
	Changes(ctx context.Context, runID string, from int64, waiting bool, limit int) ([]KeptChange, error)
	// Faults lists a run's faults.
	Faults(ctx context.Context, runID string) ([]directory.Fault, error)
	// Progress counts a run's changes.
	Progress(ctx context.Context, runID string) (Progress, error)
	// PrunePlans deletes the changes and faults of runs that ended before, and of those
	// begun before whose plan never became whole.
	PrunePlans(ctx context.Context, before time.Time) error
}
