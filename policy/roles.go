package policy

import (
	"fmt"
	"slices"
)

// RoleKind says what an administrator may manage.
type RoleKind string

// The roles.
const (
	RolePeople   RoleKind = "people"   // 人員與組織管理: one agency and its units
	RoleHelpdesk RoleKind = "helpdesk" // 服務臺: across agencies
)

// Role is one that was granted to somebody.
type Role struct {
	Kind   RoleKind `json:"role"`
	Agency string   `json:"agency,omitempty"` // of RolePeople
}

// ParseRole reads a role; the helpdesk has no agency, every other role has one.
func ParseRole(kind, agency string) (Role, error) {
	r := Role{RoleKind(kind), agency}
	switch {
	case r.Kind != RolePeople && r.Kind != RoleHelpdesk:
		return Role{}, fmt.Errorf("%q is no role: people or helpdesk", kind)
	case r.Kind == RolePeople && agency == "":
		return Role{}, fmt.Errorf("the role %s is for one agency: name it", kind)
	case r.Kind == RoleHelpdesk && agency != "":
		return Role{}, fmt.Errorf("the role %s is for all agencies: name none", kind)
	}
	return r, nil
}

// Roles are all that one person has.
type Roles []Role

// Everywhere tells whether they reach across agencies.
func (r Roles) Everywhere() bool {
	return slices.ContainsFunc(r, func(one Role) bool { return one.Kind == RoleHelpdesk })
}

// Covers tells whether they reach a person of the agency.
func (r Roles) Covers(agency string) bool {
	return r.Everywhere() || agency != "" && slices.Contains(r, Role{RolePeople, agency})
}

// Agencies are those of their own, in order.
func (r Roles) Agencies() []string {
	var codes []string
	for _, one := range r {
		if one.Kind == RolePeople {
			codes = append(codes, one.Agency)
		}
	}
	slices.Sort(codes)
	return codes
}

// MayChange tells whether they may change the accounts of a person of the agency
// who has those roles: never of one whose reach is wider.
func (r Roles) MayChange(agency string, theirs Roles) bool {
	return r.Covers(agency) && (r.Everywhere() || !theirs.Everywhere() &&
		!slices.ContainsFunc(theirs.Agencies(), func(code string) bool { return !r.Covers(code) }))
}
