package bench

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
)

// newWorker is a worker of its own client, for what is measured alone.
func newWorker(t *target) *worker {
	return &worker{target: t, client: &http.Client{Timeout: 20 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 1},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// passwordCost is the server's processor time for a whole login with a
// password, and that of the argon2id in it.
type passwordCost struct {
	login, argon time.Duration
	rest         starts // of each round, one from the other
	cheap        starts // of each round, a login whose hash costs next to nothing
}

// asked is what a login may cost beside its argon2id: 3 ms on a machine that does 46 of
// them in a second.
func (c passwordCost) asked() time.Duration { return c.argon * 3 * 46 / 1000 }

// measurePassword lets people log in one after the other, on a target with the hashes
// as they are and on one whose hashes cost nothing.
func measurePassword(b testing.TB, t, cheap *target, logins, rounds int) passwordCost {
	b.Helper()
	var c passwordCost
	for range rounds {
		login, argon := measureLogins(b, t, max(1, logins/rounds), true)
		alone, _ := measureLogins(b, cheap, max(1, logins/rounds), false)
		c.login, c.argon = c.login+login/time.Duration(rounds), c.argon+argon/time.Duration(rounds)
		c.rest, c.cheap = append(c.rest, login-argon), append(c.cheap, alone)
	}
	slices.Sort(c.rest)
	slices.Sort(c.cheap)
	return c
}

// measureLogins is what a login costs. argon2id alone is measured between the logins,
// so that it finds caches and memory as cold as the server does.
func measureLogins(b testing.TB, t *target, logins int, beside bool) (login, argon time.Duration) {
	b.Helper()
	w := newWorker(t)
	salt := make([]byte, 16)
	var before usage
	for i := range logins + 4 {
		if i == 4 { // warm
			var err error
			if before, err = t.usage(); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := w.login("openid", t.users[i%len(t.users)]); err != nil {
			b.Fatal(err)
		}
		if beside && i >= 4 {
			start := ownCPU(b)
			argon2.IDKey([]byte("River-2346-window"), salt, 2, 19456, 1, 32)
			argon += ownCPU(b) - start
		}
	}
	after, err := t.usage()
	if err != nil {
		b.Fatal(err)
	}
	n := time.Duration(logins)
	return (after.cpu - before.cpu) / n, argon / n
}

// ownCPU is the processor time of this process.
func ownCPU(b testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// starts are how long it took to the first 200, sorted.
type starts []time.Duration

func (s starts) median() time.Duration { return at(s, 50) }
func (s starts) worst() time.Duration  { return at(s, 100) }

// measureStart starts the product several times on a folder in use, and as often
// on new ones, where schema and keys are made.
func measureStart(b testing.TB, in *installation, binary string, times int) (again, first starts) {
	b.Helper()
	for range times {
		_, took, stop := in.start(b)
		stop()
		again = append(again, took)
		_, took, stop = unpack(b, binary, variants[0]).start(b)
		stop()
		first = append(first, took)
	}
	slices.Sort(again)
	slices.Sort(first)
	return again, first
}

// earlyOn is before the program gives back what only its start needed.
const earlyOn = 3 * time.Second

// memoryCost is what is resident early on and later, in MB, and what the first
// requests take after what was given back.
type memoryCost struct {
	before, after float64
	first, then   time.Duration
}

func measureMemory(b testing.TB, in *installation, idle time.Duration) (m memoryCost) {
	b.Helper()
	t, _, stop := in.start(b)
	defer stop()
	t.secret = clientSecret
	look := func(into *float64, after time.Duration) {
		time.Sleep(after)
		mb, err := memoryOf(t.pids[0])
		if err != nil {
			b.Fatal(err)
		}
		*into = mb
	}
	look(&m.before, earlyOn)
	look(&m.after, idle-earlyOn)
	f, w := flows[0], newWorker(t)
	if err := f.prepare(w); err != nil {
		b.Fatal(err)
	}
	var took starts
	for range 21 {
		began := time.Now()
		if err := f.op(w); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	m.first, took = took[0], took[1:]
	slices.Sort(took)
	m.then = took.median()
	return m
}

// grown is what a full store changes.
type grown struct {
	flow        string
	small, full time.Duration // p99
	change      float64       // median of the rounds' changes
}

// growing are the flows whose statements meet the grants.
func growing() []flow {
	return slices.DeleteFunc(slices.Clone(flows), func(f flow) bool { return f.name == "client_credentials" })
}

// measureGrowth runs flows in turns on two installations, one of them with so
// many grants in its store.
func measureGrowth(b testing.TB, binary string, s settings) []grown {
	b.Helper()
	const secret = "secret"
	small, _ := product(b, binary, variants[0], secret)
	full := install(b, binary, variants[0], secret)
	t, _, stop := full.start(b)
	t.secret, t.users = secret, small.users
	if err := prepareLogin(&worker{target: t, client: newWorker(t).client}); err != nil {
		b.Fatal(err)
	}
	stop()
	if err := multiply(full.options.SQLite, s.grants); err != nil {
		b.Fatal(err)
	}
	t, _, _ = full.start(b)
	t.secret, t.users = secret, small.users
	var all []grown
	for _, f := range growing() {
		var before, after []result
		for range s.rounds {
			before = append(before, mustDrive(b, small, f, 16, s.duration))
			after = append(after, mustDrive(b, t, f, 16, s.duration))
		}
		p99 := func(r result) float64 { return float64(r.p99) }
		changes := make([]result, s.rounds)
		for i := range changes {
			changes[i].rate = float64(after[i].p99)/float64(before[i].p99) - 1
		}
		all = append(all, grown{f.name, time.Duration(median(before, p99)), time.Duration(median(after, p99)),
			median(changes, func(r result) float64 { return r.rate })})
	}
	return all
}

// multiply copies a grant until there are n more, each with its own secrets, made
// a millisecond after the other.
func multiply(path string, n int) error {
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx := context.Background()
	rows, err := db.QueryContext(ctx, `SELECT * FROM grants LIMIT 0`)
	if err != nil {
		return err
	}
	columns, err := rows.Columns()
	rows.Close()
	if err != nil {
		return err
	}
	values := slices.Clone(columns)
	for i, name := range columns {
		switch name {
		case "id":
			values[i] = fmt.Sprintf("unhex(printf('%%012x', %d + i)) || randomblob(10)", time.Now().UnixMilli()-int64(n))
		case "code_hash", "access_hash":
			values[i] = "randomblob(32)"
		case "session_id":
			values[i] = "lower(hex(randomblob(16)))"
		}
	}
	query := fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO grants (%s) SELECT %s FROM n, (SELECT * FROM grants WHERE kind = 'authorization_code' LIMIT 1) AS model`,
		n, strings.Join(columns, ", "), strings.Join(values, ", "))
	_, err = db.ExecContext(ctx, query)
	return err
}
