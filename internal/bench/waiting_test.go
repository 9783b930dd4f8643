package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// told is what a waiting page hears.
type told struct {
	State  string `json:"state"`
	Link   string `json:"link"`
	Number string `json:"number"`
}

// waiter is a login page that waits for a phone, with its browser's cookie.
type waiter struct {
	base, flow, cookie string
	conn               net.Conn
	lines              *bufio.Reader
}

// openPage begins a login in a browser of its own.
func (w *worker) openPage() (*waiter, error) {
	req, err := http.NewRequest(http.MethodGet, w.authorizeURL("openid", randomText(), randomText(), randomText()), nil)
	if err != nil {
		return nil, err
	}
	resp, _, err := w.do(req)
	if err != nil {
		return nil, err
	}
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		return nil, err
	}
	p := &waiter{base: w.base, flow: to.Query().Get("flow")}
	for _, c := range resp.Cookies() {
		if strings.HasSuffix(c.Name, "idp-flow") {
			p.cookie = c.Name + "=" + c.Value
		}
	}
	if p.flow == "" || p.cookie == "" {
		return nil, fmt.Errorf("no login begins: %d to %q", resp.StatusCode, to)
	}
	return p, nil
}

// listen opens the page's events, by a bare connection: ten thousand clients of
// net/http would take more than the server.
func (p *waiter) listen() (err error) {
	host := strings.TrimPrefix(p.base, "http://")
	if p.conn, err = net.Dial("tcp", host); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.conn, "GET /login/qr/events?flow=%s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nAccept: text/event-stream\r\n\r\n", p.flow, host, p.cookie)
	p.lines = bufio.NewReaderSize(p.conn, 2048)
	return err
}

// next is what the page hears next.
func (p *waiter) next() (t told, err error) {
	for {
		line, err := p.lines.ReadString('\n')
		if err != nil {
			return t, err
		}
		if strings.HasPrefix(line, "HTTP/1.1 ") && !strings.HasPrefix(line, "HTTP/1.1 200") {
			return t, errors.New(strings.TrimSpace(line))
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			return t, json.Unmarshal([]byte(data), &t)
		}
	}
}

func (p *waiter) hears(state string) (told, error) {
	for {
		t, err := p.next()
		if err != nil {
			return t, fmt.Errorf("waiting for %s: %w", state, err)
		}
		if t.State == state {
			return t, nil
		}
		if t.State != "waiting" {
			return t, fmt.Errorf("%s instead of %s", t.State, state)
		}
	}
}

// enter goes on after the approval, and returns where to.
func (p *waiter) enter(client *http.Client) (to, cookies string, err error) {
	req, err := http.NewRequest(http.MethodPost, p.base+"/login/qr", strings.NewReader(url.Values{"flow": {p.flow}}.Encode()))
	if err != nil {
		return "", "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Cookie", p.cookie)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	w := worker{client: client}
	resp, body, err := w.do(req)
	if err != nil {
		return "", "", err
	}
	cookies = p.cookie
	for _, c := range resp.Cookies() {
		cookies += "; " + c.Name + "=" + c.Value
	}
	if to = resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/oauth2/authorize?flow=") {
		return "", "", fmt.Errorf("not let in: %d to %q: %.200s", resp.StatusCode, to, body)
	}
	return to, cookies, nil
}

// crowd are many pages that wait.
type crowd struct {
	pages  []*waiter
	events atomic.Int64 // heard by all of them
	lost   atomic.Int64 // pages whose events ended
	quiet  sync.WaitGroup
	leave  atomic.Bool
}

// gather opens n waiting pages of the server.
func gather(t *target, at string, n int) (*crowd, error) {
	c := &crowd{}
	errs := make(chan error, 32)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range cap(errs) {
		wg.Go(func() {
			w := newWorker(t)
			for range (n + i) / cap(errs) {
				p, err := w.openPage()
				if err == nil {
					p.base = at
					err = p.listen()
				}
				if err != nil {
					errs <- err
					return
				}
				mu.Lock()
				c.pages = append(c.pages, p)
				mu.Unlock()
				c.quiet.Go(func() { c.hear(p) })
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		c.end()
		return nil, err
	default:
	}
	for end := time.Now().Add(time.Minute); c.events.Load() < int64(len(c.pages)); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			c.end()
			return nil, fmt.Errorf("only %d of %d pages heard anything", c.events.Load(), len(c.pages))
		}
	}
	return c, nil
}

func (c *crowd) hear(p *waiter) {
	for {
		if _, err := p.next(); err != nil {
			if !c.leave.Load() && !errors.Is(err, io.ErrClosedPipe) {
				c.lost.Add(1)
			}
			return
		}
		c.events.Add(1)
	}
}

func (c *crowd) end() {
	c.leave.Store(true)
	for _, p := range c.pages {
		_ = p.conn.Close()
	}
	c.quiet.Wait()
}
