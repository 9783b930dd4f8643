package directory_test

import (
	"context"
	"fmt"
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
)

// counting counts the looks at a directory.
type counting struct {
	*vault
	looks int
}

func (c *counting) Check(ctx context.Context, a idp.Account, password string) error {
	c.looks++
	return c.vault.Check(ctx, a, password)
}

// TestT069_OneOfTwoPasswordsIsNoKeyToGuessTheOther gives the portal's right password
// between guesses at that of Active Directory, at the login and where accounts are
// bound: it takes back no failure of the other account, which is looked at five times.
func TestT069_OneOfTwoPasswordsIsNoKeyToGuessTheOther(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		there := &counting{vault: &vault{pw: map[string]string{"ab1234": "Secret-Of-AD-1!"}}}
		d.world.Gate.Routes = []directory.Route{
			routed("ad", there, idp.AccountSingle, idp.AccountTPEAD),
			routed("portal", &vault{pw: map[string]string{"wang.daming": "Portal-2026!"}}, idp.AccountPortal),
		}
		for i := range 12 {
			d.want(d.try("wang.daming", "Portal-2026!"), "ok")
			if got := d.try("ab1234", fmt.Sprint("guess ", i)); i >= 5 {
				d.want(got, "locked until 15m0s")
			}
		}
		if there.looks != 5 {
			t.Errorf("%d looks", there.looks)
		}
		d.want(d.try("ab1234", "Secret-Of-AD-1!"), "locked until 15m0s")
		if _, err := d.world.Gate.Unlock(d.context(), "wang.daming", "helpdesk", "asked"); err != nil {
			t.Fatal(err)
		}
		d.want(d.try("ab1234", "Secret-Of-AD-1!"), "ok")
		// One password of two names is one: the right one clears both.
		d.world.Gate.Routes = nil
		for range 3 {
			for _, name := range []string{"ab1234", "wang.daming"} {
				for range 2 {
					d.want(d.try(name, "wrong"), "wrong")
				}
			}
			d.want(d.try("ab1234", rightPassword), "ok")
		}
	})
}
