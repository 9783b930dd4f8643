package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	idp "taipeion.internal/idp"
)

const (
	poolSize = 16 // connections, unless the address says pool_max_conns
	attempts = 8  // of a transaction that the database gives up
)

// pgEngine is PostgreSQL: a pool, statements prepared once for each connection,
// and no transaction that waits for a second connection.
type pgEngine struct {
	*counters
	group
	pool    *pgxpool.Pool
	own     *pgxpool.Pool // one connection, for aside; opened when it is used first
	writing atomic.Int64  // writes on their way
}

func openPostgres(ctx context.Context, address string, c *counters) (*pgEngine, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		// The driver's text may hold the address, and that a password.
		return nil, fmt.Errorf("the PostgreSQL address can't be read")
	}
	if !strings.Contains(address, "pool_max_conns") {
		config.MaxConns = poolSize
	}
	config.ConnConfig.StatementCacheCapacity = 512
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	alone := config.Copy()
	alone.MaxConns, alone.MinConns, alone.MinIdleConns = 1, 0, 0
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, translate(err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the database: %w", translate(err))
	}
	own, err := pgxpool.NewWithConfig(ctx, alone)
	if err != nil {
		pool.Close()
		return nil, translate(err)
	}
	e := &pgEngine{counters: c, pool: pool, own: own, group: newGroup()}
	for range pgWriters {
		e.writers.Go(func() { e.serve(e.commit) })
	}
	return e, nil
}

// pgRunner runs statements on a pool, a connection or a transaction.
type pgRunner struct {
	ctx context.Context
	on  interface {
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	}
	count interface{ Add(int64) int64 }
}

func (r pgRunner) exec(s statement) (int64, error) {
	r.count.Add(1)
	rows, err := r.on.Query(r.ctx, string(s.query), clean(s.args)...)
	if err != nil {
		return 0, translate(err)
	}
	rows.Close()
	return rows.CommandTag().RowsAffected(), translate(rows.Err())
}

func (r pgRunner) row(s statement, dest ...any) error {
	found := false
	err := r.rows(s, func(scan scan) error {
		if found {
			return nil
		}
		found = true
		return scan(dest...)
	})
	if err == nil && !found {
		err = pgx.ErrNoRows
	}
	return translate(err)
}

func (r pgRunner) rows(s statement, each func(scan) error) error {
	r.count.Add(1)
	rows, err := r.on.Query(r.ctx, string(s.query), clean(s.args)...)
	if err != nil {
		return translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return translate(rows.Err())
}

// patience bounds a transaction. The request's own cancellation does not reach
// the driver, which would answer it by throwing the connection away.
const patience = 15 * time.Second

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), patience)
}

func (e *pgEngine) read(ctx context.Context, fn func(runner) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	return e.explain(ctx, fn(pgRunner{ctx, e.pool, &e.reads}))
}

func (e *pgEngine) aside(ctx context.Context, fn func(runner) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	return e.explain(ctx, fn(pgRunner{ctx, e.own, &e.reads}))
}

func (e *pgEngine) write(ctx context.Context, fn func(runner) error) error {
	return e.again(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error {
			return fn(pgRunner{ctx, tx, &e.writes})
		})
	})
}

// again runs a transaction, and once more if the database gave it up for
// another's sake, a bounded number of times.
func (e *pgEngine) again(ctx context.Context, run func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	for i := 1; ; i++ {
		err := run(ctx)
		if err == nil {
			e.transactions.Add(1)
			return nil
		}
		if i == attempts || !tryAgain(err) || ctx.Err() != nil {
			return e.explain(ctx, err)
		}
		e.retries.Add(1)
		time.Sleep(time.Duration(rand.Int64N(int64(i) * int64(2*time.Millisecond))))
	}
}

// explain translates an error; that our own patience ended, or that the store
// was closed meanwhile, is unavailability.
func (e *pgEngine) explain(ctx context.Context, err error) error {
	if err != nil && (ctx.Err() != nil || e.closed.Load()) {
		return fmt.Errorf("%w: %w", idp.ErrUnavailable, err)
	}
	return translate(err)
}

func (e *pgEngine) ping(ctx context.Context) error { return e.explain(ctx, e.pool.Ping(ctx)) }

func (e *pgEngine) close() error {
	if e.group.close() {
		e.own.Close()
		e.pool.Close()
	}
	return nil
}

func (e *pgEngine) migrate(ctx context.Context) error {
	db := stdlib.OpenDBFromPool(e.pool)
	defer db.Close()
	return translate(migrateUp(ctx, "postgres", db, advisoryLock{}))
}
