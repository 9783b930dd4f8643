package ad_test

import (
	"testing"

	"taipeion.internal/idp/directory/ad"
	"taipeion.internal/idp/directory/feed"
	"taipeion.internal/idp/internal/testenv"
)

var _ feed.Records = ad.Records{}

func TestRecords_ADirectoryIsAFeed(t *testing.T) {
	d := openPlain(t, testenv.Slapd(t))
	names := map[string]bool{}
	for range 3 {
		names[person(t, d).Name] = true
	}
	m := feed.Mapping{Account: "uid", Name: "displayName", Agency: "cn"}
	f, err := feed.Read(t.Context(), ad.Records{Directory: d, Filter: "(uid=*)", Attributes: m.Columns()}, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range f.Rows {
		if names[r.Account] && r.Name == "王大明" {
			delete(names, r.Account)
		}
	}
	if len(names) != 0 {
		t.Errorf("not given: %v; %+v %+v", names, f.Rows, f.Faults)
	}
}
