package main

import (
	"fmt"
	"io"
	"os"
	gosync "sync"
	"time"
)

// progress shows on the terminal what is done: one line that is written over,
// or, where it is no terminal, a line now and then.
type progress struct {
	mu       gosync.Mutex
	out      io.Writer
	terminal bool
	started  time.Time
	last     time.Time
	step     string
	open     bool // a line is to be ended
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, started: time.Now()}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

func (p *progress) tell(step string, done, of int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pause := 5 * time.Second
	if p.terminal {
		pause = 100 * time.Millisecond
	}
	now := time.Now()
	if step == p.step && (done != of || of == 0) && now.Sub(p.last) < pause {
		return
	}
	// The end of a step is told once.
	if step == p.step && done == of && !p.terminal && now.Sub(p.last) < pause/5 {
		return
	}
	p.last, p.step = now, step
	text := fmt.Sprintf("%6.1fs  %s", now.Sub(p.started).Seconds(), step)
	if of > 0 {
		text += fmt.Sprintf("  %d of %d (%d %%)", done, of, done*100/of)
	} else if done > 0 { // nobody knows yet of how many
		text += fmt.Sprintf("  %d", done)
	}
	if !p.terminal {
		fmt.Fprintln(p.out, text)
		return
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s", text)
	p.open = true
}

// end leaves the last line as it is.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open {
		fmt.Fprintln(p.out)
		p.open = false
	}
}
