package devicebind_test

import (
	"sync/atomic"
	"testing"
	"time"

	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/devicebind/app"
)

// A whole login by phone: scan, approve with the phone's own authenticator, use.
// 64 people at once, so that commits are shared.
func BenchmarkQRLogin(b *testing.B) {
	w := newWorld(b, sqliteOptions(b))
	n := w.nodes[0]
	n.attempts.Limits = devicebind.ScanLimits{Open: 1 << 20, Scans: 1, Window: 1}
	type user struct {
		phone *app.Phone
		auth  interface{ Get([]byte) []byte }
	}
	users := make(chan user, 64)
	for range cap(users) {
		p, auth := w.webauthnPhone(w.person())
		users <- user{p, auth}
	}
	pages := make(chan page, b.N)
	for range b.N {
		pages <- w.page("docs")
	}
	var clock atomic.Int64
	clock.Store(w.clock().UnixMilli())
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			u, pg := <-users, <-pages
			// Each scan of a phone is later than its last.
			at := time.UnixMilli(clock.Add(1)%60_000 + w.clock().UnixMilli())
			if err := loginOnce(w, n, u.phone, u.auth.Get, pg, at); err != nil {
				b.Error(err)
			}
			users <- u
		}
	})
}

func loginOnce(w *world, n *node, p *app.Phone, assert func([]byte) []byte, pg page, at time.Time) error {
	scan, err := p.NewScan(n.codes.Make(pg.flow, pc).Text, at)
	if err != nil {
		return err
	}
	s, err := n.attempts.Scan(w.ctx, *scan)
	if err != nil {
		return err
	}
	v, err := n.attempts.Look(w.ctx, pg.flow, pg.browser)
	if err != nil {
		return err
	}
	d, err := p.NewDecision(s, devicebind.VerdictApprove, v.Number, "", at)
	if err != nil {
		return err
	}
	d.WebAuthn = assert(sum(devicebind.ApprovalBytes(origin, s.Nonce, *d)))
	if err := n.attempts.Decide(w.ctx, *d); err != nil {
		return err
	}
	_, err = n.attempts.Use(w.ctx, pg.flow, pg.browser)
	return err
}

func BenchmarkCode(b *testing.B) {
	w := newWorld(b, sqliteOptions(b))
	pg := w.page("docs")
	for b.Loop() {
		w.nodes[0].codes.Make(pg.flow, pc)
	}
}
