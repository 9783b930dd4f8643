package ad_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

const rightPassword = "Right-2026!"

func pool(pem []byte) *x509.CertPool {
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(pem)
	return p
}

// open joins the domain; change may alter the options.
func open(t testing.TB, dc *testenv.AD, change ...func(*ad.Options)) *ad.Directory {
	t.Helper()
	o := ad.Options{
		Name: "tpead", Servers: []string{"ldaps://" + dc.LDAPS}, CA: pool(dc.CA), BindDN: dc.Admin, Secret: dc.Password,
		Base: dc.Base, Suffix: "tpead.test", Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	for _, f := range change {
		f(&o)
	}
	d, err := ad.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

var serial atomic.Int64

// person makes an account with a name of its own.
func person(t testing.TB, d *ad.Directory, change ...func(*ad.NewAccount)) *ad.Entry {
	t.Helper()
	n := ad.NewAccount{Name: fmt.Sprintf("aa%04d", serial.Add(1)), DisplayName: "王大明", Password: rightPassword}
	for _, f := range change {
		f(&n)
	}
	e, err := d.Create(t.Context(), n)
	if err != nil {
		t.Fatalf("create %s: %v", n.Name, err)
	}
	return e
}

func account(name string) idp.Account {
	return idp.Account{Name: strings.ToLower(name), Kind: idp.AccountSingle, PersonID: "p-" + name}
}

// outcome is one word for what Check says.
func outcome(err error) string {
	var locked *directory.LockedError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &locked):
		return "locked"
	case errors.Is(err, directory.ErrNotLooked):
		return "not looked"
	case errors.Is(err, directory.ErrWrong):
		return "wrong"
	case errors.Is(err, directory.ErrDisabled):
		return "disabled"
	case errors.Is(err, directory.ErrMustChange):
		return "must change"
	case errors.Is(err, idp.ErrUnavailable):
		return "lost"
	}
	return err.Error()
}

func check(t testing.TB, d *ad.Directory, name, password, want string) error {
	t.Helper()
	err := d.Check(t.Context(), account(name), password)
	if got := outcome(err); got != want {
		t.Errorf("%q: %s (%v), want %s", name, got, err, want)
	}
	return err
}

func within(t testing.TB, limit time.Duration, f func()) time.Duration {
	t.Helper()
	start := time.Now()
	f()
	took := time.Since(start)
	if took > limit {
		t.Errorf("took %v, more than %v", took, limit)
	}
	return took
}
