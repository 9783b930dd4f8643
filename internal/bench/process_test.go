package bench

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// usage is what a server used up so far.
type usage struct {
	cpu                         time.Duration
	reads, writes, transactions float64
}

func (t *target) usage() (usage, error) {
	var u usage
	for _, pid := range t.pids {
		cpu, err := cpuOf(pid)
		if err != nil {
			return u, err
		}
		u.cpu += cpu
	}
	if t.metrics == "" {
		return u, nil
	}
	resp, err := http.Get(t.metrics)
	if err != nil {
		return u, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch name {
		case metricReads:
			u.reads = n
		case metricWrites:
			u.writes = n
		case metricTransactions:
			u.transactions = n
		}
	}
	return u, lines.Err()
}

// cpuOf is the processor time that a process used, by Linux's own count of
// clock ticks (100 in a second).
func cpuOf(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("/proc: too few fields")
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}

// calm waits until the server does nothing by itself any more: on a new folder it
// goes on making keys for some seconds.
func (t *target) calm(b testing.TB) {
	b.Helper()
	const idle, most = 10 * time.Millisecond, time.Minute
	for begun := time.Now(); time.Since(begun) < most; {
		before, err := cpuOf(t.pids[0])
		if err != nil {
			b.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		after, err := cpuOf(t.pids[0])
		if err != nil {
			b.Fatal(err)
		}
		if after-before <= idle {
			return
		}
	}
	b.Errorf("the server is still busy %v after its start", most)
}

// memoryOf is the resident memory of a process in MB (10^6 bytes).
func memoryOf(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib * 1024 / 1e6, err
		}
	}
	return 0, errors.New("/proc: no VmRSS")
}

// build compiles a command of this module into the test's folder.
func build(t testing.TB, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(pkg))
	command := exec.Command("go", "build", "-trimpath", "-o", out, pkg)
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		t.Fatalf("build %s: %v", pkg, err)
	}
	return out
}

// startFloor starts a floor; it ends when the test does.
func startFloor(t testing.TB, binary string, args ...string) *target {
	t.Helper()
	command := exec.Command(binary, args...)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()
		_ = command.Wait()
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("the floor did not start: %v", err)
	}
	return &target{base: strings.TrimSpace(line), floor: true, pids: []int{command.Process.Pid}}
}

// answers tells whether the address answers 200.
func answers(address string) bool {
	resp, err := http.Get(address)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

// The names under which the product's metrics count what its store did.
const (
	metricReads        = "idp_store_reads_total"
	metricWrites       = "idp_store_writes_total"
	metricTransactions = "idp_store_transactions_total"
)
