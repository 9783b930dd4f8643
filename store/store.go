package store

import (
	"context"
	"errors"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/admin"
	"taipeion.internal/idp/cardreader"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/sync"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/login"
	"taipeion.internal/idp/oidc"
	"taipeion.internal/idp/outbox"
	"taipeion.internal/idp/portal"
	"taipeion.internal/idp/session"
)

// What the product keeps.
var (
	_ admin.Store               = (*Store)(nil)
	_ admin.People              = (*Store)(nil)
	_ directory.Choices         = (*Store)(nil)
	_ directory.Corrections     = (*Store)(nil)
	_ directory.Seconds         = (*Store)(nil)
	_ portal.Cards              = (*Store)(nil)
	_ oidc.Grants               = (*Store)(nil)
	_ oidc.Requests             = (*Store)(nil)
	_ login.Store               = (*Store)(nil)
	_ login.Visits              = (*Store)(nil)
	_ login.KnownBrowsers       = (*Store)(nil)
	_ portal.Store              = (*Store)(nil)
	_ session.Store             = (*Store)(nil)
	_ directory.Accounts        = (*Store)(nil)
	_ directory.Tries           = (*Store)(nil)
	_ directory.UsedNames       = (*Store)(nil)
	_ directory.Leases          = (*Store)(nil)
	_ directory.Histories       = (*Store)(nil)
	_ directory.Phases          = (*Store)(nil)
	_ directory.Migration       = (*Store)(nil)
	_ directory.Bindings        = (*Store)(nil)
	_ directory.Effects         = (*Store)(nil)
	_ directory.Mender          = (*Store)(nil)
	_ directory.EffectList      = (*Store)(nil)
	_ directory.Doors           = (*Store)(nil)
	_ directory.Holdings        = (*Store)(nil)
	_ directory.Owners          = (*Store)(nil)
	_ sync.People               = (*Store)(nil)
	_ sync.Runs                 = (*Store)(nil)
	_ directory.Identities      = (*Store)(nil)
	_ directory.Live            = (*Store)(nil)
	_ directory.PasswordKeeper  = (*Store)(nil)
	_ directory.PasswordIntents = (*Store)(nil)
	_ cardreader.Challenges     = (*Store)(nil)
	_ keys.Store                = (*SigningKeys)(nil)

	_ devicebind.EnrolmentStore = (*Store)(nil)
	_ devicebind.DeviceStore    = (*Store)(nil)
	_ devicebind.ScanStore      = (*Store)(nil)
	_ devicebind.AttemptStore   = (*Store)(nil)
	_ devicebind.ChangeStore    = (*Store)(nil)
	_ devicebind.FactorStore    = (*Store)(nil)
	_ devicebind.OTPStore       = (*Store)(nil)
	_ devicebind.Guesses        = (*Store)(nil)
	_ devicebind.PasskeyStore   = (*Store)(nil)
	_ outbox.Store              = (*Store)(nil)
)

// Options says which database to open: exactly one of SQLite and PostgreSQL.
type Options struct {
	SQLite     string           // path of the file; made, readable by us alone, if it is not there
	PostgreSQL string           // address: a URL or key=value pairs, "pool_max_conns" among them
	NoMigrate  bool             // leave the schema as it is: Migrate is called by hand
	Now        func() time.Time // for what has no time given: clients; time.Now if nil
	OnEvent    func(idp.Event)  // told the kind and result of each event after it was kept, for figures
	OnEnd      func()           // told after a session or a person was changed by this Store, before the change returns
}

// Store is an open database. Its methods may be called from any goroutine.
type Store struct {
	engine
	counters counters
	now      func() time.Time
	onEvent  func(idp.Event)
	onEnd    func()
	letters  Letters // nil: nobody is told
}

// Open opens the database and, unless told not to, brings its schema up to
// this program's version; several nodes may do so at once.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{now: o.Now, onEvent: o.OnEvent, onEnd: o.OnEnd}
	if s.now == nil {
		s.now = time.Now
	}
	switch {
	case (o.SQLite == "") == (o.PostgreSQL == ""):
		return nil, errors.New("name one database: SQLite or PostgreSQL")
	case o.PostgreSQL != "":
		e, err := openPostgres(ctx, o.PostgreSQL, &s.counters)
		if err != nil {
			return nil, err
		}
		s.engine = e
	default:
		e, err := openSQLite(ctx, o.SQLite, &s.counters)
		if err != nil {
			return nil, err
		}
		s.engine = e
	}
	if !o.NoMigrate {
		if err := s.Migrate(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Migrate brings the schema up to this program's version.
func (s *Store) Migrate(ctx context.Context) error { return s.engine.migrate(ctx) }

// Ping asks the database a question it must answer.
func (s *Store) Ping(ctx context.Context) error { return s.engine.ping(ctx) }

// Stats counts what was done since Open.
func (s *Store) Stats() Stats { return s.counters.stats() }

// Close answers the writes that wait and closes the database; whatever comes
// later gets idp.ErrUnavailable.
func (s *Store) Close() error { return s.engine.close() }
