package ad_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

func TestT064_SlowDirectoryHoldsNothing(t *testing.T) {
	stop := make(chan struct{})
	s := script(t, func(c *testenv.LDAPCall) bool {
		select {
		case <-stop:
		case <-time.After(30 * time.Second):
		}
		c.Close()
		return true
	})
	defer close(stop)
	before := runtime.NumGoroutine()
	d := joined(t, nil, s)
	var wg sync.WaitGroup
	took := within(t, 5*time.Second, func() {
		for range 500 {
			wg.Go(func() {
				if got := outcome(d.Check(t.Context(), account("ab1234"), rightPassword)); got != "not looked" {
					t.Error(got)
				}
			})
		}
		wg.Wait()
	})
	t.Logf("500 logins failed in %v", took)
	d.Close()
	// What is left belongs to the scripted server: one for each connection.
	deadline := time.Now().Add(3 * time.Second)
	for runtime.NumGoroutine() > before+s.Connections()+10 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+s.Connections()+10 {
		t.Errorf("%d goroutines, %d before, %d connections", n, before, s.Connections())
	}
}

func TestServiceAccountDoesNotLockItself(t *testing.T) {
	s := testenv.ScriptLDAP(t, testenv.LDAPScriptOptions{Handle: func(c *testenv.LDAPCall) { c.Done(49, refusal(0x52e)) }})
	d := joined(t, nil, s, s)
	for range 20 {
		check(t, d, "ab1234", rightPassword, "not looked")
	}
	if n := s.Binds(""); n != 1 {
		t.Errorf("%d binds of the service account", n)
	}
}

func TestPool_ServiceConnectionsAreKept(t *testing.T) {
	s := script(t, plainly)
	d := joined(t, func(o *ad.Options) { o.Pool = 3 }, s)
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() {
			if _, err := d.Find(t.Context(), "ab1234"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	check(t, d, "ab1234", rightPassword, "ok")
	service, users := 0, 0
	for _, c := range s.Calls() {
		switch {
		case c.Op == testenv.LDAPBind && c.Name == serviceDN:
			service++
		case c.Op == testenv.LDAPBind:
			users++
		}
	}
	if service > 3 || users != 1 || s.Connections() != service+users {
		t.Errorf("%d service binds, %d users', %d connections", service, users, s.Connections())
	}
}

func TestPool_AnIdleConnectionThatDiedIsNoTrouble(t *testing.T) {
	s := script(t, plainly)
	proxy := testenv.NewProxy(t, s.Address)
	d := joined(t, func(o *ad.Options) { o.Servers = []string{"ldaps://" + proxy.Address} }, s)
	for range 5 {
		if _, err := d.Find(t.Context(), "ab1234"); err != nil {
			t.Fatal(err)
		}
		if err := d.Disable(t.Context(), "01010101-0101-0101-0101-010101010101"); err != nil {
			t.Fatal(err)
		}
		proxy.Kill()
		if err := proxy.Start(); err != nil {
			t.Fatal(err)
		}
	}
}
