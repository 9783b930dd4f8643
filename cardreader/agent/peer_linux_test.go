package agent

import (
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func asNobody(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// foreignGet speaks to the agent as another user of this computer.
func foreignGet(t *testing.T, port string) string {
	t.Helper()
	script := `exec 3<>/dev/tcp/127.0.0.1/` + port + `; printf 'GET /window HTTP/1.1\r\nHost: localhost:` + port + `\r\nConnection: close\r\n\r\n' >&3; cat <&3`
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = "/"
	asNobody(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestT125_AnotherUserIsRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	r := newRig(t, config("/nonexistent.so"))
	if got := foreignGet(t, strings.TrimPrefix(r.base, "http://localhost:")); !strings.HasPrefix(got, "HTTP/1.1 403") || secretPattern.MatchString(got) {
		t.Errorf("another user got\n%s", got)
	}
	if !strings.Contains(r.log.String(), "another user") {
		t.Error("the refusal is not in the log")
	}
}

func TestKernelAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:1F90":                         "127.0.0.1:8080",
		"0000000000000000FFFF00000100007F:0050": "127.0.0.1:80",
		"00000000000000000000000001000000:01BB": "[::1]:443",
	} {
		if got := kernelAddr(text); got != netip.MustParseAddrPort(want) {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "zz:1", "0100007F", "0100007F:zzzz", "01:1", ":"} {
		if got := kernelAddr(text); got.IsValid() {
			t.Errorf("%q: got %s", text, got)
		}
	}
}
