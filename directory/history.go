package directory

import (
	"context"
	"time"
)

// Entry is one change of a person, as it stays on record.
type Entry struct {
	At     time.Time     `json:"at"`
	Actor  string        `json:"actor"`
	Kind   string        `json:"kind"`
	Fields []FieldChange `json:"changes"`
}

// Histories keeps what changed.
type Histories interface {
	// History lists a person's changes, newest first.
	History(ctx context.Context, personID string, limit int) ([]Entry, error)
}
