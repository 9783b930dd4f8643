package directory

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"unicode"

	idp "taipeion.internal/idp"
)

// Description is what a directory shows of an account's person.
type Description struct {
	Name       string
	Agency     string // code
	AgencyName string
	Unit       string
	Title      string
}

// Describer is a Writer that shows who an account's person is.
type Describer interface {
	// Describe makes the entry show it, and moves it to its agency's place, if the
	// agency has one. It may be called again. Errors as of Writer.
	Describe(ctx context.Context, account idp.Account, d Description) error
	// Differs lists what the entry shows otherwise: Old is there, New is here.
	Differs(ctx context.Context, account idp.Account, d Description) ([]FieldChange, error)
}

func describe(p *idp.Person) Description {
	return Description{Name: p.Name, Agency: p.Agency.Code, AgencyName: p.Agency.Name, Unit: p.Unit, Title: p.Title}
}

// doubleSurnames are those of two characters.
var doubleSurnames = []string{
	"歐陽", "司馬", "上官", "諸葛", "司徒", "皇甫", "夏侯", "令狐", "慕容", "尉遲", "長孫", "端木", "公孫", "東方", "司空", "軒轅", "鍾離", "宇文", "范姜", "張簡",
}

// SplitName takes a name apart into surname and given name. A name of four Chinese
// characters has two of surname, by marriage or birth; one that is not Chinese, or
// has a dot, is one whole.
func SplitName(name string) (surname, given string) {
	r := []rune(name)
	if len(r) < 2 || len(r) > 4 || slices.ContainsFunc(r, func(c rune) bool { return !unicode.Is(unicode.Han, c) }) {
		return name, ""
	}
	n := 1
	if len(r) == 4 || len(r) == 3 && slices.Contains(doubleSurnames, string(r[:2])) {
		n = 2
	}
	return string(r[:n]), string(r[n:])
}

// describersAtOnce is how many entries are asked for at once.
const describersAtOnce = 6

// describedOtherwise lists what directories show otherwise of those accounts.
func describedOtherwise(ctx context.Context, g *Gate, held []Held) ([]Drift, error) {
	found := make([][]Drift, len(held))
	errs := make([]error, len(held))
	turns := make(chan struct{}, describersAtOnce)
	var all sync.WaitGroup
	for i, h := range held {
		b, err := g.backend(ctx, h.Account)
		if err != nil {
			return nil, err
		}
		d, ok := b.(Describer)
		if !ok {
			continue
		}
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			var fields []FieldChange
			fields, errs[i] = d.Differs(ctx, h.Account, Description{Name: h.Name, Agency: h.Agency, AgencyName: h.AgencyName, Unit: h.Unit, Title: h.Title})
			for _, f := range fields {
				found[i] = append(found[i], Drift{Agency: h.Agency, Name: h.Name, Account: h.Account.Name, Field: f.Field, Here: f.New, There: f.Old, PersonID: h.Account.PersonID})
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("ask what an entry shows: %w", err)
		}
	}
	return slices.Concat(found...), nil
}

// Mender has directories told what they have otherwise.
type Mender interface {
	// Mend keeps an effect of that kind for the account, unless one waits, or tries
	// again to make an account that could not be made; idp.ErrNotFound if it is not
	// that person's.
	Mend(ctx context.Context, personID, account, kind, actor string) error
}

// Mend has the directories told of each drift: once for each account.
func Mend(ctx context.Context, m Mender, found []Drift, actor string) (accounts int, err error) {
	done := map[string]bool{}
	for _, d := range found {
		kind := EffectUpdate
		switch {
		case d.Field == "" && d.Here == driftOpen:
			kind = EffectEnable
		case d.Field == "":
			kind = EffectDisable
		}
		if key := kind + " " + d.Account; !done[key] {
			done[key] = true
			if err := m.Mend(ctx, d.PersonID, d.Account, kind, actor); err != nil {
				return accounts, fmt.Errorf("account %s: %w", d.Account, err)
			}
			accounts++
		}
	}
	return accounts, nil
}
