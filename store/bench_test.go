package store

import (
	"encoding/binary"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"taipeion.internal/idp/oidc"
)

// benchEngines runs the benchmark on both engines with 1, 16 and 64 at once.
func benchEngines(b *testing.B, run func(b *testing.B, s *Store, each func(func(i int64)))) {
	for engine, fresh := range map[string]func(testing.TB) *testDatabase{"sqlite": freshSQLite, "postgres": freshPostgres} {
		for _, workers := range []int{1, 16, 64} {
			b.Run(engine+"/"+strconv.Itoa(workers), func(b *testing.B) {
				s := fresh(b).open(b)
				addPerson(b, s, "p1")
				var next atomic.Int64
				before := Stats{}
				run(b, s, func(work func(i int64)) {
					before = s.Stats()
					b.ResetTimer()
					together(workers, func(int) error {
						for {
							i := next.Add(1) - 1
							if i >= int64(b.N) {
								return nil
							}
							work(i)
						}
					})
					b.StopTimer()
				})
				after := s.Stats()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
				b.ReportMetric(float64(after.Transactions-before.Transactions)/float64(b.N), "tx/op")
				b.ReportMetric(float64(after.Reads+after.Writes-before.Reads-before.Writes)/float64(b.N), "stmt/op")
			})
		}
	}
}

// hash is a stand-in for the SHA-256 of i.
func hash(kind byte, i int64) []byte {
	h := make([]byte, 32)
	h[0] = kind
	binary.BigEndian.PutUint64(h[1:], uint64(i)*0x9e3779b97f4a7c15) // spread as real ones are
	return h
}

func codeGrant(i int64) *oidc.Grant {
	id := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(i))[:16] // one after the other, as real ones are
	copy(id[8:], hash('g', i)[1:])
	return &oidc.Grant{ID: id, Kind: oidc.GrantCode, ClientID: "load", PersonID: "p1", SessionID: "s" + strconv.FormatInt(i%1000, 10),
		Scopes: "openid profile", Request: make([]byte, 400), CodeHash: hash('c', i), CodeEndsAt: noon.Add(time.Minute),
		EndsAt: noon.Add(24 * time.Hour), CreatedAt: noon}
}

func BenchmarkCreateGrant(b *testing.B) {
	benchEngines(b, func(b *testing.B, s *Store, each func(func(int64))) {
		each(func(i int64) { must(b, s.CreateGrant(b.Context(), codeGrant(i))) })
	})
}

func fill(b testing.TB, s *Store, n int) []*oidc.Grant { return fillFrom(b, s, 0, n) }

// fillFrom creates n grants, numbered from first.
func fillFrom(b testing.TB, s *Store, first int64, n int) []*oidc.Grant {
	grants := make([]*oidc.Grant, n)
	var next atomic.Int64
	together(64, func(int) error {
		for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
			grants[i] = codeGrant(first + i)
			grants[i].AccessHash = hash('a', first+i)
			must(b, s.CreateGrant(b.Context(), grants[i]))
		}
		return nil
	})
	return grants
}

func BenchmarkRedeemCode(b *testing.B) {
	benchEngines(b, func(b *testing.B, s *Store, each func(func(int64))) {
		grants := fill(b, s, b.N)
		each(func(i int64) {
			must(b, s.RedeemCode(b.Context(), oidc.Issue{GrantID: grants[i].ID, Generation: 1, AccessHash: hash('b', i),
				AccessEndsAt: noon.Add(time.Hour), RefreshEndsAt: noon.Add(time.Hour), At: noon}))
		})
	})
}

func BenchmarkGrantByAccess(b *testing.B) {
	benchEngines(b, func(b *testing.B, s *Store, each func(func(int64))) {
		grants := fill(b, s, 1000)
		each(func(i int64) {
			_, _, err := s.GrantByAccess(b.Context(), grants[i%1000].ID, hash('a', i%1000))
			must(b, err)
		})
	})
}
