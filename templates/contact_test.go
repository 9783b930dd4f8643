package templates

import (
	"slices"
	"testing"
)

func TestContactsInTheLanguageOfThePage(t *testing.T) {
	r, err := New(Options{Contacts: []Contact{
		{NameZH: "服務專線", NameEN: "Service line", Text: "1999 轉 8585", TextEN: "1999 ext. 8585"},
		{NameZH: "網址", Text: "https://help.example"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[string][]contact{
		English: {{"Service line", "1999 ext. 8585"}, {"網址", "https://help.example"}},
		Chinese: {{"服務專線", "1999 轉 8585"}, {"網址", "https://help.example"}},
	} {
		if got := (&page{r: r, Lang: lang}).Contacts(); !slices.Equal(got, want) {
			t.Errorf("%s: %v", lang, got)
		}
	}
}
