package plan_test

import (
	"fmt"
	"strings"
	"testing"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/plan"
)

// from plans what another source says.
func (w *world) from(source string, change func(*plan.Options), rows ...directory.FedRow) *plan.Plan {
	w.t.Helper()
	o := w.options()
	o.Source, o.TotalRows = source, len(rows)
	if change != nil {
		change(&o)
	}
	return plan.Make(rows, nil, w.state(), o)
}

func (w *world) state() (s plan.State) {
	for _, id := range w.order {
		s.People = append(s.People, w.people[id])
	}
	s.Units = w.units
	return s
}

// The portal gives a leaver's account name to a newcomer of the same name.
func TestPlan_ANamesakeWithALeaversAccountIsNotTheLeaver(t *testing.T) {
	w := newWorld(t)
	w.apply(row(0, "a0"), row(1, "a1"))
	for _, state := range []idp.PersonState{idp.PersonDisabled, idp.PersonDeparted} {
		w.people["p1"].State = state
		p := w.plan(with(row(0, "a0"), func(r *directory.FedRow) { r.NationalID = nationalID(99) }), row(1, "a1"))
		if p.Counts.Changed() != 0 || !strings.Contains(reasons(p), "2: the account was that of somebody of the same name who has left") {
			t.Errorf("%s: %+v %s", state, p.Counts, reasons(p))
		}
	}
}

// A mistyped national ID that is a leaver's, or anybody's.
func TestPlan_AnIDAloneMakesNobodySomebodyElse(t *testing.T) {
	for _, state := range []idp.PersonState{idp.PersonDisabled, idp.PersonEnabled} {
		w := newWorld(t)
		w.apply(row(0, "a0"), row(1, "a1"))
		w.people["p1"].State = state
		p := w.plan(with(row(0, "new"), func(r *directory.FedRow) { r.Name = "別人" }), row(1, "a1"))
		if p.Counts.Changed() != 0 || !strings.Contains(reasons(p), "2: the national ID is that of somebody with another name and other accounts") {
			t.Errorf("%s: %+v %s", state, p.Counts, reasons(p))
		}
		// One of the two agrees: it is the same person.
		for _, r := range []directory.FedRow{row(0, "new"), with(row(0, "a0"), func(r *directory.FedRow) { r.Name = "改名" })} {
			if p := w.plan(r, row(1, "a1")); p.Counts.Changed() != 1 || len(p.Faults) != 0 {
				t.Errorf("%s: %+v %s", state, p.Counts, reasons(p))
			}
		}
	}
}

// A shared account that gets a national ID is a new person, not the old record.
func TestPlan_ASharedAccountThatGetsAnIDIsSomebodyNew(t *testing.T) {
	w := newWorld(t)
	shared := with(row(0, "desk"), func(r *directory.FedRow) { r.NationalID, r.Name, r.Mail = "", "服務台", "desk-mail" })
	w.apply(shared, row(1, "a1"))
	now := with(row(0, "desk"), func(r *directory.FedRow) { r.Mail = "desk-mail" })
	p := w.plan(now, row(1, "a1"))
	if p.Counts.Add != 1 || p.Counts.Update != 0 || len(p.Faults) != 0 || fmt.Sprint(p.Changes[0].Moved) != "[desk desk-mail]" || p.Changes[0].PersonID == "p1" {
		t.Fatalf("%+v %s %+v", p.Counts, reasons(p), p.Changes)
	}
	w.apply(now, row(1, "a1"))
	if p := w.plan(now, row(1, "a1")); p.Counts.Changed() != 0 {
		t.Errorf("%+v %+v", p.Counts, p.Changes)
	}
}

func TestPlan_AsksBeforeManyBecomeSomethingElse(t *testing.T) {
	w := newWorld(t)
	var rows []directory.FedRow
	for i := range 1000 {
		rows = append(rows, row(i, fmt.Sprintf("a%d", i)))
	}
	rows = append(rows, with(row(2000, "other"), func(r *directory.FedRow) { r.Agency = "380" }))
	w.apply(rows...)
	changed := func(n int, change func(*directory.FedRow)) (list []directory.FedRow) {
		for i, r := range rows {
			if i < n {
				change(&r)
			}
			list = append(list, r)
		}
		return list
	}
	for want, change := range map[string]func(*directory.FedRow){
		"national IDs of 21":                          func(r *directory.FedRow) { r.NationalID = nationalID(r.Line + 5000) },
		"21 of 1001 people would change their agency": func(r *directory.FedRow) { r.Agency = "380" },
	} {
		if p := w.plan(changed(20, change)...); len(p.Asks) != 0 || p.Counts.Update != 20 {
			t.Errorf("%s: %v %+v", want, p.Asks, p.Counts)
		}
		if p := w.plan(changed(21, change)...); len(p.Asks) != 1 || !strings.Contains(p.Asks[0], want) {
			t.Errorf("%s: %v", want, p.Asks)
		}
	}
	for i := range 21 {
		w.people[fmt.Sprintf("p%d", i+1)].State = idp.PersonDisabled
	}
	if p := w.plan(rows...); len(p.Asks) != 1 || !strings.Contains(p.Asks[0], "21 people would be enabled") {
		t.Errorf("%v", p.Asks)
	}
}

// Another source may give a person a post, and nothing else.
func TestPlan_AnotherSourceTakesNobodyOver(t *testing.T) {
	w := newWorld(t)
	w.apply(row(0, "a0"), row(1, "a1"), with(row(2, "shared"), func(r *directory.FedRow) { r.NationalID = "" }))
	evil := with(row(0, "evil"), func(r *directory.FedRow) {
		r.Agency, r.Title, r.TPEAD, r.Mail = "X", "顧問", "evil-tpead", "evil-mail"
	})
	p := w.from("other", nil, evil)
	c := p.Changes[len(p.Changes)-1]
	if p.Counts.Update != 1 || p.Counts.Disable != 0 || len(c.Bind) != 0 || len(c.Fields) != 1 || c.Fields[0].Field != "posts" || c.To.Source != "hr" ||
		!strings.Contains(reasons(p), "only the post is taken") {
		t.Fatalf("%+v %+v %s", p.Counts, c, reasons(p))
	}
	for why, r := range map[string]directory.FedRow{
		"another name":            with(row(0, "evil"), func(r *directory.FedRow) { r.Name = "別人" }),
		"somebody's account":      row(7, "a1"),
		"a namesake":              with(row(1, "a1"), func(r *directory.FedRow) { r.NationalID = nationalID(70) }),
		"a shared account":        with(row(2, "shared"), func(r *directory.FedRow) { r.NationalID = "" }),
		"a shared account's":      row(7, "shared"),
		"a person's with no ID":   with(row(1, "a1"), func(r *directory.FedRow) { r.NationalID = "" }),
		"an ID with another's, 2": row(0, "shared"),
	} {
		if p := w.from("other", nil, r); p.Counts.Changed() != p.Counts.Units || len(p.Faults) == 0 {
			t.Errorf("%s: %+v %s", why, p.Counts, reasons(p))
		}
	}
	// Nor does it enable whom the other source closed.
	w.people["p1"].State = idp.PersonDisabled
	p = w.from("other", nil, row(0, "a0"))
	if p.Counts.Enable != 0 || !strings.Contains(reasons(p), "only the post is taken") {
		t.Errorf("%+v %s", p.Counts, reasons(p))
	}
}

// Posts stay whose they are, whichever source is read.
func TestPlan_SourcesKeepEachOthersPosts(t *testing.T) {
	w := newWorld(t)
	known := func(o *plan.Options) { o.Known["posts"] = true }
	hr := with(row(0, "a0"), func(r *directory.FedRow) {
		r.Posts = []directory.Post{{Agency: "379", Unit: "一科", Title: "兼一"}}
	})
	other := with(row(0, "a0"), func(r *directory.FedRow) { r.Agency, r.Unit, r.Title = "380", "二科", "兼二" })
	for range 2 {
		w.take(w.from("hr", known, hr, row(1, "a1")))
		w.take(w.from("other", known, other))
	}
	if got := w.people["p1"].Posts; len(got) != 2 || got[0].Source != "hr" || got[1].Source != "other" {
		t.Fatalf("%+v", got)
	}
	for source, r := range map[string][]directory.FedRow{"hr": {hr, row(1, "a1")}, "other": {other}} {
		if p := w.from(source, known, r...); p.Counts.Changed() != 0 {
			t.Errorf("%s: %+v", source, p.Changes)
		}
	}
	w.take(w.from("other", known))
	if got := w.people["p1"].Posts; len(got) != 1 || got[0].Source != "hr" || w.people["p1"].State != idp.PersonEnabled {
		t.Errorf("%+v", got)
	}
	w.people["p1"].Posts = append([]directory.Post{{Agency: "379", Unit: "一科", Title: "手"}}, w.people["p1"].Posts...)
	w.take(w.from("hr", known, row(0, "a0"), row(1, "a1")))
	if got := w.people["p1"].Posts; len(got) != 1 || got[0].Title != "手" {
		t.Errorf("what nobody fed is gone: %+v", got)
	}
}

// A source with a list of agencies speaks of these alone.
func TestPlan_OutsideItsAgenciesASourceSaysNothing(t *testing.T) {
	w := newWorld(t)
	w.apply(row(0, "a0"), row(1, "a1"))
	scope := func(o *plan.Options) { o.Scope = map[string]bool{"380": true} }
	in := with(row(5, "b5"), func(r *directory.FedRow) {
		r.Agency, r.AgencyName = "380", "環保局"
		r.Posts = []directory.Post{{Agency: "379", Unit: "一科", Title: "兼"}}
	})
	p := w.from("other", scope, row(6, "b6"), in)
	if p.Counts.Add != 1 || !strings.Contains(reasons(p), `8: agency "379" is not one that the source may speak of`) ||
		!strings.Contains(reasons(p), "7: a concurrent post is left out") {
		t.Fatalf("%+v %s", p.Counts, reasons(p))
	}
	if c := p.Changes[len(p.Changes)-1]; c.To.Name != "人5" || len(c.To.Posts) != 0 {
		t.Errorf("%+v", c.To)
	}
	p = w.from("other", func(o *plan.Options) {
		scope(o)
		o.HasUnits, o.Agencies = true, []directory.Unit{{Agency: "379", AgencyName: "改名"}, {Agency: "380", AgencyName: "環保局"}}
	}, in)
	for _, c := range p.Changes {
		if c.Unit != nil && c.Unit.Agency != "380" {
			t.Errorf("it changes %+v", c.Unit)
		}
	}
}

// A conversion that lost a character does not change a name that is right.
func TestPlan_ADamagedNameIsReportedAndReplacesNone(t *testing.T) {
	w := newWorld(t)
	w.apply(row(0, "a0"), row(1, "a1"))
	for _, name := range []string{"人?", "人？", "人□", "人〓", "人\ue000", "人\U000f0000"} {
		p := w.plan(with(row(0, "a0"), func(r *directory.FedRow) { r.Name, r.Title = name, "科長" }), row(1, "a1"))
		if p.Counts.Update != 1 || p.Changes[0].To.Name != "人0" || p.Changes[0].To.Title != "科長" || !strings.Contains(reasons(p), "keeps their name") {
			t.Errorf("%q: %+v %s", name, p.Changes, reasons(p))
		}
		// Of somebody new it is all there is.
		p = w.plan(row(0, "a0"), row(1, "a1"), with(row(2, "a2"), func(r *directory.FedRow) { r.Name = name }))
		if p.Counts.Add != 1 || p.Changes[0].To.Name != name || !strings.Contains(reasons(p), "4: the name has") {
			t.Errorf("%q: %+v %s", name, p.Changes, reasons(p))
		}
	}
	w.apply(with(row(0, "a0"), func(r *directory.FedRow) { r.Name = "人\U00020BB7" }), row(1, "a1"))
	if w.people["p1"].Name != "人\U00020BB7" {
		t.Error("a rare character is none that was lost")
	}
}

// Columns that moved put national IDs where something else belongs.
func TestPlan_FaultsHoldNoNationalID(t *testing.T) {
	w := newWorld(t)
	w.apply(row(0, "a0"))
	id := nationalID(0)
	state, o := w.state(), w.options()
	o.HasUnits = true
	p := plan.Make([]directory.FedRow{
		with(row(1, id), func(r *directory.FedRow) { r.NationalID = "人1" }),
		with(row(2, "b"), func(r *directory.FedRow) { r.Agency = id }),
		with(row(3, "c"), func(r *directory.FedRow) { r.Mail = id }), with(row(4, "d"), func(r *directory.FedRow) { r.Mail = strings.ToLower(id) }),
	}, []directory.Fault{
		{Line: 7, Account: id, Reason: "short", Refused: true}, {Line: 8, Account: strings.ToLower(id[:9]) + "0", Reason: "short", Refused: true},
		{Line: 9, NationalID: id, Reason: "bad", Refused: true},
	}, state, o)
	if len(p.Faults) < 6 {
		t.Fatalf("%s", reasons(p))
	}
	if text := strings.ToUpper(fmt.Sprintf("%+v", p.Faults)); strings.Contains(text, id[:9]) || !strings.Contains(text, "…"+id[6:]) {
		t.Errorf("%s", text)
	}
}

// A row that does not say whose it is may be anybody's who is missing.
func TestPlan_ATornRowDisablesNobody(t *testing.T) {
	w := newWorld(t)
	rows := []directory.FedRow{row(0, "a0"), row(1, "a1"), row(2, "a2")}
	w.apply(rows...)
	make := func(torn int, faults []directory.Fault, rows ...directory.FedRow) *plan.Plan {
		state, o := w.state(), w.options()
		state.Torn, o.TotalRows = torn, len(rows)+len(faults)
		return plan.Make(rows, faults, state, o)
	}
	long := directory.Fault{Line: 2, Reason: "longer than 65536 bytes", Refused: true, Torn: true}
	p := make(0, []directory.Fault{long}, rows[1:]...)
	if p.Counts.Disable != 0 || p.Counts.Held != 1 || p.Counts.TornKnown != 0 || !strings.Contains(reasons(p), "0: not in the feed, but left alone") {
		t.Fatalf("%+v %s", p.Counts, reasons(p))
	}
	// A row of that kind that hid nobody before does not hide anybody now.
	if p := make(0, []directory.Fault{long}, rows...); p.Counts.TornKnown != 1 || p.Counts.Held != 0 {
		t.Errorf("%+v", p.Counts)
	}
	if p := make(1, []directory.Fault{long}, rows[1:]...); p.Counts.Disable != 1 || p.Counts.Held != 0 {
		t.Errorf("%+v", p.Counts)
	}
	// Its national ID can be read: it is that person's, and nobody else is excused.
	byID := long
	byID.NationalID = strings.ToLower(nationalID(0))
	if p := make(0, []directory.Fault{byID}, rows[1]); p.Counts.Disable != 1 || p.Counts.Torn != 0 || p.Changes[0].PersonID != "p3" {
		t.Errorf("%+v", p.Counts)
	}
	// A bad name of an account, with and without the ID.
	bad := with(row(0, " \t"), func(r *directory.FedRow) { r.Line = 2 })
	if p := make(0, nil, bad, rows[1], rows[2]); p.Counts.Changed() != 0 || p.Counts.Torn != 0 {
		t.Errorf("%+v %s", p.Counts, reasons(p))
	}
	bad.NationalID = ""
	if p := make(0, nil, bad, rows[1], rows[2]); p.Counts.Changed() != 0 || p.Counts.Held != 1 {
		t.Errorf("%+v %s", p.Counts, reasons(p))
	}
	// What is wrong with the list of agencies hides nobody.
	state, o := w.state(), w.options()
	o.Also = []directory.Fault{{Line: 3, Reason: "agencies: code and name are needed", Refused: true}}
	if p := plan.Make(rows[1:], nil, state, o); p.Counts.Disable != 1 || p.Counts.Faults != 1 {
		t.Errorf("%+v", p.Counts)
	}
}
