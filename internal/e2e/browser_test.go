package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"taipeion.internal/idp/internal/testenv"
)

// browser is the one Chromium that stories share; each has a profile of its own
// in it.
var browser struct {
	once sync.Once
	ctx  context.Context
	stop func()
	err  error
}

// tab is a tab of a real browser. What goes wrong in it unseen (scripts, the
// content security policy, dialogs) is kept in faults.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	faults []string
}

func startChromium(t *testing.T, extra map[string]any) (context.Context, func(), error) {
	t.Helper()
	path, flags := testenv.Chromium(t)
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.WindowSize(1280, 900), chromedp.Flag("accept-lang", "zh-TW")}
	for name, value := range flags {
		options = append(options, chromedp.Flag(name, value))
	}
	for name, value := range extra {
		options = append(options, chromedp.Flag(name, value))
	}
	allocated, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stopBrowser := chromedp.NewContext(allocated, chromedp.WithErrorf(func(string, ...any) {}))
	stop := func() {
		stopBrowser()
		stopAllocator()
	}
	return ctx, stop, chromedp.Do(ctx)
}

// newTab opens a tab in a new profile of the shared browser.
func newTab(t *testing.T) *tab {
	t.Helper()
	browser.once.Do(func() { browser.ctx, browser.stop, browser.err = startChromium(t, nil) })
	if browser.ctx == nil {
		testenv.Chromium(t) // says what is missing
	}
	if browser.err != nil {
		t.Fatal(browser.err)
	}
	return tabIn(t, browser.ctx)
}

func tabIn(t *testing.T, parent context.Context) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	b := &tab{t: t}
	b.ctx = ctx
	t.Cleanup(func() {
		if t.Failed() {
			b.picture("failed")
		}
		cancel()
	})
	b.listen()
	return b
}

// listen keeps what the tab complains of, and closes dialogs.
func (b *tab) listen() {
	b.t.Helper()
	err := chromedp.Listen(b.ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.fault("script: " + e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			security := e.Entry.Source == log.EntrySourceSecurity || e.Entry.Source == log.EntrySourceViolation
			if e.Entry.Level == log.EntryLevelError && (security || strings.Contains(e.Entry.Text, "Content Security Policy")) {
				b.fault("console: " + e.Entry.Text)
			}
		case *page.EventJavascriptDialogOpening:
			b.fault("dialog: " + e.Message)
			go func() {
				_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{})
			}()
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, log.Enable, cdp.Empty{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) fault(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, text)
}

// quiet fails the test if something went wrong unseen.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.t.Errorf("in the browser: %s", f)
	}
	b.faults = nil
}

const patience = 20 * time.Second

func (b *tab) try(actions ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := b.try(actions...); err != nil {
		b.t.Fatalf("in the browser, at %s: %v\n%.2000s", b.where(), err, b.source())
	}
}

func (b *tab) open(address string) { b.t.Helper(); b.run(chromedp.Navigate(address)) }

func (b *tab) click(selector chromedp.CSS) {
	b.t.Helper()
	b.run(chromedp.Click(selector, chromedp.NodeVisible))
}

func (b *tab) fill(selector chromedp.CSS, text string) {
	b.t.Helper()
	b.see(selector)
	eval[bool](b, fmt.Sprintf(`(document.querySelector(%q).value = "", true)`, string(selector)))
	b.run(chromedp.SendKeys(selector, text, chromedp.NodeVisible))
}

func (b *tab) see(selector chromedp.CSS) {
	b.t.Helper()
	b.run(chromedp.WaitVisible(selector))
}

// text of the element, or empty if there is none.
func (b *tab) text(selector chromedp.CSS) string {
	b.t.Helper()
	return strings.TrimSpace(eval[string](b, fmt.Sprintf(`(document.querySelector(%q)||{}).textContent||""`, string(selector))))
}

func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("in the browser, at %s: %v", b.where(), err)
	}
	return value
}

func (b *tab) where() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	address, _ := chromedp.Run(ctx, chromedp.Location())
	return address
}

func (b *tab) source() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ""`))
	return text
}

// until waits for an address with the prefix.
func (b *tab) until(prefix string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(30 * time.Millisecond) {
		if strings.HasPrefix(b.where(), prefix) {
			b.run(chromedp.WaitReady(chromedp.CSS("body")))
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the browser is at %s, want %s\n%.2000s", b.where(), prefix, b.source())
		}
	}
}

// untilText waits until the element says that.
func (b *tab) untilText(selector chromedp.CSS, want string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if strings.Contains(b.text(selector), want) {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s says %q, want %q\n%.2000s", selector, b.text(selector), want, b.source())
		}
	}
}

// popup does something that opens a window, and returns that window.
func (b *tab) popup(open func()) *tab {
	b.t.Helper()
	opened := chromedp.WaitNewTarget(b.ctx, func(info *target.Info) bool { return info.Type == "page" })
	open()
	select {
	case id := <-opened:
		ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
		b.t.Cleanup(cancel)
		p := &tab{t: b.t, ctx: ctx}
		p.listen()
		return p
	case <-time.After(patience):
		b.t.Fatal("no window opens")
		return nil
	}
}

// picture keeps what the tab shows in the folder that E2E_PICTURES names.
func (b *tab) picture(name string) {
	dir := os.Getenv("E2E_PICTURES")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		return
	}
	name = strings.NewReplacer("/", "-", " ", "-").Replace(b.t.Name() + "-" + name + ".png")
	_ = os.WriteFile(filepath.Join(dir, name), png, 0o644)
}

// leave does something that leads to another page, and waits for that page.
func (b *tab) leave(by func()) {
	b.t.Helper()
	eval[bool](b, "window.staying = true")
	by()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
		gone, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`!window.staying && document.readyState === "complete"`))
		cancel()
		if err == nil && gone {
			return
		}
	}
	b.t.Fatalf("the browser stays at %s\n%.2000s", b.where(), b.source())
}

// loginByPassword fills in the login page that the tab is at.
func (b *tab) loginByPassword(m member) {
	b.t.Helper()
	b.fill("#account", m.Account)
	b.fill("#password", m.Password)
	b.leave(func() { b.click(`form[action="/login/password"] button.main`) })
}
