package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"taipeion.internal/idp/cardreader/pkcs11"
	"taipeion.internal/idp/internal/testenv"
)

// runAlone is an agent in a process of its own, for a look into its memory. It
// tells its port and runs until its input ends.
func runAlone() {
	var c Config
	if err := json.Unmarshal([]byte(os.Getenv("AGENT_CONFIG")), &c); err != nil {
		panic(err)
	}
	a := &Agent{Config: c, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	listeners, err := a.Listen()
	if err != nil {
		panic(err)
	}
	_, port, _ := net.SplitHostPort(listeners[0].Addr().String())
	fmt.Println(port)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if err := a.Serve(ctx, listeners); err != nil {
		panic(err)
	}
}

func TestT127_PINIsKeptNowhere(t *testing.T) {
	hsm := testenv.SoftHSM(t)
	if err := hsm.Provision([]pkcs11.SoftCard{softCard(t, 0, "王大明")}); err != nil {
		t.Fatal(err)
	}
	c, err := json.Marshal(config(hsm.Path()))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "agent-in-a-process")
	cmd.Env = append(os.Environ(), hsm.Env(), "AGENT_CONFIG="+string(c))
	log := &lockedBuffer{}
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer in.Close()
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, base: "http://localhost:" + strings.TrimSpace(port), log: log}
	window, _, p := r.prepare()
	card := p.State.Cards[0].ID
	const wrong = "502937"
	if a, _ := r.sign(window, card, wrong); a.Code != "wrong_pin" {
		t.Fatalf("wrong PIN: %+v", a)
	}
	if a, status := r.sign(window, card, pin); status != 200 {
		t.Fatalf("right PIN: %+v", a)
	}
	pid := cmd.Process.Pid
	memory := memoryOf(t, pid)
	if !bytes.Contains(memory, []byte("agent-in-a-process")) || !bytes.Contains(memory, []byte(siteOrigin)) {
		t.Fatal("the look into memory does not work")
	}
	for _, secret := range []string{pin, wrong} {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))} {
			if at := bytes.Index(memory, []byte(form)); at >= 0 {
				t.Errorf("%q is in the agent's memory: %q", form, memory[max(0, at-60):min(len(memory), at+60)])
			}
		}
		if strings.Contains(log.String(), secret) {
			t.Error("a PIN is in the log")
		}
	}
	if left := childrenOf(t, pid); len(left) != 0 {
		t.Errorf("module processes that saw a PIN still run: %v", left)
	}
}

// memoryOf is all that the process can write to.
func memoryOf(t *testing.T, pid int) []byte {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Skipf("can't look into the process: %v", err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Skipf("can't look into the process: %v", err)
	}
	defer mem.Close()
	var all []byte
	for _, line := range strings.Split(string(maps), "\n") {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") || to-from > 1<<28 {
			continue
		}
		part := make([]byte, to-from)
		n, _ := mem.ReadAt(part, from)
		all = append(all, part[:n]...)
	}
	return all
}

func childrenOf(t *testing.T, pid int) []string {
	t.Helper()
	var all []string
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no threads found: %v", err)
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Fields(string(text))...)
	}
	return all
}
