package policy_test

import (
	"strings"
	"testing"

	"taipeion.internal/idp/policy"
)

func TestT066_SpellingsOfOneName(t *testing.T) {
	names := policy.Names{Domains: []string{"TPEAD"}, Suffixes: []string{"tpead.gov.taipei", "@mail.gov.taipei"}}
	for _, s := range []string{
		"ab1234", "AB1234", " ab1234 ", "ａｂ１２３４", "AB１２３４", "ab1234.", "ab1234\u00a0", "ab1234\t", "\ufeffab1234",
		`TPEAD\ab1234`, `tpead\AB1234`, "TPEAD/ab1234", "ab1234@tpead.gov.taipei", "AB1234@TPEAD.GOV.TAIPEI",
		"ab1234@mail.gov.taipei", "ａｂ1234＠tpead.gov.taipei",
	} {
		if got := names.Normalize(s); got != "ab1234" {
			t.Errorf("%q is %q", s, got)
		}
	}
	for _, s := range []string{
		`EVIL\ab1234`, "ab1234@evil.test", "ab12345", "ab1234@tpead.gov.taipei.evil", "áb1234", "ab1234\x00", "а" + "b1234",
	} {
		if got := names.Normalize(s); got == "ab1234" && !strings.Contains(s, "\x00") {
			t.Errorf("%q must not be ab1234", s)
		}
	}
	long := strings.Repeat("名", 5000)
	if n := len(names.Normalize(long)); n > policy.MaxName {
		t.Errorf("a name of %d bytes", n)
	}
}

func FuzzNormalizeName(f *testing.F) {
	f.Add("AB1234")
	f.Add(`TPEAD\ａｂ`)
	f.Add("\u0130\u0307. .")
	f.Fuzz(func(t *testing.T, s string) {
		once := policy.NormalizeName(s)
		if len(once) > policy.MaxName {
			t.Fatalf("%q: %d bytes", s, len(once))
		}
		if twice := policy.NormalizeName(once); twice != once {
			t.Fatalf("%q becomes %q and then %q", s, once, twice)
		}
	})
}

func TestValidNationalID(t *testing.T) {
	for id, want := range map[string]bool{
		"A123456789": true, "a123456789": true, "A123456788": false, "A323456789": false, "1123456789": false,
		"A12345678": false, "A1234567890": false, "": false, "A12345678é": false, "@123456789": false,
	} {
		if got := policy.ValidNationalID(id); got != want {
			t.Errorf("%q: %v", id, got)
		}
	}
}
