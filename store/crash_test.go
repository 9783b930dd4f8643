package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The tests below run this test program again as a node that is killed.
const (
	childTask = "STORE_TEST_TASK"
	childLite = "STORE_TEST_SQLITE"
	childPg   = "STORE_TEST_POSTGRES"
)

func TestMain(m *testing.M) {
	if task := os.Getenv(childTask); task != "" {
		if err := child(task); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	os.Exit(m.Run())
}

// child does its task, says what was acknowledged, and dies.
func child(task string) error {
	s, err := Open(context.Background(), Options{SQLite: os.Getenv(childLite), PostgreSQL: os.Getenv(childPg)})
	if err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	if task == "reserve" {
		res, err := s.Reserve(context.Background(), try("a", "p", time.Duration(os.Getpid())*time.Microsecond))
		if err != nil {
			return err
		}
		fmt.Println("look", res.May())
		return self.Kill()
	}
	together(16, func(worker int) error {
		for i := range 1_000_000 {
			n := int64(i*16 + worker)
			if err := s.CreateGrant(context.Background(), codeGrant(n)); err != nil {
				fmt.Println("error", err)
				return err
			}
			fmt.Println("kept", n)
		}
		return nil
	})
	return nil
}

func (d *testDatabase) child(t *testing.T, task string) *exec.Cmd {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childTask+"="+task, childLite+"="+d.options.SQLite, childPg+"="+d.options.PostgreSQL)
	return command
}

// A node that is killed after each failure forgets none of them.
func TestT080_KilledNodesForgetNoFailure(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		d.open(t)
		looks := 0
		for range 7 {
			out, err := d.child(t, "reserve").Output()
			if err == nil {
				t.Fatalf("it was not killed: %s", out)
			}
			switch strings.TrimSpace(string(out)) {
			case "look true":
				looks++
			case "look false":
			default:
				t.Fatalf("%s", out)
			}
		}
		if looks != 5 {
			t.Fatalf("%d looks", looks)
		}
	})
}

// What was answered is on disk, whenever the process is killed.
func TestCreateGrant_KeptWhenKilled(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *testDatabase) {
		addPerson(t, d.open(t), "p1")
		command := d.child(t, "write")
		out, err := command.StdoutPipe()
		must(t, err)
		must(t, command.Start())
		var kept []int64
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var n int64
			if _, err := fmt.Sscanf(lines.Text(), "kept %d", &n); err != nil {
				if len(kept) < 500 {
					t.Errorf("%s", lines.Text())
				}
				continue // cut off
			}
			if kept = append(kept, n); len(kept) == 500 {
				must(t, command.Process.Kill())
			}
		}
		command.Wait()
		if len(kept) < 500 {
			t.Fatalf("only %d", len(kept))
		}
		s := d.open(t)
		for _, n := range kept {
			if _, _, err := s.GrantByCode(t.Context(), codeGrant(n).ID, hash('c', n)); err != nil {
				t.Fatalf("grant %d was acknowledged: %v", n, err)
			}
		}
	})
}
