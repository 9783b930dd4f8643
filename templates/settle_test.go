package templates

import (
	"bytes"
	"html"
	"html/template"
	"net/http/httptest"
	"testing"
)

// TestSettledPagesSayTheSame draws every page as it is written, and as it is with
// its words put in beforehand.
func TestSettledPagesSayTheSame(t *testing.T) {
	settled, plain := newRenderer(t), newRenderer(t)
	written := *plain.book
	written.pages = map[string]map[string]*template.Template{}
	plain.book = &written
	for _, lang := range languages {
		pages, err := plain.parse()
		if err != nil {
			t.Fatal(err)
		}
		plain.pages[lang] = pages
		for name, v := range everyView("王小明 <&\"'+>", "https://a.example/") {
			req := httptest.NewRequest("GET", "/login?flow=f&lang="+lang, nil)
			var want, got bytes.Buffer
			if err := plain.write(&want, plain.page(req, 200, v)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := settled.write(&got, settled.page(req, 200, v)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if html.UnescapeString(got.String()) != html.UnescapeString(want.String()) {
				t.Errorf("%s, %s:\n%s\nwant\n%s", lang, name, &got, &want)
			}
		}
	}
}
