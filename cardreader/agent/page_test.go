package agent

import (
	"bytes"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"taipeion.internal/idp/cardreader/pkcs11"
)

func TestWordsAreComplete(t *testing.T) {
	script, err := os.ReadFile("window/window.js")
	if err != nil {
		t.Fatal(err)
	}
	markup, err := os.ReadFile("window/window.html")
	if err != nil {
		t.Fatal(err)
	}
	needed := map[string]bool{}
	for _, m := range regexp.MustCompile(`words\.([a-z_]+)|word\("([a-z_]+)"\)|finish\("([a-z_]+)"\)`).FindAllStringSubmatch(string(script), -1) {
		needed[m[1]+m[2]+m[3]] = true
	}
	for _, m := range regexp.MustCompile(`\.W\.([a-z_]+)`).FindAllStringSubmatch(string(markup), -1) {
		needed[m[1]] = true
	}
	for _, code := range []pkcs11.Kind{
		pkcs11.KindNoComponent, pkcs11.KindNoReader, pkcs11.KindNoCard, pkcs11.KindForeign, pkcs11.KindWrongPIN, pkcs11.KindPINFormat,
		pkcs11.KindBlocked, pkcs11.KindRemoved, pkcs11.KindCancelled, pkcs11.KindHung, pkcs11.KindFailed, kindCrashed,
		codeRefused, codeExpired, codeUsed, codeBusy, codeBad,
	} {
		needed[string(code)] = true
	}
	for _, lang := range languages {
		for key := range needed {
			if words[lang][key] == "" {
				t.Errorf("%s has no word for %q", lang, key)
			}
		}
		for key := range words[lang] {
			if !needed[key] {
				t.Errorf("%s: %q is used nowhere", lang, key)
			}
		}
	}
}

func TestWindowHasNoInlineCode(t *testing.T) {
	markup, err := os.ReadFile("window/window.html")
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`(?i)\son[a-z]+=|style=|javascript:|<style`).Find(markup); found != nil {
		t.Errorf("inline code: %q", found)
	}
	for _, name := range []string{"window/window.js", "../../templates/static/card.js"} {
		script, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"innerHTML", "eval(", "document.write", `"*"`, "'*'", "localStorage", "sessionStorage", "console."} {
			if bytes.Contains(script, []byte(bad)) {
				t.Errorf("%s has %s", name, bad)
			}
		}
	}
}

func TestLanguage(t *testing.T) {
	for _, c := range []struct{ query, header, want string }{
		{"", "", "zh-Hant"}, {"", "en-US,en;q=0.9", "en"}, {"", "zh-TW,zh;q=0.9,en;q=0.8", "zh-Hant"}, {"", "de", "zh-Hant"},
		{"?lang=en", "zh-TW", "en"}, {"?lang=zh-Hant", "en", "zh-Hant"}, {"?lang=xx", "en", "en"},
	} {
		r := httptest.NewRequest("GET", "/window"+c.query, nil)
		r.Header.Set("Accept-Language", c.header)
		if got := language(r); got != c.want {
			t.Errorf("%q %q: got %s, want %s", c.query, c.header, got, c.want)
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"王大明": "王大明", "a\u202eb\x00\n": "ab", "  x ": "x", strings.Repeat("字", 99): strings.Repeat("字", 60) + "…",
	} {
		if got := plain(in); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	if err := writeFrame(&b, moduleRequest{Op: opSign, Data: []byte("x")}, []byte("1234")); err != nil {
		t.Fatal(err)
	}
	whole := bytes.Clone(b.Bytes())
	var r moduleRequest
	if secret, err := readFrame(&b, &r); err != nil || string(secret) != "1234" || r.Op != opSign {
		t.Errorf("got %q, %+v, %v", secret, r, err)
	}
	for n := range whole {
		if _, err := readFrame(bytes.NewReader(whole[:n]), &r); err == nil {
			t.Errorf("%d of %d bytes were enough", n, len(whole))
		}
	}
	for _, bad := range []string{"\xff\xff\xff\xff\x00\x00", "\x00\x00\x00\x02\xff\xff{}", "\x00\x00\x00\x02\x00\x00{]"} {
		if _, err := readFrame(strings.NewReader(bad), &r); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if err := writeFrame(&b, moduleRequest{}, make([]byte, maxSecret+1)); err == nil {
		t.Error("a long secret was sent")
	}
}
