package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

// Pages that the start touched and nobody needs again are given back after
// this.
const settleTime = 5 * time.Second

// releaseMemory gives back, once the start is over, what only the start
// needed: the heap's free pages, and those pages of the program file that
// initialising every package brought in. The kernel reads the few that are
// used again. A program that was just linked lies in the page cache in large
// pieces, and Linux 6.18 maps each of them whole for one byte of it: so they
// leave that, too, where the program is ours and nobody else runs it.
func releaseMemory(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(settleTime):
	}
	debug.FreeOSMemory()
	if program, err := os.Open("/proc/self/exe"); err == nil {
		_ = program.Sync() // what is not on disk yet can't leave
		program.Close()
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer maps.Close()
	var m mapping
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		m.read(lines.Text())
	}
}

// madvPageout is MADV_PAGEOUT (madvise(2), since Linux 5.4).
const madvPageout = 21

// mapping is one entry of smaps (proc_pid_smaps(5)).
type mapping struct {
	start, end uintptr
	clean      bool // of a file, and not to be written to
}

func (m *mapping) read(line string) {
	var perms string
	var start, end uintptr
	if n, _ := fmt.Sscanf(line, "%x-%x %s", &start, &end, &perms); n == 3 {
		*m = mapping{start, end, strings.Contains(line, " /") && (perms == "r-xp" || perms == "r--p")}
		return
	}
	// A page that was written to, by the linker, is in no file: it must stay.
	if name, value, _ := strings.Cut(line, ":"); name == "Anonymous" && strings.TrimSpace(value) == "0 kB" && m.clean {
		for _, advice := range []uintptr{madvPageout, syscall.MADV_DONTNEED} {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, m.start, m.end-m.start, advice)
		}
	}
}
