package policy

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func rulesOf(t *testing.T, p PasswordProfile) PasswordRules {
	t.Helper()
	r, err := RulesOf(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestT240_Profiles(t *testing.T) {
	baseline, nist := rulesOf(t, ProfileBaseline), rulesOf(t, ProfileNIST)
	own := []string{"王小明", "ab1234", "wang.xiaoming@mail.taipei"}
	for _, c := range []struct {
		password       string
		baseline, nist []Fault
	}{
		{"Kyoto7#Umbrella", nil, nil},
		{"kT7#zwQp", nil, []Fault{FaultShort}},
		{"kT7#zwQ", []Fault{FaultShort}, []Fault{FaultShort}},
		{"correct horse battery staple", []Fault{FaultUpper, FaultDigit}, nil},
		{"紫色雨傘在第七號月台等你回家吃晚餐", []Fault{FaultLower, FaultUpper, FaultDigit}, nil},
		{"KT7#ZWQP", []Fault{FaultLower}, []Fault{FaultShort}},
		{"ktzwqpbv", []Fault{FaultUpper, FaultDigit, FaultSymbol}, []Fault{FaultShort}},
		{"        ", []Fault{FaultForm}, []Fault{FaultForm}},
		{"", []Fault{FaultForm}, []Fault{FaultForm}},
		{"Kyoto7#\x00Umbrella", []Fault{FaultForm}, []Fault{FaultForm}},
		{strings.Repeat("Ab3$xyzw", 129), []Fault{FaultForm}, []Fault{FaultForm}},
		{"Umbrella7#AB1234!", []Fault{FaultOwn}, []Fault{FaultOwn}},
		{"Umbrella7#@b1234!", []Fault{FaultOwn}, []Fault{FaultOwn}},
		{"Umbrella7#小明 station", []Fault{FaultOwn}, []Fault{FaultOwn}},
		{"XiaoMing7#station", []Fault{FaultOwn}, []Fault{FaultOwn}},
	} {
		if got := baseline.Check(c.password, own); !slices.Equal(got, c.baseline) {
			t.Errorf("baseline of %q: %v, want %v", c.password, got, c.baseline)
		}
		if got := nist.Check(c.password, own); !slices.Equal(got, c.nist) {
			t.Errorf("NIST of %q: %v, want %v", c.password, got, c.nist)
		}
	}
	if _, err := RulesOf("lax"); err == nil {
		t.Error("an unknown profile is a profile")
	}
}

func TestT240_Ages(t *testing.T) {
	set := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	baseline, nist := rulesOf(t, ProfileBaseline), rulesOf(t, ProfileNIST)
	for _, c := range []struct {
		after      time.Duration
		young, due bool
	}{{0, true, false}, {24*time.Hour - 1, true, false}, {24 * time.Hour, false, false},
		{90*24*time.Hour - 1, false, false}, {90 * 24 * time.Hour, false, true}} {
		now := set.Add(c.after)
		if baseline.Young(set, now) != c.young || baseline.Due(set, now) != c.due {
			t.Errorf("after %v: young %v, due %v", c.after, baseline.Young(set, now), baseline.Due(set, now))
		}
		if nist.Young(set, now) || nist.Due(set, now) {
			t.Errorf("NIST has ages: after %v", c.after)
		}
	}
	if baseline.Young(time.Time{}, set) || baseline.Due(time.Time{}, set) {
		t.Error("an unknown time is a time")
	}
}

// TestT241_CommonPasswordsAreRefused counts how many of the usual passwords the
// list stands for.
func TestT241_CommonPasswordsAreRefused(t *testing.T) {
	refused := map[string]bool{}
	for word := range weakWords() {
		if len(word) < 3 {
			continue
		}
		_, n := utf8.DecodeRuneInString(word)
		upper := strings.ToUpper(word[:n]) + word[n:]
		for _, p := range []string{word, upper, word + "1", upper + "123!", upper + "@2026", "!" + upper + "1", word + "12345"} {
			if !Weak(p) {
				t.Errorf("%q is taken", p)
			}
			refused[p] = true
		}
	}
	if len(refused) < 3000 {
		t.Errorf("only %d", len(refused))
	}
	for _, p := range []string{
		"P@ssw0rd", "P@ssw0rd!", "Passw0rd123!", "Taipei2026!", "T@ipei101", "Admin@123", "Qwer!234", "1qaz@WSX", "!QAZ2wsx", "Abcd1234!",
		"Aa123456!", "Abc123!@#", "Qwerty123!", "Aaaa1111!", "Abab1212!", "Welcome1!", "Iloveyou520!", "Summer2026!", "臺北市政府1Aa", "Zxcvbnm,./1",
		"Password-Taipei1", "ji32k7au4a83", "Ji394su3!", "5201314Aa!", "123456Aa!", "A1b2c3d4!", "TaipeiCity1!", "Qaz2wsx#edc",
	} {
		if !Weak(p) {
			t.Errorf("%q is taken", p)
		}
	}
	for _, p := range []string{
		"kT7#zwQp", "Kyoto7#Umbrella", "correct horse battery staple", "Xq9!mBv2", "紫色雨傘在第七號月台", "7-Lanterns&Fog", "Mv!82zrLo", "b8#Rstw!qX",
	} {
		if Weak(p) {
			t.Errorf("%q is called weak", p)
		}
	}
}

func FuzzPasswordRules(f *testing.F) {
	for _, s := range []string{"P@ssw0rd", "", "臺北\xff", "1qaz2wsx", strings.Repeat("a", 2000)} {
		f.Add(s, "王小明")
	}
	rules, _ := RulesOf(ProfileBaseline)
	f.Fuzz(func(t *testing.T, password, name string) {
		faults := rules.Check(password, []string{name})
		if len(faults) == 0 && len(password) < rules.MinLength {
			t.Errorf("%q is taken", password)
		}
	})
}
