package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	idp "taipeion.internal/idp"
)

// Hashes is a table of another system in which it looks passwords up.
type Hashes interface {
	// Hash reads the hash of an account, and nothing else; idp.ErrNotFound if there
	// is none, idp.ErrConflict if the name is in the table more than once.
	Hash(ctx context.Context, account string) (string, error)
}

// Foreign looks at passwords by the hashes that another system keeps, such as the
// portal. It only reads there.
type Foreign struct {
	Hashes  Hashes
	Hasher  *Hasher       // whose turns are taken: hashes of others cost as much as ours
	Kind    HashKind      // what most of them are: an account without one costs as much
	Timeout time.Duration // for reading the hash
	Logger  *slog.Logger

	last atomic.Pointer[foreign] // of Kind: at what cost they are made now
}

// NewForeign checks hashes of which most are of the kind.
func NewForeign(h Hashes, kind HashKind, timeout time.Duration, logger *slog.Logger) (*Foreign, error) {
	example, err := parseForeign(examples[kind])
	if err != nil {
		return nil, fmt.Errorf("%q is no kind of hash that is checked", kind)
	}
	f := &Foreign{Hashes: h, Kind: kind, Timeout: timeout, Logger: logger}
	f.last.Store(example)
	return f, nil
}

// Check implements Backend. A hash that can't be checked is like none: what is
// kept of it is an error in the log, and no answer that tells of the account.
func (f *Foreign) Check(ctx context.Context, account idp.Account, password string) error {
	kept, err := f.read(ctx, account)
	if err != nil {
		return fmt.Errorf("%w: read the hash: %w", ErrNotLooked, err)
	}
	known := kept != nil
	if !known {
		kept = f.last.Load()
	}
	leave, err := f.Hasher.enter(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotLooked, err)
	}
	defer leave()
	right := kept.is(password)
	if known && kept.kind == f.Kind {
		f.last.Store(kept)
	}
	if !right || !known {
		return ErrWrong
	}
	return nil
}

// read gives nil for an account without a hash that can be checked.
func (f *Foreign) read(ctx context.Context, account idp.Account) (*foreign, error) {
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	text, err := f.Hashes.Hash(ctx, account.Name)
	switch {
	case account.PersonID == "" && (err == nil || errors.Is(err, idp.ErrConflict)), errors.Is(err, idp.ErrNotFound):
		return nil, nil
	case errors.Is(err, idp.ErrConflict):
		f.Logger.ErrorContext(ctx, "a portal account is in its table more than once: nobody logs in by it", "person", account.PersonID)
		return nil, nil
	case err != nil:
		return nil, err
	}
	kept, err := parseForeign(text)
	if err != nil {
		f.Logger.ErrorContext(ctx, "a portal account's hash can't be checked: nobody logs in by it", "person", account.PersonID, "error", err.Error())
		return nil, nil
	}
	return kept, nil
}
