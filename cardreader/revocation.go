package cardreader

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Revocation says whether a certificate was revoked.
type Revocation interface {
	// Check returns nil only if a list in force at now does not hold the
	// certificate. Otherwise it returns a *Refusal: CauseRevoked, or
	// CauseRevocationUnknown, which optional turns into nil where no list of the
	// issuer was ever loaded.
	Check(issuerKeyID string, cert *x509.Certificate, now time.Time, optional bool) error
}

// CRLFiles is Revocation from files that somebody else keeps up to date. Load
// must be called once before the first Check.
//
// The rule where no list is in force: every card of the issuer is refused. There
// is no grace beyond the nextUpdate of the last list, since the issuer says
// itself how long it may be relied on; and a certificate once seen revoked
// stays so, however old the list is.
type CRLFiles struct {
	Anchors *Anchors
	Paths   []string
	Now     func() time.Time

	loading sync.Mutex
	files   map[string]crlFile // of the last Load
	changes atomic.Int64
	current atomic.Pointer[map[string][]*crl]
}

type crlFile struct {
	size     int64
	modified time.Time
	settled  bool // no later change can have the same time
	list     *crl
}

// settling is how coarse the times of a file system may be.
const settling = 2 * time.Second

// Load reads the files that changed and puts their lists in force all at once.
// A file that cannot be read, is signed by no pinned issuer, is older than what
// was loaded before, or is outdated is reported; the list read from it
// before goes on to count.
func (f *CRLFiles) Load() error {
	f.loading.Lock()
	defer f.loading.Unlock()
	files := make(map[string]crlFile, len(f.Paths))
	lists := make(map[string][]*crl)
	var faults []error
	for _, path := range f.Paths {
		before := f.files[path]
		file, err := f.read(path, before)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", path, err))
			file = before
		}
		if file.list == nil {
			continue
		}
		files[path] = file
		if file.list != before.list {
			f.changes.Add(1)
		}
		lists[file.list.issuer] = append(lists[file.list.issuer], file.list)
		if err == nil && !file.list.inForce(f.Now()) {
			faults = append(faults, fmt.Errorf("%s: revocation list not in force", path))
		}
	}
	f.files = files
	f.current.Store(&lists)
	return errors.Join(faults...)
}

func (f *CRLFiles) read(path string, before crlFile) (crlFile, error) {
	in, err := os.Open(path)
	if err != nil {
		return crlFile{}, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return crlFile{}, err
	}
	if before.settled && info.Size() == before.size && info.ModTime().Equal(before.modified) {
		return before, nil
	}
	data, err := io.ReadAll(io.LimitReader(in, maxCRL+1))
	if err != nil {
		return crlFile{}, err
	}
	list, err := f.Anchors.parseCRL(data)
	if err != nil {
		return crlFile{}, err
	}
	if old := before.list; old != nil && old.issuer == list.issuer &&
		(list.number.Cmp(old.number) < 0 || list.thisUpdate.Before(old.thisUpdate)) {
		return crlFile{}, errors.New("older than the revocation list loaded before")
	}
	settled := f.Now().Sub(info.ModTime()) > settling
	return crlFile{size: info.Size(), modified: info.ModTime(), settled: settled, list: list}, nil
}

// Changes counts the lists that Load put in force.
func (f *CRLFiles) Changes() int64 { return f.changes.Load() }

// Refresh loads at every tick until the context ends, and tells what Load
// does: a revoked card is refused at the latest one interval after its list is
// in place.
func (f *CRLFiles) Refresh(ctx context.Context, every time.Duration, loaded func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			loaded(f.Load())
		}
	}
}

// Check is of Revocation.
func (f *CRLFiles) Check(issuerKeyID string, cert *x509.Certificate, now time.Time, optional bool) error {
	var lists []*crl
	if current := f.current.Load(); current != nil {
		lists = (*current)[issuerKeyID]
	}
	serial, ok := serialOf(serialOctets(cert))
	if !ok {
		return refuse(CauseRevocationUnknown, "serial number")
	}
	known := false
	for _, list := range lists {
		if list.lists(serial) {
			return refuse(CauseRevoked, "")
		}
		known = known || list.covers(cert) && list.inForce(now)
	}
	if known || optional && len(lists) == 0 {
		return nil
	}
	return refuse(CauseRevocationUnknown, "")
}

// NextUpdates says until when the lists of each issuer count, by key identifier.
func (f *CRLFiles) NextUpdates() map[string]time.Time {
	ends := make(map[string]time.Time)
	current := f.current.Load()
	if current == nil {
		return ends
	}
	for issuer, lists := range *current {
		for _, list := range lists {
			if end, ok := ends[issuer]; !ok || list.nextUpdate.Before(end) {
				ends[issuer] = list.nextUpdate
			}
		}
	}
	return ends
}
