package plan_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/plan"
)

// world plans, and keeps what was planned, as the store does.
type world struct {
	t      *testing.T
	people map[string]*directory.Standing
	order  []string
	units  []directory.Unit
	last   int
	n      int
}

func key(_ string, data []byte) []byte { h := sha256.Sum256(data); return h[:] }

func (w *world) options() plan.Options {
	return plan.Options{
		Source: "hr", Key: key, Seal: func(p []byte, c string) []byte { return []byte("sealed " + c) },
		NewID: func() string { w.n++; return fmt.Sprintf("p%d", w.n) }, Limits: plan.CityLimits(),
		Known: map[string]bool{"unit": true, "title": true, "national_id": true},
	}
}

func (w *world) plan(rows ...directory.FedRow) *plan.Plan {
	w.t.Helper()
	var state plan.State
	for _, id := range w.order {
		state.People = append(state.People, w.people[id])
	}
	state.Units, state.LastRow = w.units, w.last
	o := w.options()
	o.TotalRows = len(rows)
	return plan.Make(rows, nil, state, o)
}

func (w *world) apply(rows ...directory.FedRow) *plan.Plan {
	w.t.Helper()
	p := w.plan(rows...)
	w.last = p.Counts.Rows
	w.take(p)
	return p
}

func (w *world) take(p *plan.Plan) {
	for _, c := range p.Changes {
		if c.Unit != nil {
			w.units = append(w.units, *c.Unit)
			continue
		}
		s := w.people[c.PersonID]
		if s == nil {
			s = &directory.Standing{ID: c.PersonID}
			w.people[c.PersonID] = s
			w.order = append(w.order, s.ID)
		}
		for _, name := range c.Moved {
			for _, other := range w.people {
				if other.Shared && other != s && len(other.Accounts) > 0 && slices.ContainsFunc(other.Accounts, func(h directory.Holding) bool { return h.Name == name }) {
					other.Accounts, other.State = nil, idp.PersonDeparted
				}
			}
		}
		s.Profile, s.UpdatedAt = *c.To, s.UpdatedAt.Add(time.Second)
		if c.Identity != nil {
			s.IDHash, s.IDTail = string(c.Identity.Hash), c.Identity.Tail
		}
	}
}

func newWorld(t *testing.T) *world { return &world{t: t, people: map[string]*directory.Standing{}} }

// nationalID makes a valid one.
func nationalID(n int) string {
	for check := range 10 {
		id := fmt.Sprintf("A1%07d%d", n, check)
		sum := 1 + 0*9
		for i := 1; i < 10; i++ {
			weight := 9 - i
			if i == 9 {
				weight = 1
			}
			sum += int(id[i]-'0') * weight
		}
		if sum%10 == 0 {
			return id
		}
	}
	panic("no check digit")
}

func row(n int, account string) directory.FedRow {
	return directory.FedRow{
		Line: n + 2, Account: account, Name: fmt.Sprintf("人%d", n), NationalID: nationalID(n), Agency: "379", AgencyName: "資訊局", Unit: "一科", Title: "科員",
	}
}

func with(r directory.FedRow, change func(*directory.FedRow)) directory.FedRow { change(&r); return r }

func reasons(p *plan.Plan) string {
	var all []string
	for _, f := range p.Faults {
		all = append(all, fmt.Sprintf("%d: %s", f.Line, f.Reason))
	}
	return strings.Join(all, "\n")
}

func TestPlan_SameFeedChangesNothing(t *testing.T) {
	w := newWorld(t)
	rows := []directory.FedRow{row(0, "wang"), row(1, "chen"), with(row(2, "li"), func(r *directory.FedRow) { r.NationalID = "" }),
		with(row(0, "wang2"), func(r *directory.FedRow) { r.Line, r.Title = 5, "專員" })}
	p := w.apply(rows...)
	if p.Counts.Add != 3 || p.Counts.Shared != 1 || p.Counts.Units != 2 || len(p.Faults) != 0 {
		t.Fatalf("%+v %v", p.Counts, p.Faults)
	}
	first := w.people["p1"]
	if len(first.Accounts) != 2 || first.Accounts[0].Name != "wang" || len(first.Posts) != 1 || first.Posts[0].Title != "專員" {
		t.Errorf("%+v", first)
	}
	if p := w.plan(rows...); p.Counts.Changed() != 0 || p.Counts.Same != 3 {
		t.Errorf("%+v %+v", p.Counts, p.Changes)
	}
	a, b := w.plan(rows[:2]...), w.plan(rows[:2]...)
	if a.ID != b.ID || len(a.ID) != 12 || a.ID == p.ID {
		t.Errorf("plans %q %q", a.ID, b.ID)
	}
}

func TestPlan_FieldsShowOldAndNew(t *testing.T) {
	w := newWorld(t)
	w.apply(row(0, "wang"))
	p := w.plan(with(row(0, "wang"), func(r *directory.FedRow) { r.Name, r.Unit, r.Disabled = "王新名", "二科", true }))
	c := p.Changes[len(p.Changes)-1]
	if c.Kind != directory.ChangeDisable || fmt.Sprint(c.Fields) != "[{name 人0 王新名} {unit 一科 二科} {state enabled disabled}]" {
		t.Errorf("%s %v", c.Kind, c.Fields)
	}
	w.apply(with(row(0, "wang"), func(r *directory.FedRow) { r.Disabled = true }))
	if p := w.plan(row(0, "wang")); p.Counts.Enable != 1 {
		t.Errorf("%+v", p.Counts)
	}
}

func TestPlan_Dirt(t *testing.T) {
	w := newWorld(t)
	w.apply(row(0, "a0"), row(1, "a1"), row(2, "a2"), row(3, "a3"), with(row(4, "shared"), func(r *directory.FedRow) { r.NationalID = "" }))
	p := w.plan(
		row(0, "a0"),
		with(row(0, "b0"), func(r *directory.FedRow) { r.Name, r.Line = "別人", 10 }),  // the same ID, another name
		with(row(1, "A1 "), func(r *directory.FedRow) { r.Line = 11 }), row(1, "a1"), // one account twice
		with(row(2, "a2"), func(r *directory.FedRow) { r.NationalID = "A123456788" }), // a person's ID gone wrong
		with(row(5, "a3"), func(r *directory.FedRow) { r.Line = 12 }),                 // another person's account
		with(row(6, "new"), func(r *directory.FedRow) { r.NationalID = "A123456788"; r.Line = 13 }),
		with(row(7, "shared"), func(r *directory.FedRow) { r.Line = 14 }), // a shared account turns out to be a person's
	)
	got := reasons(p)
	for _, want := range []string{
		"2: the national ID is there 2 times, with different names", "10: the national ID is there 2 times", "11: the account is there 2 times",
		"3: the account is there 2 times", "4: the account is a person's, and its national ID is now missing or not valid",
		"12: the account is another person's: name and national ID both differ", "13: the national ID is not valid: taken as a shared account",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in\n%s", want, got)
		}
	}
	if p.Counts.Disable != 0 || p.Counts.Add != 2 || p.Counts.Update != 0 || p.Counts.Shared != 1 {
		t.Errorf("%+v\n%s", p.Counts, got)
	}
}

func TestPlan_CorrectedID(t *testing.T) {
	w := newWorld(t)
	w.apply(row(0, "a0"), row(1, "a1"), with(row(2, "shared"), func(r *directory.FedRow) { r.NationalID = "" }))
	p := w.plan(with(row(0, "a0"), func(r *directory.FedRow) { r.NationalID = nationalID(77) }), row(1, "a1"),
		with(row(1, "shared"), func(r *directory.FedRow) { r.Line = 4 }))
	if p.Counts.Update != 2 || len(p.Faults) != 0 || p.Changes[0].Identity == nil || p.Changes[0].PersonID != "p1" || len(p.Changes[1].Moved) != 1 {
		t.Fatalf("%+v %+v %+v", p.Counts, p.Faults, p.Changes)
	}
	for _, f := range p.Changes[0].Fields {
		if len(f.New) > len("…0000") {
			t.Errorf("the record holds a national ID: %+v", f)
		}
	}
	// The old ID is in the feed too: nobody becomes somebody else.
	p = w.plan(with(row(0, "a0"), func(r *directory.FedRow) { r.NationalID = nationalID(77) }), row(1, "a1"),
		with(row(0, "a9"), func(r *directory.FedRow) { r.Line = 9 }))
	if p.Counts.Add != 0 || !strings.Contains(reasons(p), "who is in this feed too") {
		t.Errorf("%+v %s", p.Counts, reasons(p))
	}
	// One half of a person's rows is faulty: the other is not taken for all of them.
	w.apply(row(1, "a1"), with(row(1, "second"), func(r *directory.FedRow) { r.Line = 8 }))
	p = plan.Make([]directory.FedRow{row(1, "a1")}, []directory.Fault{{Line: 9, Account: "second", Refused: true}},
		plan.State{People: []*directory.Standing{w.people["p2"]}, Units: w.units}, w.options())
	if p.Counts.Changed() != 0 || !strings.Contains(reasons(p), "another row of the same person") {
		t.Errorf("%+v %s", p.Counts, reasons(p))
	}
}

func TestPlan_AsksBeforeManyAreDisabled(t *testing.T) {
	w := newWorld(t)
	var rows []directory.FedRow
	for i := range 1000 {
		rows = append(rows, row(i, fmt.Sprintf("a%d", i)))
	}
	if p := w.apply(rows...); len(p.Asks) != 0 {
		t.Errorf("the first load asks: %v", p.Asks)
	}
	if p := w.plan(rows[:980]...); len(p.Asks) != 0 || p.Counts.Disable != 20 {
		t.Errorf("2 %%: %v %+v", p.Asks, p.Counts)
	}
	if p := w.plan(rows[:979]...); len(p.Asks) != 1 || !strings.Contains(p.Asks[0], "21 of 1000") {
		t.Errorf("more: %v", p.Asks)
	}
	if p := w.plan(rows[:800]...); len(p.Asks) != 2 {
		t.Errorf("much smaller: %v", p.Asks)
	}
	moved := make([]directory.FedRow, len(rows))
	for i, r := range rows {
		r.Name = "科員"
		moved[i] = r
	}
	if p := w.plan(moved...); len(p.Asks) != 1 || !strings.Contains(p.Asks[0], "names") {
		t.Errorf("columns moved: %v", p.Asks)
	}
	if p := w.plan(); len(p.Asks) != 2 || p.Counts.Disable != 1000 {
		t.Errorf("empty: %v", p.Asks)
	}
}

// One person of a few leaves without being asked about; two of fifty are more than
// 2 %, and the last one is everybody.
func TestPlan_AsksOfFewToo(t *testing.T) {
	for _, c := range []struct {
		of, left int
		asks     bool
	}{{50, 49, false}, {50, 48, true}, {149, 147, false}, {149, 146, true}, {10, 9, false}, {3, 1, true}, {2, 0, true}, {1, 0, true}} {
		w := newWorld(t)
		var rows []directory.FedRow
		for i := range c.of {
			rows = append(rows, row(i, fmt.Sprintf("a%d", i)))
		}
		w.apply(rows...)
		if p := w.plan(rows[:c.left]...); (len(p.Asks) > 0) != c.asks {
			t.Errorf("%d of %d: %v", c.of-c.left, c.of, p.Asks)
		}
	}
}

// An agency that the rows of people call otherwise than before has that name, if
// they agree and nobody else speaks of it.
func TestPlan_AgencyNamesFollow(t *testing.T) {
	names := func(p *plan.Plan) (found []string) {
		for _, c := range p.Changes {
			if c.Unit != nil && c.Unit.Name == "" {
				found = append(found, c.Unit.AgencyName)
			}
		}
		return found
	}
	w := newWorld(t)
	a, b := row(0, "a0"), row(1, "a1")
	a.AgencyName, b.AgencyName = "資訊局", "資訊局"
	w.apply(a, b)
	b.AgencyName = "數位局"
	if p := w.plan(a, b); len(p.Changes) != 0 || !strings.Contains(reasons(p), "two names") {
		t.Errorf("two names: %+v %s", p.Changes, reasons(p))
	}
	b.AgencyName = ""
	if p := w.plan(a, b); len(p.Changes) != 0 || len(p.Faults) != 0 {
		t.Errorf("no name: %+v %+v", p.Changes, p.Faults)
	}
	a.AgencyName, b.AgencyName = "數位局", "數位局"
	other := &directory.Standing{ID: "x"}
	other.Source, other.Agency, other.State = "else", a.Agency, idp.PersonEnabled
	w.people["x"], w.order = other, append(w.order, "x")
	if p := w.plan(a, b); len(names(p)) != 0 {
		t.Errorf("another source's: %v", names(p))
	}
	other.Agency = "elsewhere"
	p := w.plan(a, b)
	if got := names(p); len(got) != 1 || got[0] != "數位局" || p.Changes[0].Fields[0].Old != "資訊局" {
		t.Fatalf("%+v", p.Changes)
	}
	w.units = nil
	w.take(p)
	if p := w.plan(a, b); len(names(p)) != 0 {
		t.Errorf("not settled: %+v", p.Changes)
	}
}

// A plan of rows of any kind, applied, leaves nothing to do.
func TestPlan_Settles(t *testing.T) {
	w := newWorld(t)
	for seed := range 300 {
		var rows []directory.FedRow
		x := uint32(seed*2654435761 + 1)
		next := func(n uint32) uint32 { x ^= x << 13; x ^= x >> 17; x ^= x << 5; return x % n }
		for i := range 12 {
			r := row(int(next(8)), fmt.Sprintf("a%d", next(10)))
			r.Line = i + 2
			if next(5) == 0 {
				r.NationalID = ""
			}
			if next(6) == 0 {
				r.Name = "改名"
			}
			r.Disabled = next(7) == 0
			rows = append(rows, r)
		}
		w.apply(rows...)
		if p := w.plan(rows...); p.Counts.Changed() != 0 {
			t.Fatalf("seed %d: %+v\n%+v\n%s", seed, p.Counts, p.Changes, reasons(p))
		}
		owner := map[string]string{}
		for _, s := range w.people {
			for _, a := range s.Accounts {
				if other, twice := owner[a.Name]; twice {
					t.Fatalf("seed %d: %s is %s's and %s's", seed, a.Name, other, s.ID)
				}
				owner[a.Name] = s.ID
			}
		}
	}
}

// Whom an administrator disabled stays so, and the record says that the feed wants
// otherwise; all else of them follows.
func TestPlan_NeverEnablesWhomAnAdministratorDisabled(t *testing.T) {
	w := newWorld(t)
	rows := []directory.FedRow{row(0, "a0"), row(1, "a1")}
	w.apply(rows...)
	for _, state := range []idp.PersonState{idp.PersonDisabled, idp.PersonDeparted} {
		w.people["p1"].State, w.people["p1"].DisabledBy = state, "helpdesk"
		p := w.plan(rows...)
		if p.Counts.Changed() != 0 || !strings.Contains(reasons(p), "2: an administrator disabled the person") {
			t.Errorf("%s: %+v %s", state, p.Counts, reasons(p))
		}
		p = w.plan(with(rows[0], func(r *directory.FedRow) { r.Title = "科長" }), rows[1])
		if p.Counts.Update != 1 || p.Counts.Enable != 0 || p.Changes[0].To.State != state {
			t.Errorf("%s: %+v", state, p.Counts)
		}
		p = w.plan(with(rows[0], func(r *directory.FedRow) { r.Disabled = true }), rows[1])
		if p.Counts.Changed() != 0 || len(p.Faults) != 0 {
			t.Errorf("%s: %+v %s", state, p.Counts, reasons(p))
		}
	}
	w.people["p1"].State, w.people["p1"].DisabledBy = idp.PersonDisabled, ""
	if p := w.plan(rows...); p.Counts.Enable != 1 {
		t.Errorf("whom the feed disabled: %+v", p.Counts)
	}
}
