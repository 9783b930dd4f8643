package templates

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

func phonePage(t *testing.T, r *Renderer, lang string) []tag {
	t.Helper()
	return tags(t, "phone", show(t, r, "/phone?lang="+lang, Phone{Base: Base{Self: "/phone"}}).Body.String())
}

// TestPhonePageIsSafeAndWhole holds the app's page to what all pages keep to.
func TestPhonePageIsSafeAndWhole(t *testing.T) {
	r := newRenderer(t)
	sprite, err := staticFiles.ReadFile(phoneFolder + "/icons.svg")
	if err != nil {
		t.Fatal(err)
	}
	css := styleSheet(t)
	own, err := staticFiles.ReadFile(phoneFolder + "/phone.css")
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range languages {
		ids := map[string]int{}
		for _, e := range phonePage(t, r, lang) {
			if e.name == "style" || e.has("style") || e.name == "script" && strings.TrimSpace(e.text) != "" {
				t.Errorf("inline <%s>", e.name)
			}
			for name := range e.attrs {
				if strings.HasPrefix(name, "on") {
					t.Errorf("handler %s in <%s>", name, e.name)
				}
			}
			if id := e.attrs["id"]; id != "" {
				ids[id]++
			}
			if _, icon, found := strings.Cut(e.attrs["href"], "phone/"); e.name == "use" && found {
				_, icon, _ = strings.Cut(icon, "#")
				if !strings.Contains(string(sprite), `id="`+icon+`"`) {
					t.Errorf("no icon %q", icon)
				}
			}
			for class := range strings.FieldsSeq(e.attrs["class"]) {
				if !regexp.MustCompile(`\.`+regexp.QuoteMeta(class)+`\b`).MatchString(css+string(own)) && class != "page-s" {
					t.Errorf("no rule for the class %s", class)
				}
			}
		}
		for id, n := range ids {
			if n > 1 {
				t.Errorf("%d elements are called %s", n, id)
			}
		}
	}
}

// TestPhoneScriptsFindWhatTheyName keeps the scripts and the page together:
// every screen, word, action and element that a script names is there.
func TestPhoneScriptsFindWhatTheyName(t *testing.T) {
	r := newRenderer(t)
	have := map[string]bool{}
	for _, e := range phonePage(t, r, Chinese) {
		for _, name := range []string{"id", "data-screen", "data-word", "data-do"} {
			if e.has(name) {
				have[name+" "+e.attrs[name]] = true
			}
		}
	}
	named := map[string]*regexp.Regexp{
		"data-screen": regexp.MustCompile(`\b(?:show|screen)\('([a-z_-]+)'`),
		"data-word":   regexp.MustCompile(`\btext\('([a-z_.]+[a-z_])'`),
		"id":          regexp.MustCompile(`getElementById\('([a-z0-9-]+[a-z0-9])'\)`),
	}
	problems := regexp.MustCompile(`\bproblem\('([a-z_]+)'`)
	actions := regexp.MustCompile(`\bon\('([a-z-]+)'`)
	done := map[string]bool{}
	names, err := fs.Glob(staticFiles, phoneFolder+"/*.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		source, err := staticFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for kind, pattern := range named {
			for _, m := range pattern.FindAllStringSubmatch(string(source), -1) {
				if !have[kind+" "+m[1]] {
					t.Errorf("%s: the page has no %s %q", name, kind, m[1])
				}
			}
		}
		for _, m := range problems.FindAllStringSubmatch(string(source), -1) {
			if !have["data-screen problem-"+m[1]] {
				t.Errorf("%s: no screen for the problem %q", name, m[1])
			}
		}
		for _, m := range actions.FindAllStringSubmatch(string(source), -1) {
			done[m[1]] = true
		}
	}
	for name := range have {
		if action, found := strings.CutPrefix(name, "data-do "); found && !done[action] {
			t.Errorf("no script does %q", action)
		}
	}
}

// TestPhoneWorkerKeepsTheApp looks at what is there without the network.
func TestPhoneWorkerKeepsTheApp(t *testing.T) {
	r := newRenderer(t)
	worker := string(r.PhoneWorker())
	for _, name := range []string{"app.css", "phone/main.js", "phone/qr/decode.js", "phone/qr/index.js", "phone/phone.css", "phone/icons.svg"} {
		if r.assets.paths[name] == "" || !strings.Contains(worker, `"`+r.assets.paths[name]+`"`) {
			t.Errorf("%s is not kept", name)
		}
	}
	for _, e := range phonePage(t, r, English) {
		address, _, _ := strings.Cut(e.attrs["href"]+e.attrs["src"], "#")
		if strings.HasPrefix(address, "/static/") && !strings.Contains(worker, `"`+address+`"`) {
			t.Errorf("the page needs %s, which is not kept", address)
		}
	}
	if worker != string(r.PhoneWorker()) {
		t.Error("the worker changes by itself")
	}
}
