package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// get requests a page with these cookies, and returns where it leads to.
func (w *worker) get(path, cookies string) (to string, err error) {
	req, err := http.NewRequest(http.MethodGet, w.base+path, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Cookie", cookies)
	resp, body, err := w.do(req)
	if err != nil {
		return "", err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return "", fmt.Errorf("%s: %d %.200s", path, resp.StatusCode, body)
	}
	return resp.Header.Get("Location"), nil
}

const codeText = `id="qr-text">`

// codeOf loads the page and reads the code in it.
func (w *worker) codeOf(p *waiter) (string, error) {
	req, err := http.NewRequest(http.MethodGet, w.base+"/login/qr?flow="+p.flow, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Cookie", p.cookie)
	resp, body, err := w.do(req)
	if err != nil {
		return "", err
	}
	_, found, _ := bytes.Cut(body, []byte(codeText))
	code, _, ok := bytes.Cut(found, []byte("<"))
	if !ok {
		return "", fmt.Errorf("no code in the page: %d %.200s", resp.StatusCode, body)
	}
	return string(code), nil
}

// look asks how the page's login stands.
func (w *worker) look(p *waiter) (t told, err error) {
	req, err := http.NewRequest(http.MethodGet, w.base+"/login/qr/state?flow="+p.flow, nil)
	if err != nil {
		return t, err
	}
	req.Header.Set("Cookie", p.cookie)
	resp, body, err := w.do(req)
	if err != nil {
		return t, err
	}
	if resp.StatusCode != http.StatusOK {
		return t, fmt.Errorf("state: %d %s", resp.StatusCode, body)
	}
	return t, json.Unmarshal(body, &t)
}

func at(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)*percent/100, len(sorted)-1)]
}

func (r *phoneReport) markdown() string {
	var out strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	p("\n## Logging in by phone\n")
	p("%d login pages wait over plain HTTP on one node, each with its events open; their codes rotate, %.1f times a minute.", r.pages, r.rotated)
	p("The time of a login is from the phone's sending its approval (signature and authenticator) to the browser's 303.\n")
	p("| what | measured | asked for |\n| --- | ---: | ---: |")
	if r.pages > 0 {
		p("| resident memory of the node with them | %.0f MB (%.1f KB a page) | %s |", r.memory, r.each, asked("under 500 MB", r.memory < 500))
		p("| processor time while they wait | %.1f %% of a core | %s |", 100*r.cpu, asked("at most 25 %", r.cpu <= .25))
		p("| pages that lost their events | %d | %s |", r.lost, asked("0", r.lost == 0))
	}
	p99 := func(d []time.Duration) string {
		return asked("under 200 ms", len(d) > 0 && at(d, 99) < 200*time.Millisecond)
	}
	p("| approval to the browser on its way, p50, one node with them | %.1f ms | |", ms(at(r.one, 50)))
	p("| p99 | %.1f ms | %s |", ms(at(r.one, 99)), p99(r.one))
	p("| the same, p50, the pages on another node, PostgreSQL | %.1f ms | |", ms(at(r.two, 50)))
	p("| p99 | %.1f ms | %s |", ms(at(r.two, 99)), p99(r.two))
	p("\nWhole logins of a browser that polls, from the authorization request to the code, beside their bare cost: the same seven")
	p("requests to a bare net/http server (`internal/bench/phonefloor`), which makes the three ECDSA verifications and the product's own")
	p("durable statements with the conditions in them, thirteen in five transactions, by the product's own store; it reads nothing else and")
	p("draws nothing. What the store itself costs stands on both sides: the rates beside it are what judges that.\n")
	p("| store | workers | logins /s | bare /s | ratio | asked for | p99 ms | CPU ms | errors |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, x := range r.rates {
		p("| %s | %d | %.0f | %.0f | %.2f | %s | %.1f | %.2f | %s |", engineNames[x.on.engine], x.workers, x.rate(), x.of(), x.ratio(), asked("0.50", x.ratio() >= .50),
			median(x.product, func(y result) float64 { return ms(y.p99) }), median(x.product, func(y result) float64 { return ms(y.cpu) }), asked(strconv.Itoa(x.errors()), x.errors() == 0))
	}
	return out.String()
}
