package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// TestPhone_EveryScreenIsAccessible shows every screen of the app, with a long
// name, in the light and the dark and in both languages, and lets axe look.
func TestPhone_EveryScreenIsAccessible(t *testing.T) {
	w := theCity(t)
	p := newPhone(t, w)
	script, err := os.ReadFile("testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range []string{"zh-Hant", "en"} {
		p.open(w.Issuer + "/phone?lang=" + lang)
		p.at("home")
		eval[bool](p.tab, string(script)+";true")
		fillScreens(p)
		for _, screen := range eval[[]string](p.tab, `[...document.querySelectorAll("[data-screen]")].map(s => s.dataset.screen)`) {
			eval[bool](p.tab, `(() => { for (const s of document.querySelectorAll("[data-screen]")) { s.hidden = s.dataset.screen !== "`+screen+`"; } return true; })()`)
			for _, scheme := range []string{"light", "dark"} {
				_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
				})
				if err != nil {
					t.Fatal(err)
				}
				var found []string
				raw := eval[string](p.tab, `axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(
					r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.map(n => n.html.slice(0, 160)).join(" | "))))`)
				if err := json.Unmarshal([]byte(raw), &found); err != nil {
					t.Fatal(err)
				}
				for _, violation := range found {
					t.Errorf("%s, %s, %s: %s", screen, lang, scheme, violation)
				}
				p.picture(lang + "-" + screen + "-" + scheme)
			}
			if wide := eval[int](p.tab, "document.scrollingElement.scrollWidth"); wide > 360 {
				t.Errorf("%s in %s is %d pixels wide on a phone of 360", screen, lang, wide)
			}
		}
	}
	p.quiet()
}

// fillScreens puts into every screen what the scripts would.
func fillScreens(p *handset) {
	p.t.Helper()
	eval[bool](p.tab, `(() => {
		const values = { person: "歐陽上官令狐某某", agency: "臺北市政府資訊局系統發展組", system: "公文線上簽核暨檔案管理系統", browser: "Chrome · Windows",
			place: "市府網路", clock: "08:42", day: "2026/11/21", left: "還有 110 秒", name: "我的 Android 手機", ends: "2027/12/02 06:40",
			bound: "2026/11/21 08:42", presence: "PIN", host: location.host, time: "2026/11/21 08:42", seen: "Windows 上的 Chrome · 市府網路", result: "已確認" };
		const fill = (root) => { for (const e of root.querySelectorAll("[data-fill]")) { if (values[e.dataset.fill]) { e.textContent = values[e.dataset.fill]; } } };
		fill(document);
		for (const [row, list] of [["account", "[data-accounts]"], ["log", "[data-log]"]]) {
			for (const place of document.querySelectorAll(list)) {
				const item = document.getElementById("row-" + row).content.firstElementChild.cloneNode(true);
				fill(item);
				place.append(item);
			}
		}
		for (const hidden of document.querySelectorAll("[data-screen] [hidden]:not([data-no-camera]):not([data-empty]):not([data-platform])")) { hidden.hidden = false; }
		for (const said of document.querySelectorAll("[data-message]")) { said.textContent = "PIN 碼錯誤，這次登入還在，請再輸入。"; }
		document.querySelector("[data-digits]").textContent = "546 010";
		return true;
	})()`)
}

// TestPhone_OpensWithoutTheNetwork takes the server away and opens the app
// again: everything is there but the act.
func TestPhone_OpensWithoutTheNetwork(t *testing.T) {
	dir := t.TempDir()
	w, stop, err := startDemo(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { stop() }()
	m := w.somebody(t, "bound")
	p := newPhone(t, w)
	p.bind(w, m)
	for deadline := time.Now().Add(patience); !eval[bool](p.tab, `!!navigator.serviceWorker.controller`); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the worker does not take the page over")
		}
	}
	stop()
	stop = func() {}
	p.offline(true)
	p.open(w.Issuer + "/phone")
	p.at("home")
	p.see("[data-offline]")
	if accounts := p.text(`[data-screen="home"] [data-accounts]`); !strings.Contains(accounts, m.Name) {
		t.Errorf("the accounts are gone: %q", accounts)
	}
	p.picture("home")
	p.click(`[data-do="history"]`)
	p.at("history")
	p.click(`[data-screen="history"] [data-do="home"]`)
	p.at("home")
	p.click(`[data-do="type"]`)
	p.fill("#code", strings.Repeat("A", 100))
	p.click("#type-form button.main")
	p.at("problem-offline")
	p.picture("act")

	if _, stop, err = startDemo(dir); err != nil {
		t.Fatal(err)
	}
	p.offline(false)
	p.click(`[data-screen="problem-offline"] [data-do="retry"]`)
	p.at("problem-code_over")
	pc := newTab(t)
	pc.toQR(w, "documents")
	p.scan2(pc)
	p.at("approve")
	p.enter(pc.number())
	p.at("approved")
	pc.until(w.system("documents") + "/")
}

// offline tells the page what a phone without a network would.
func (p *handset) offline(yes bool) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: yes, DownloadThroughput: -1, UploadThroughput: -1})
	if err != nil {
		p.t.Fatal(err)
	}
}

// TestPhone_KeyCanNotBeTakenOut asks the browser for the key's bytes.
func TestPhone_KeyCanNotBeTakenOut(t *testing.T) {
	w := theCity(t)
	p := newPhone(t, w)
	p.bind(w, owner(t, w, 0))
	said := eval[string](p.tab, `new Promise((resolve, reject) => {
		const asked = indexedDB.open("taipeion-phone");
		asked.onerror = () => reject(asked.error);
		asked.onsuccess = () => {
			const all = asked.result.transaction("accounts").objectStore("accounts").getAll();
			all.onsuccess = async () => {
				const { key } = all.result[0];
				const tries = await Promise.allSettled(["pkcs8", "jwk", "raw"].map((format) => crypto.subtle.exportKey(format, key)));
				resolve(key.extractable + " " + tries.map((t) => t.status).join(" "));
			};
		};
	})`)
	if said != "false rejected rejected rejected" {
		t.Errorf("the key: %s", said)
	}
}

// TestPhone_InTheTerminal does with "idp phone" what the app does.
func TestPhone_InTheTerminal(t *testing.T) {
	w := theCity(t)
	m := owner(t, w, 0)
	state := filepath.Join(t.TempDir(), "phone.json")
	pc := newTab(t)
	pc.toKey(w, m)
	link := eval[string](pc, `document.querySelector("a.reference[href*='/phone/bind/']").href`)

	bind := exec.Command(binary, "phone", "bind", "--json", "--state", state, "--name", "terminal")
	bind.Stdin = strings.NewReader(link + "\n" + phonePIN + "\n")
	out, err := bind.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	bind.Stderr = os.Stderr
	if err := bind.Start(); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(out)
	var shown struct {
		Digits   string `json:"digits"`
		DeviceID string `json:"device_id"`
		Person   string `json:"person"`
	}
	if err := dec.Decode(&shown); err != nil {
		t.Fatal(err)
	}
	pc.see(".six")
	if six := onlyDigits(pc.text(".six")); six != shown.Digits {
		t.Fatalf("the terminal shows %q, the computer %q", shown.Digits, six)
	}
	pc.click(`form[action="/device/bind/confirm"] button.main`)
	if err := dec.Decode(&shown); err != nil {
		t.Fatal(err)
	}
	if err := bind.Wait(); err != nil || shown.Person != m.Name || shown.DeviceID == "" {
		t.Fatalf("bound %+v: %v", shown, err)
	}
	if info, err := os.Stat(state); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state file: %v %v", info, err)
	}

	pc = newTab(t)
	pc.toQR(w, "documents")
	text := eval[string](pc, `document.getElementById("qr-text").textContent`)
	if seen := phoneCommand(t, state, text, "scan"); !strings.Contains(seen, "公文系統") {
		t.Errorf("scan: %s", seen)
	}
	phoneCommand(t, state, pc.number()+"\n"+phonePIN, "approve")
	pc.until(w.system("documents") + "/")
	if list := phoneCommand(t, state, "", "list"); !strings.Contains(list, m.Name) || !strings.Contains(list, `"active"`) {
		t.Errorf("list: %s", list)
	}

	pc = newTab(t)
	pc.toQR(w, "mail")
	phoneCommand(t, state, eval[string](pc, `document.getElementById("qr-text").textContent`), "scan")
	pc.number()
	phoneCommand(t, state, "", "deny", "--report")
	pc.see(`#qr [role="alert"]`)
}

// phoneCommand runs "idp phone" with lines of standard input.
func phoneCommand(t *testing.T, state, input string, args ...string) string {
	t.Helper()
	command := exec.Command(binary, append(append([]string{"phone"}, args...), "--json", "--state", state)...)
	command.Stdin = strings.NewReader(input + "\n")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("idp phone %v: %v\n%s", args, err, out)
	}
	return string(out)
}
