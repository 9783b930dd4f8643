package ad_test

import (
	"errors"
	"sync"
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

// TestSamba_ServiceAccountsPasswordIsChangedWhileWeRun rotates it: neither a
// restart nor a pause is needed, and a file that can't be read changes nothing.
func TestSamba_ServiceAccountsPasswordIsChangedWhileWeRun(t *testing.T) {
	dc := testenv.Samba(t)
	admin := open(t, dc)
	e := person(t, admin)
	service := person(t, admin)
	var mu sync.Mutex
	secret, failed := rightPassword, error(nil)
	say := func(s string, err error) {
		mu.Lock()
		defer mu.Unlock()
		secret, failed = s, err
	}
	d := open(t, dc, func(o *ad.Options) {
		o.BindDN, o.Secret, o.Pool = service.DN, rightPassword, 1
		o.SecretNow = func() (string, error) {
			mu.Lock()
			defer mu.Unlock()
			return secret, failed
		}
	})
	find := func() error {
		_, err := d.Find(t.Context(), e.Name)
		return err
	}
	if err := find(); err != nil {
		t.Fatal(err)
	}
	if err := admin.SetPassword(t.Context(), service.ID, "Rotated-2026!", false); err != nil {
		t.Fatal(err)
	}
	d.Close() // what is open goes
	if err := find(); !errors.Is(err, idp.ErrUnavailable) {
		t.Fatalf("with the former password: %v", err)
	}
	if err := find(); !errors.Is(err, idp.ErrUnavailable) { // not tried: it would lock itself
		t.Fatal(err)
	}
	if n := count(t, admin, service.Name); n > 1 {
		t.Errorf("%d wrong binds", n)
	}
	say("Rotated-2026!", nil)
	if err := find(); err != nil {
		t.Fatalf("with the new password: %v", err)
	}
	say("", errors.New("no such file"))
	if err := find(); err != nil {
		t.Fatalf("while the file is not there: %v", err)
	}
}
