package ad_test

import (
	"errors"
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/internal/testenv"
)

// setters holds a directory to directory.Setter.
func setters(t *testing.T, d *ad.Directory) {
	t.Helper()
	e, ctx := person(t, d), t.Context()
	account := idp.Account{Name: e.Name, Kind: idp.AccountSingle, PersonID: "p-" + e.Name}
	if err := d.ChangeOf(ctx, account, rightPassword, "Second-2026!密"); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, "Second-2026!密", "ok")
	if err := d.SetOf(ctx, account, "Start-2026!xyz", true); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, "Start-2026!xyz", "must change")
	if err := d.ChangeOf(ctx, account, "Start-2026!xyz", "Third-2026!🔑"); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, "Third-2026!🔑", "ok")
	if err := d.SetOf(ctx, idp.Account{Name: "zz9998", Kind: idp.AccountSingle, PersonID: "p"}, "Third-2026!", false); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("nobody's password: %v", err)
	}
	mail := &ad.Mailboxes{Of: "mail", Directory: d}
	if err := mail.Deliver(ctx, e.Name, "Mail-2026!xyz"); err != nil {
		t.Fatal(err)
	}
	check(t, d, e.Name, "Mail-2026!xyz", "ok")
	if err := mail.Deliver(ctx, "zz9998", "Mail-2026!xyz"); !errors.Is(err, directory.ErrUndeliverable) {
		t.Errorf("nobody's mailbox: %v", err)
	}
}

func TestSamba_PasswordsAreSet(t *testing.T) {
	dc := testenv.Samba(t)
	d := open(t, dc)
	setters(t, d)
	e := person(t, d)
	account := idp.Account{Name: e.Name, Kind: idp.AccountSingle, PersonID: "p-" + e.Name}
	if err := d.ChangeOf(t.Context(), account, rightPassword, "weak"); !errors.Is(err, directory.ErrRules) {
		t.Errorf("a password against the domain's rules: %v", err)
	}
}

func TestSlapd_PasswordsAreSet(t *testing.T) { setters(t, openPlain(t, testenv.Slapd(t))) }
