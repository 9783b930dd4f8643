package policy_test

import (
	"testing"

	"taipeion.internal/idp/policy"
)

func TestT167_RolesReachNoFurther(t *testing.T) {
	people := policy.Roles{{Kind: policy.RolePeople, Agency: "A"}, {Kind: policy.RolePeople, Agency: "B"}}
	helpdesk := policy.Roles{{Kind: policy.RoleHelpdesk}}
	for agency, want := range map[string]bool{"A": true, "B": true, "C": false, "": false, "a": false, "A ": false} {
		if people.Covers(agency) != want || !helpdesk.Covers(agency) || (policy.Roles{}).Covers(agency) {
			t.Errorf("agency %q", agency)
		}
	}
	if people.MayChange("A", helpdesk) || !helpdesk.MayChange("A", helpdesk) || !people.MayChange("A", people) || people.MayChange("C", nil) {
		t.Error("an agency's administrator reaches the helpdesk")
	}
	one := people[:1]
	if one.MayChange("A", people) || !people.MayChange("A", one) || !one.MayChange("A", one) || !helpdesk.MayChange("A", people) || !one.MayChange("A", nil) {
		t.Error("an agency's administrator reaches one of two agencies")
	}
	for _, c := range [][2]string{{"", ""}, {"people", ""}, {"helpdesk", "A"}, {"root", ""}, {"People", "A"}, {"system", "A"}} {
		if _, err := policy.ParseRole(c[0], c[1]); err == nil {
			t.Errorf("%q is taken for a role", c)
		}
	}
}
