package templates

import (
	"strings"
	"testing"
	"time"

	"taipeion.internal/idp"
)

// addPasswordViews adds the pages of passwords and bindings to everyView.
func addPasswordViews(views map[string]View, base Base, s string) {
	rules := PasswordRules{MinLength: 8, Classes: true, History: 3, MaxDays: 90}
	for _, way := range []string{PasswordOwn, PasswordFirst, PasswordCard} {
		v := Password{Base: base, Way: way, Flow: s, Account: s, Rules: rules, Own: []string{s, s}}
		views["password-"+way] = v
		v.Faults = append(append([]string{}, shownRules...), otherFaults...)
		views["password-faults-"+way] = v
		views["password-done-"+way] = Password{Base: base, Way: way, Flow: s, Account: s, Done: true,
			Mail: []MailState{{s, "waiting"}, {s, "done"}, {s, "failed"}}}
		views["password-unbound-"+way] = Password{Base: base, Way: way, Unbound: true}
	}
	views["password-given"] = Password{Base: base, Way: PasswordFirst, Flow: s, Account: s, Given: s, Told: s, Rules: rules}
	views["password-given-done"] = Password{Base: base, Way: PasswordFirst, Flow: s, Account: s, Given: s, Done: true}
	views["password-nist"] = Password{Base: base, Way: PasswordOwn, Rules: PasswordRules{MinLength: 15}}
	views["rebind-shared"] = Rebind{Base: base, Portal: s, Shared: true}
	views["password-need-card"] = Password{Base: base, Way: PasswordCard, NeedCard: true}
	for _, reason := range []idp.Reason{idp.ReasonWrong, idp.ReasonLocked, idp.ReasonThrottled, idp.ReasonUnavailable, idp.ReasonDisabled} {
		until, retry := time.Time{}, time.Duration(0)
		switch reason {
		case idp.ReasonLocked:
			until = clock.Add(12 * time.Minute)
		case idp.ReasonThrottled:
			retry = time.Minute
		}
		views["password-reason-"+string(reason)] = Password{Base: base, Way: PasswordOwn, Account: s, Rules: rules, Reason: reason, LockedUntil: until, RetryAfter: retry}
		views["rebind-reason-"+string(reason)] = Rebind{Base: base, Portal: s, TPEAD: s, Reason: reason, LockedUntil: until, RetryAfter: retry}
	}
	for _, fault := range rebindFaults {
		views["rebind-"+fault] = Rebind{Base: base, Fault: fault}
	}
	views["rebind-0"] = Rebind{Base: base}
	views["rebind-none"] = Rebind{Base: base, Portal: s, None: true, Notice: "none"}
	views["rebind-bound"] = Rebind{Base: base, Portal: s, TPEAD: s, Bound: true, Notice: "bound"}
	views["rebind-off"] = Rebind{Base: base, Off: true}
}

// TestT241_ManagersAndPasteWork holds what password managers rely on: the fields
// are masked, say what they are, take long ones, and no script refuses a paste.
func TestT241_ManagersAndPasteWork(t *testing.T) {
	r := newRenderer(t)
	body := show(t, r, "/password", Password{Way: PasswordOwn, Account: "ab1234", Rules: PasswordRules{MinLength: 8, Classes: true}}).Body.String()
	fields := map[string]string{}
	for _, e := range tags(t, "password", body) {
		if e.name == "input" && e.attrs["type"] == "password" {
			fields[e.attrs["name"]] = e.attrs["autocomplete"]
			if e.attrs["maxlength"] != "1024" {
				t.Errorf("%s takes %s characters", e.attrs["name"], e.attrs["maxlength"])
			}
		}
	}
	if len(fields) != 3 || fields["old"] != "current-password" || fields["new"] != "new-password" || fields["again"] != "new-password" {
		t.Errorf("fields %v", fields)
	}
	script, err := staticFiles.ReadFile("static/password.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"paste", "preventDefault", "innerHTML", "fetch", "XMLHttp", "localStorage", "sessionStorage"} {
		if strings.Contains(string(script), bad) {
			t.Errorf("the script holds %q", bad)
		}
	}
}

func TestPasswordRowsFollowTheProfile(t *testing.T) {
	r := newRenderer(t)
	for _, c := range []struct {
		rules PasswordRules
		rows  int
	}{{PasswordRules{MinLength: 8, Classes: true}, 7}, {PasswordRules{MinLength: 15}, 3}} {
		body := show(t, r, "/password?lang=en", Password{Way: PasswordOwn, Rules: c.rules}).Body.String()
		if n := strings.Count(body, "data-rule="); n != c.rows {
			t.Errorf("%+v: %d rows", c.rules, n)
		}
	}
}
