package feed

import (
	"context"
	"fmt"
	"strings"

	"taipeion.internal/idp/directory"
)

// ReadAgencies reads a list of agencies: the columns code, name and parent, the
// last of which may be missing.
func ReadAgencies(ctx context.Context, from Records) (units []directory.Unit, faults []directory.Fault, err error) {
	at := map[string]int{}
	seen := map[string]int{}
	err = from.Each(ctx, func(line int, values []string, fault string) error {
		if len(at) == 0 {
			for i, c := range values {
				at[strings.TrimSpace(c)] = i
			}
			if _, ok := at["code"]; !ok {
				return fmt.Errorf("%w: there is no %q", ErrColumns, "code")
			}
			if _, ok := at["name"]; !ok {
				return fmt.Errorf("%w: there is no %q", ErrColumns, "name")
			}
			return nil
		}
		if fault == "" {
			var u directory.Unit
			if u, fault = agency(at, values); fault == "" {
				if first, twice := seen[u.Agency]; twice {
					fault = fmt.Sprintf("the agency is there in line %d already", first)
				} else {
					seen[u.Agency] = line
					units = append(units, u)
					return nil
				}
			}
		}
		faults = append(faults, directory.Fault{Line: line, Reason: "agencies: " + fault, Refused: true})
		return nil
	})
	if err == nil && len(at) == 0 {
		err = ErrEmpty
	}
	return units, faults, err
}

func agency(at map[string]int, values []string) (u directory.Unit, fault string) {
	get := func(name string) string {
		i, ok := at[name]
		if !ok || i >= len(values) {
			return ""
		}
		v := strings.TrimSpace(values[i])
		if why := unfit(v); why != "" {
			fault = fmt.Sprintf("%q: %s", name, why)
		}
		return v
	}
	u = directory.Unit{Agency: get("code"), AgencyName: get("name"), Parent: get("parent")}
	if fault == "" && (u.Agency == "" || u.AgencyName == "") {
		fault = "code and name are needed"
	}
	return u, fault
}
