package directory_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/policy"
	"taipeion.internal/idp/store"
)

func TestReason(t *testing.T) {
	for text, want := range map[string]string{
		" 電話來電，本人 ": "電話來電，本人", "ID A123456789, checked": "ID …6789, checked", "a123456789a123456789": "…6789…6789",
		"A123456780": "A123456780", strings.Repeat("原", 200): strings.Repeat("原", 200),
	} {
		if got, err := directory.Reason(text); got != want || err != nil {
			t.Errorf("%q: %q %v", text, got, err)
		}
	}
	if _, err := directory.Reason(" \t"); !errors.Is(err, directory.ErrReason) {
		t.Error(err)
	}
	for _, text := range []string{strings.Repeat("原", 201), "a\x1b[2Jb", "a\nb", "a\u202eb", "a\u200bb", "a\ue000b", "a\xffb"} {
		if _, err := directory.Reason(text); !errors.Is(err, directory.ErrUnfit) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestCorrect_TakesWhatCanBeSeen and differs from what is kept.
func TestCorrect_TakesWhatCanBeSeen(t *testing.T) {
	eachDesk(t, policy.ProfileBaseline, func(t *testing.T, d *desk) {
		kept := d.Keeper.(*store.Store)
		if err := kept.SetPhase(t.Context(), policy.PhaseCoexist, policy.PhaseDirectory, d.clock()); err != nil {
			t.Fatal(err)
		}
		r := &directory.Registrar{
			Accounts: kept, Seal: d.Seal, Key: func(string, []byte) []byte { return []byte("hash of the new one") }, Now: d.clock,
		}
		correct := func(name, id string) error {
			d.pass(time.Second)
			return r.Correct(t.Context(), kept, directory.Correction{PersonID: "p1", Name: name, Hand: directory.Hand{Actor: "operator:x"}, Reason: "moved"}, id)
		}
		for _, name := range []string{"王\u200b大明", "王\x00大明", "\ue000", "王\u202e大明", strings.Repeat("王", 65)} {
			if err := correct(name, ""); !errors.Is(err, directory.ErrUnfit) {
				t.Errorf("%q: %v", name, err)
			}
		}
		if err := correct(d.person().Name, ""); !errors.Is(err, directory.ErrNothing) {
			t.Errorf("the same name: %v", err)
		}
		for _, want := range []error{nil, directory.ErrNothing} {
			if err := correct("", "A123456789"); !errors.Is(err, want) {
				t.Errorf("a national ID: %v, want %v", err, want)
			}
		}
		if err := correct("王\U00020bb7明", ""); err != nil {
			t.Error(err)
		}
		if got := d.person(); got.Name != "王\U00020bb7明" || got.IDTail != "6789" || got.State != idp.PersonEnabled {
			t.Errorf("%+v", got)
		}
	})
}
