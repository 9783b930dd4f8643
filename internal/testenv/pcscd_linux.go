package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const (
	vpcdDriver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
	pcscSocket = "/run/pcscd/pcscd.comm"
)

// Readers starts the reader daemon (pcscd) with a virtual reader and returns
// the address at which a card is put into it: see package pivcard. There is
// one daemon on a computer, at a fixed socket, so tests take turns by a lock
// file; a daemon that runs already is somebody's own and is left alone. The
// virtual reader's driver listens on every address; nothing else can be set.
func Readers(t testing.TB) string {
	t.Helper()
	pcscd := Need(t, "pcscd", "apt-get install pcscd")
	if _, err := os.Stat(vpcdDriver); err != nil {
		Missing(t, "the virtual reader", "apt-get install vsmartcard-vpcd")
	}
	if os.Getuid() != 0 {
		t.Skip("the reader daemon needs root")
	}
	lock(t, filepath.Join(os.TempDir(), "taipeion-pcscd.lock"))
	if conn, err := net.Dial("unix", pcscSocket); err == nil {
		_ = conn.Close()
		t.Skip("a reader daemon runs already on this computer")
	}
	dir, port := t.TempDir(), freePorts(t)
	// CHANNELID is the port; the driver opens a second slot at the next one.
	conf := fmt.Sprintf("FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:0x%X\nLIBPATH %s\nCHANNELID 0x%X\n", port, vpcdDriver, port)
	if err := os.WriteFile(filepath.Join(dir, "reader.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(pcscd, "-f", "-c", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		gone := make(chan struct{})
		go func() { _ = cmd.Wait(); close(gone) }()
		select {
		case <-gone:
		case <-time.After(3 * time.Second):
			_ = cmd.Process.Kill()
			<-gone
		}
	})
	address := fmt.Sprintf("127.0.0.1:%d", port)
	waitFor(t, "the reader daemon", func() bool {
		conn, err := net.Dial("unix", pcscSocket)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return address
}

// lock waits for its turn.
func lock(t testing.TB, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || ctx.Err() != nil {
			_ = f.Close()
			t.Fatalf("waiting for the reader daemon of another test: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Cleanup(func() { _ = f.Close() }) // which also unlocks
}

// freePorts finds two ports in a row.
func freePorts(t testing.TB) int {
	t.Helper()
	for range 50 {
		first, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, err := net.Listen("tcp", fmt.Sprintf(":%d", port+1))
		_ = first.Close()
		if err == nil {
			_ = second.Close()
			return port
		}
	}
	t.Fatal("no two free ports in a row")
	return 0
}

func waitFor(t testing.TB, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ready() {
			return
		}
	}
	t.Fatalf("%s did not start", what)
}
