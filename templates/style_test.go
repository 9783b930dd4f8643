package templates

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func styleSheet(t *testing.T) string {
	t.Helper()
	data, err := staticFiles.ReadFile("static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// themes reads the colour tokens of the light and of the dark theme.
func themes(t *testing.T) map[string]map[string]string {
	t.Helper()
	token := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\n\s*\}`).FindAllStringSubmatch(styleSheet(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of tokens", len(blocks))
	}
	out := map[string]map[string]string{}
	for i, name := range []string{"light", "dark"} {
		out[name] = map[string]string{}
		for _, m := range token.FindAllStringSubmatch(blocks[i][1], -1) {
			out[name][m[1]] = m[2]
		}
	}
	if len(out["light"]) != len(out["dark"]) {
		t.Errorf("light has %d colours, dark %d", len(out["light"]), len(out["dark"]))
	}
	return out
}

// luminance is the relative luminance of WCAG 2.2.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// TestContrast measures every pair of text and ground that the style sheet
// makes: 4.5 to 1; borders of fields and icons: 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11).
func TestContrast(t *testing.T) {
	text := map[string][]string{
		"paper":        {"ink", "muted", "accent", "accent-hover"},
		"card":         {"ink", "muted", "accent", "accent-hover", "danger", "warning", "success"},
		"accent-tint":  {"ink", "muted", "accent"},
		"danger-tint":  {"ink", "muted", "danger", "accent"},
		"warning-tint": {"ink", "muted", "warning", "accent"},
		"success-tint": {"ink", "muted", "success"},
		"accent":       {"on-accent"},
		"accent-hover": {"on-accent"},
	}
	shapes := map[string][]string{"card": {"edge", "accent"}, "paper": {"edge", "accent"}}
	for theme, colours := range themes(t) {
		check := func(pairs map[string][]string, least float64) {
			for ground, fronts := range pairs {
				for _, front := range fronts {
					if colours[front] == "" || colours[ground] == "" {
						t.Fatalf("%s: no colour %s or %s", theme, front, ground)
					}
					if got := contrast(t, colours[front], colours[ground]); got < least {
						t.Errorf("%s: %s on %s is %.2f to 1, less than %.1f", theme, front, ground, got, least)
					}
				}
			}
		}
		check(text, 4.5)
		check(shapes, 3)
	}
}

// TestTokensAlone: below the tokens nothing names a colour or a size.
func TestTokensAlone(t *testing.T) {
	css := styleSheet(t)
	_, rules, found := strings.Cut(css, "/* Ground */")
	if !found {
		t.Fatal("the tokens have no end")
	}
	for i, line := range strings.Split(rules, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "@media") {
			continue // a media query can't read a token
		}
		if m := regexp.MustCompile(`#[0-9a-fA-F]{3,8}\b|rgba?\(|hsl|\b[0-9.]+(px|rem|ms)\b`).FindString(line); m != "" {
			t.Errorf("rule line %d names %s: %s", i, m, strings.TrimSpace(line))
		}
		for _, name := range regexp.MustCompile(`var\(--([a-z0-9-]+)\)`).FindAllStringSubmatch(line, -1) {
			if !strings.Contains(css, "--"+name[1]+": ") {
				t.Errorf("no token %s", name[1])
			}
		}
	}
	if strings.Contains(css, "@import") || strings.Contains(css, "url(") || strings.Contains(css, "@font-face") {
		t.Error("the style sheet fetches something")
	}
}

// TestLoginPageIsSmall sums what a browser fetches for the login page.
func TestLoginPageIsSmall(t *testing.T) {
	const limit = 50_000
	r := newRenderer(t)
	for _, tab := range []string{TabPassword, TabCard, TabQR} {
		for _, lang := range languages {
			body := show(t, r, "/login?lang="+lang, Login{Flow: strings.Repeat("f", 43), Tab: tab, System: "公文系統",
				AgentOrigin: "http://localhost:61180", Reason: "wrong"}).Body.String()
			sum, fetched := len(body), map[string]bool{}
			for _, e := range tags(t, tab, body) {
				address, _, _ := strings.Cut(e.attrs["href"]+e.attrs["src"], "#")
				if f, ok := r.assets.files[address]; ok && !fetched[address] {
					fetched[address] = true
					sum += len(f.plain)
				}
			}
			if sum >= limit || len(fetched) < 4 {
				t.Errorf("%s in %s: %d bytes in %d files", tab, lang, sum, len(fetched)+1)
			}
		}
	}
}

// TestClassesExist keeps the pages and the style sheet together.
func TestClassesExist(t *testing.T) {
	css := styleSheet(t)
	seen := map[string]bool{}
	eachPage(t, "王小明", "https://a.example/", func(t *testing.T, name, body string) {
		for _, e := range tags(t, name, body) {
			for class := range strings.FieldsSeq(e.attrs["class"]) {
				seen[class] = true
			}
		}
	})
	for class := range seen {
		if !regexp.MustCompile(`\.`+regexp.QuoteMeta(class)+`\b`).MatchString(css) && class != "next" && class != "page-s" {
			t.Errorf("no rule for the class %s", class)
		}
	}
	for _, m := range regexp.MustCompile(`\.([a-z][a-z-]*)`).FindAllStringSubmatch(ruleText(css), -1) {
		if !seen[m[1]] {
			t.Errorf("no page uses the class %s", m[1])
		}
	}
}

// ruleText is the selectors alone.
func ruleText(css string) string {
	_, rules, _ := strings.Cut(css, "/* Ground */")
	return fmt.Sprint(regexp.MustCompile(`(?s)\{[^{}]*\}|/\*.*?\*/`).ReplaceAllString(rules, " "))
}
