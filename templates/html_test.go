package templates

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tag is a start or end tag of a page. Pages quote every attribute doubly, so
// that a small scanner reads them.
type tag struct {
	name  string // with a leading slash for an end tag
	attrs map[string]string
	text  string // what follows up to the next tag
}

// tags reads a page strictly: whatever is not a well-formed tag with quoted
// attributes fails the test.
func tags(t *testing.T, name, body string) []tag {
	t.Helper()
	var out []tag
	pieces := strings.Split(body, "<")
	for _, piece := range pieces[1:] {
		end := strings.IndexAny(piece, " \n\t>")
		if end <= 0 {
			t.Fatalf("%s: no tag: <%s", name, piece)
		}
		e := tag{name: strings.ToLower(piece[:end]), attrs: map[string]string{}}
		rest := piece[end:]
		for {
			rest = strings.TrimLeft(rest, " \n\t")
			if text, closed := strings.CutPrefix(rest, ">"); closed {
				e.text = text
				break
			}
			at := strings.IndexAny(rest, "=> \n\t\"'/")
			if at <= 0 {
				t.Fatalf("%s: no attribute: <%s", name, piece)
			}
			attr, value := strings.ToLower(rest[:at]), ""
			if rest = rest[at:]; strings.HasPrefix(rest, `="`) {
				var quoted bool
				if value, rest, quoted = strings.Cut(rest[2:], `"`); !quoted {
					t.Fatalf("%s: no end of a value: <%s", name, piece)
				}
			}
			e.attrs[attr] = value
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		t.Fatalf("%s: no tags", name)
	}
	return out
}

func (t tag) has(attr string) bool { _, ok := t.attrs[attr]; return ok }

// TestNothingInline holds the pages to what the content security policy allows.
func TestNothingInline(t *testing.T) {
	eachPage(t, "王小明", "https://a.example/", func(t *testing.T, name, body string) {
		for _, e := range tags(t, name, body) {
			if e.name == "style" || e.has("style") {
				t.Errorf("%s: inline style in <%s>", name, e.name)
			}
			if e.name == "script" && (!strings.HasPrefix(e.attrs["src"], "/static/") || strings.TrimSpace(e.text) != "") {
				t.Errorf("%s: inline or foreign script %v", name, e)
			}
			if e.name == "link" && !strings.HasPrefix(e.attrs["href"], "/static/") {
				t.Errorf("%s: foreign %v", name, e)
			}
			if e.name == "base" || e.name == "iframe" || e.name == "object" || e.name == "embed" || e.has("src") && e.name != "script" {
				t.Errorf("%s: <%s>", name, e.name)
			}
			for attr := range e.attrs {
				if strings.HasPrefix(attr, "on") {
					t.Errorf("%s: handler %s in <%s>", name, attr, e.name)
				}
			}
		}
	})
}

// TestStructure holds what keyboards, screen readers and scripts rely on.
func TestStructure(t *testing.T) {
	sprite, err := staticFiles.ReadFile("static/icons.svg")
	if err != nil {
		t.Fatal(err)
	}
	eachPage(t, "王小明", "https://a.example/", func(t *testing.T, name, body string) {
		ids, headings, fors := map[string]int{}, 0, []string{}
		for _, e := range tags(t, name, body) {
			if id := e.attrs["id"]; id != "" {
				ids[id]++
			}
			if e.name == "h1" {
				headings++
			}
			if e.has("tabindex") && e.attrs["tabindex"] != "-1" {
				t.Errorf("%s: tab order changed in <%s>", name, e.name)
			}
			for _, attr := range []string{"for", "aria-describedby", "aria-labelledby", "aria-controls", "data-peek", "data-caps"} {
				if e.has(attr) {
					fors = append(fors, strings.Fields(e.attrs[attr])...)
				}
			}
			if href := e.attrs["href"]; e.name == "use" {
				_, icon, _ := strings.Cut(href, "#")
				if !strings.Contains(string(sprite), `id="`+icon+`"`) {
					t.Errorf("%s: no icon %q", name, icon)
				}
			} else if strings.HasPrefix(href, "#") {
				fors = append(fors, href[1:])
			}
			if e.name == "form" && e.attrs["method"] == "post" && strings.HasPrefix(e.attrs["action"], "//") {
				t.Errorf("%s: a form leads to %s", name, e.attrs["action"])
			}
		}
		if headings != 1 {
			t.Errorf("%s: %d first headings", name, headings)
		}
		for id, n := range ids {
			if n != 1 {
				t.Errorf("%s: id %q %d times", name, id, n)
			}
		}
		for _, id := range fors {
			if ids[id] != 1 {
				t.Errorf("%s: nothing has the id %q", name, id)
			}
		}
	})
}

// TestPasswordForm holds what scripted clients rely on: one form with a
// password, its fields by these names, one button that submits and refuses
// nothing, and nothing needed but these.
func TestPasswordForm(t *testing.T) {
	r := newRenderer(t)
	for _, lang := range languages {
		body := show(t, r, "/login?lang="+lang, Login{Flow: "f", Tab: TabPassword, System: "公文系統"}).Body.String()
		_, form, _ := strings.Cut(body, `<form class="form" method="post" action="/login/password"`)
		form, _, _ = strings.Cut(form, "</form>")
		var names []string
		submits := 0
		for _, e := range tags(t, lang, "<form"+form+"</form>") {
			if e.name == "input" {
				names = append(names, e.attrs["name"]+" "+e.attrs["type"]+" "+e.attrs["autocomplete"])
			}
			if e.name == "button" && e.attrs["type"] != "button" {
				submits++
				if e.has("name") || e.has("value") || e.text != r.Word(lang, "login.submit") {
					t.Errorf("%s: button %v", lang, e)
				}
			}
		}
		want := []string{"flow hidden ", "account text username", "password password current-password"}
		if !slices.Equal(names, want) || submits != 1 {
			t.Errorf("%s: fields %q, %d buttons", lang, names, submits)
		}
		if strings.Count(body, `type="password"`) != 1 {
			t.Errorf("%s: not exactly one password field", lang)
		}
	}
}

// TestTabOrder walks through the login page as the tabulator key does.
func TestTabOrder(t *testing.T) {
	r := newRenderer(t)
	body := show(t, r, "/login?flow=f", Login{Flow: "f", Tab: TabPassword, System: "公文系統"}).Body.String()
	var order []string
	for _, e := range tags(t, "login", body) {
		switch {
		case e.attrs["type"] == "hidden":
		case e.name == "a" && e.has("href"):
			order = append(order, strings.SplitN(e.attrs["href"], "?", 2)[0])
		case e.name == "input", e.name == "button" && !e.has("hidden"):
			order = append(order, e.name+" "+e.attrs["name"])
		case e.name == "summary":
			order = append(order, "summary")
		}
	}
	want := []string{"#main", "/login", "/login/qr", "/login/card", "/login/password", "input account", "input password",
		"button ", "summary", "/password/forgotten", "/card/bind", "summary", "button choice"}
	if !slices.Equal(order, want) {
		t.Errorf("order\n%q, want\n%q", order, want)
	}
}

// TestCardForm holds what the script that talks with the card program relies on.
func TestCardForm(t *testing.T) {
	r := newRenderer(t)
	for name, v := range map[string]View{
		"login": Login{Flow: "f", Tab: TabCard, AgentOrigin: "http://localhost:61180"},
		"bind":  Bind{Step: 3, AgentOrigin: "http://localhost:61180"},
		"check": Bind{Step: 2, AgentOrigin: "http://localhost:61180"},
	} {
		body := show(t, r, "/", v).Body.String()
		for _, want := range []string{`id="card-form"`, `data-agent="http://localhost:61180"`, `data-challenge-url="`, `id="card-start" type="button"`,
			`id="card-message" role="status"`, `id="card-check-component" data-state="pending"`, `id="card-check-reader"`, `id="card-check-card"`, `data-msg-no_reader="`} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %s", name, want)
			}
		}
	}
}

// TestScriptMessages looks for the words of every code that the scripts say.
func TestScriptMessages(t *testing.T) {
	said := regexp.MustCompile(`\b(?:say|end)\('([a-z_]+)'`)
	for _, name := range []string{"card.js", "check.js"} {
		script, err := staticFiles.ReadFile("static/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range said.FindAllStringSubmatch(string(script), -1) {
			if !slices.Contains(cardMessages, m[1]) {
				t.Errorf("%s says %q, which has no words", name, m[1])
			}
		}
	}
}

// TestAssets fetches everything that a page names.
func TestAssets(t *testing.T) {
	r := newRenderer(t)
	eachPage(t, "王小明", "https://a.example/", func(t *testing.T, name, body string) {
		for _, e := range tags(t, name, body) {
			address, _, _ := strings.Cut(e.attrs["href"]+e.attrs["src"], "#")
			if strings.HasPrefix(address, "/static/") {
				if _, ok := r.assets.files[address]; !ok {
					t.Errorf("%s names %s", name, address)
				}
			}
			if (e.name == "script" || e.name == "use" || e.name == "link") && address == "" {
				t.Errorf("%s: an asset is missing: %v", name, e)
			}
		}
	})
}
