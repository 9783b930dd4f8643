package testenv

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const postgresHint = "apt-get install postgresql-15"

// postgres is the one private server of this test process.
var postgres struct {
	once sync.Once
	dir  string // data below it, the socket in it
	err  error
	next atomic.Int64
}

// Postgres returns the address of a fresh, empty database in a private
// PostgreSQL that is started once for each test process. It listens on a Unix
// socket only and syncs as in production. A watchdog stops and removes it when
// the test process is gone, however it ended.
func Postgres(t testing.TB) string {
	t.Helper()
	runPostgres(t)
	return newDatabase(t, "template1")
}

func runPostgres(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		Missing(t, "PostgreSQL 15 of Debian", postgresHint)
	}
	bin := postgresBin()
	if bin == "" {
		Missing(t, "PostgreSQL 15", postgresHint)
	}
	postgres.once.Do(func() { postgres.dir, postgres.err = startPostgres(bin) })
	if postgres.err != nil {
		t.Fatalf("start a private PostgreSQL: %v", postgres.err)
	}
}

func newDatabase(t testing.TB, like string) (address string) {
	t.Helper()
	name := "test" + strconv.FormatInt(postgres.next.Add(1), 10)
	out, err := exec.Command(filepath.Join(postgresBin(), "psql"), "-h", postgres.dir, "-U", "postgres", "-d", "postgres",
		"-qXc", "CREATE DATABASE "+name+" TEMPLATE "+like).CombinedOutput()
	if err != nil {
		t.Fatalf("create database: %v\n%s", err, out)
	}
	u := url.URL{Scheme: "postgres", Path: "/" + name,
		RawQuery: url.Values{"host": {postgres.dir}, "user": {"postgres"}}.Encode()}
	return u.String()
}

// PostgresCopy is Postgres with a schema in it. It is made once in a test process,
// by the fill of the first test, and copied: fill must have left the database when it
// returns.
func PostgresCopy(t testing.TB, fill func(address string) error) string {
	t.Helper()
	runPostgres(t) // before: what skips a test would skip the filling for all
	filled.database.Do(func() {
		filled.databaseErr = errors.New("the first test could not make it")
		address := newDatabase(t, "template1")
		filled.databaseErr = fill(address)
		u, err := url.Parse(address)
		filled.databaseErr = errors.Join(filled.databaseErr, err)
		filled.databaseName = strings.TrimPrefix(u.Path, "/")
	})
	if filled.databaseErr != nil {
		t.Fatalf("fill the database that is copied: %v", filled.databaseErr)
	}
	return newDatabase(t, filled.databaseName)
}

// FileCopy is the path of a file of the test's own, a copy of the one that fill made
// for the first test of the process.
func FileCopy(t testing.TB, name string, fill func(path string) error) string {
	t.Helper()
	filled.file.Do(func() {
		dir, err := os.MkdirTemp("", "idp-copied-")
		if err != nil {
			filled.fileErr = err
			return
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, name)
		if filled.fileErr = fill(path); filled.fileErr == nil {
			filled.content, filled.fileErr = os.ReadFile(path)
		}
	})
	if filled.fileErr != nil {
		t.Fatalf("fill the file that is copied: %v", filled.fileErr)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, filled.content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// filled is what is copied.
var filled struct {
	database, file       sync.Once
	databaseErr, fileErr error
	databaseName         string
	content              []byte
}

// postgresBin is the newest installed server's folder, 15 first.
func postgresBin() string {
	for _, version := range []string{"15", "17", "16"} {
		dir := "/usr/lib/postgresql/" + version + "/bin"
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir
		}
	}
	return ""
}

func startPostgres(bin string) (dir string, err error) {
	// A socket's path has at most 107 bytes, so not below a test's own folder.
	dir, err = os.MkdirTemp("/tmp", "idp-pg-")
	if err != nil {
		return "", err
	}
	as, err := postgresUser()
	if err != nil {
		return "", err
	}
	if as != nil {
		if err := os.Chown(dir, as.uid, as.gid); err != nil {
			return "", err
		}
	}
	data := filepath.Join(dir, "data")
	if err := watch(bin, dir, as); err != nil {
		return "", err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
	options := fmt.Sprintf("-k %s -c listen_addresses='' -c unix_socket_permissions=0700 -c max_connections=300 -c shared_buffers=64MB", dir)
	start := exec.Command(filepath.Join(bin, "pg_ctl"), "start", "-w", "-D", data, "-s",
		"-l", filepath.Join(dir, "log"), "-o", options)
	for _, command := range []*exec.Cmd{initdb, start} {
		command.Dir = dir
		command.SysProcAttr = as.attributes(false)
		// A file, not a pipe: the server keeps it open.
		output, err := os.Create(filepath.Join(dir, filepath.Base(command.Path)+".out"))
		if err != nil {
			return "", err
		}
		command.Stdout, command.Stderr = output, output
		err = command.Run()
		output.Close()
		if err != nil {
			text, _ := os.ReadFile(output.Name())
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			return "", fmt.Errorf("%s: %w\n%s%s", command.Path, err, text, log)
		}
	}
	return dir, nil
}

// watch starts a shell that waits for the end of its input, which is the end
// of this process, and then stops and removes the server.
func watch(bin, dir string, as *identity) error {
	input, ours, err := os.Pipe()
	if err != nil {
		return err
	}
	defer input.Close()
	command := exec.Command("/bin/sh", "-c", `cat >/dev/null; "$1"/pg_ctl stop -m immediate -s -D "$2"/data; rm -rf "$2"`, "sh", bin, dir)
	command.Stdin = input
	command.Dir = "/"
	command.SysProcAttr = as.attributes(true)
	if err := command.Start(); err != nil {
		return err
	}
	heldOpen = append(heldOpen, ours)
	return nil
}

// heldOpen keeps the watchdogs' pipes from being collected, and so closed.
var heldOpen []*os.File

// identity is whom the server runs as: it refuses to be root.
type identity struct{ uid, gid int }

func postgresUser() (*identity, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("running as root: %w", err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return &identity{uid, gid}, errors.Join(err1, err2)
}

// SQL runs statements in a database of Postgres, one after the other.
func SQL(t testing.TB, address string, statements ...string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-h", u.Query().Get("host"), "-U", "postgres", "-d", u.Path[1:], "-qXAt", "-v", "ON_ERROR_STOP=1"}
	for _, s := range statements {
		args = append(args, "-c", s)
	}
	out, err := exec.Command(filepath.Join(postgresBin(), "psql"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return string(out)
}
