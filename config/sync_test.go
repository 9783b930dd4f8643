package config

import (
	"errors"
	"strings"
	"testing"
)

func TestSync_IsChecked(t *testing.T) {
	const head = "issuer: http://localhost:8080\nsync:\n  sources:\n"
	c, err := Load(write(t, head+"    - {name: portal, kind: csv, file: people.csv, encoding: Big5, columns: [account=帳號, agency_name=, mail=信箱]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := c.Sync.Sources[0].Mapping(); err != nil || m.Account != "帳號" || m.AgencyName != "" || m.Mail != "信箱" || m.Title != "title" {
		t.Errorf("%+v %v", m, err)
	}
	for _, good := range []string{`separator: "|"`, `separator: "\t", encoding: big5`, "separator: ;, encoding: big5-hkscs"} {
		if _, err := Load(write(t, head+"    - {name: portal, kind: csv, file: a.csv, "+good+"}\n")); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"{name: portal, kind: xml}":                                                      "must be csv, sql or ldap",
		"{name: portal, kind: ldap, backend: none, filter: (a=b)}":                       "none of directory.backends",
		"{name: portal, kind: csv}":                                                      "sources[0].file",
		"{name: portal, kind: sql, sqlite: a.db, view: \"people; DROP TABLE x\"}":        "must be the name of a view",
		"{name: portal, kind: sql, view: people}":                                        "needs one of",
		"{name: portal, kind: csv, file: a.csv, columns: [account]}":                     "not FIELD=COLUMN",
		"{name: portal, kind: csv, file: a.csv, columns: [name=]}":                       "need a column each",
		"{name: portal, kind: csv, file: a.csv, encoding: utf-16}":                       "no encoding we read",
		"{name: portal, kind: csv, file: a.csv, encoding: big5, separator: \"|\"}":       "sources[0].separator",
		"{name: portal, kind: csv, file: a.csv, encoding: big5-hkscs, separator: \"@\"}": "sources[0].separator",
		"{name: portal, kind: csv, file: a.csv, separator: a}":                           "sources[0].separator",
		"{name: portal, kind: csv, file: a.csv, separator: \"7\"}":                       "sources[0].separator",
		"{name: portal, kind: csv, file: a.csv, separator: \"\\\"\"}":                    "sources[0].separator",
		"{name: portal, kind: csv, file: a.csv, separator: \"\\n\"}":                     "sources[0].separator",
		"{name: portal, kind: csv, file: a.csv, separator: 、}":                           "sources[0].separator",
		"{kind: csv, file: a.csv}":                                                       "name: is required",
		"{name: a, kind: csv, file: a.csv, max_disabled: 101}":                           "from 0 to 100",
	} {
		if _, err := Load(write(t, head+"    - "+bad+"\n")); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
