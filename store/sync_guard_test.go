package store

import (
	"context"
	"os"
	gosync "sync"
	"time"

	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/sync"
)

type ctxt = context.Context

// lockedPeople applies one change at a time.
type lockedPeople struct {
	sync.People
	mu gosync.Mutex
}

func (l *lockedPeople) Apply(ctx context.Context, run *sync.Run, c *directory.Change, at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.People.Apply(ctx, run, c, at)
}

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }
