package ad_test

import (
	"errors"
	"testing"
	"time"

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
	mailboxes(t, d, e.Name)
}

// mailboxes holds a directory to directory.Mailbox.
func mailboxes(t *testing.T, d *ad.Directory, name string) {
	t.Helper()
	mail, ctx := &ad.Mailboxes{Of: "mail", Directory: d, Agencies: []string{"GEAA"}}, t.Context()
	box := func(name string) idp.Account {
		return idp.Account{Name: name, Kind: idp.AccountMail, PersonID: "p-" + name}
	}
	if err := mail.Deliver(ctx, box(name), "Mail-2026!xyz"); err != nil {
		t.Fatal(err)
	}
	check(t, d, name, "Mail-2026!xyz", "ok")
	if err := mail.Deliver(ctx, box("zz9998"), "Mail-2026!xyz"); !errors.Is(err, idp.ErrNotFound) || errors.Is(err, directory.ErrUndeliverable) {
		t.Errorf("nobody's mailbox: %v", err)
	}
	if !mail.Takes("GEAA") || mail.Takes("GEAB") {
		t.Error("whose mailboxes are in it")
	}
}

// TestMailbox_IsNoOtherPersonsEntry writes to none that is a service's, outside the
// filter, or remembered as another person's.
func TestMailbox_IsNoOtherPersonsEntry(t *testing.T) {
	dc, h := testenv.Samba(t), newHouse(t)
	for _, id := range []string{"one", "two"} {
		h.put(id, idp.Account{Name: id + ".mail", Kind: idp.AccountMail})
	}
	d := open(t, dc, func(o *ad.Options) { o.Identities = h.store })
	mail := &ad.Mailboxes{Of: "mail", Directory: d}
	e := person(t, d)
	one, two := idp.Account{Name: e.Name, PersonID: "one", Kind: idp.AccountMail}, idp.Account{Name: e.Name, PersonID: "two", Kind: idp.AccountMail}
	h.must(mail.Deliver(t.Context(), one, "Mail-Of-One-1!"))
	h.must(mail.Deliver(t.Context(), one, "Mail-Of-One-2!"))
	h.must(h.store.KeepIdentity(t.Context(), "tpead", idp.Account{Name: "former", PersonID: "one"}, e.ID, time.Now()))
	if err := mail.Deliver(t.Context(), two, "Mail-Of-Two-1!"); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("another person's entry: %v", err)
	}
	few := &ad.Mailboxes{Of: "mail", Directory: open(t, dc, func(o *ad.Options) { o.Filter = "(mail=*)" })}
	if err := few.Deliver(t.Context(), one, "Mail-Of-One-3!"); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("outside the filter: %v", err)
	}
	dc.Tool(t, "ou", "create", "OU=MailServices,"+dc.Base)
	services := open(t, dc, func(o *ad.Options) { o.ServiceBase = "OU=MailServices," + dc.Base })
	service, err := services.Create(t.Context(), ad.NewAccount{Name: "svc-post", Password: rightPassword, Service: true})
	h.must(err)
	mail.Directory = services
	if err := mail.Deliver(t.Context(), idp.Account{Name: service.Name, PersonID: "two"}, "Mail-Of-Two-1!"); !errors.Is(err, idp.ErrNotFound) {
		t.Errorf("a service's entry: %v", err)
	}
	check(t, open(t, dc), e.Name, "Mail-Of-One-2!", "ok")
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
