package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"taipeion.internal/idp/cardreader/pkcs11"
)

// Agent serves one user of one computer.
type Agent struct {
	Config Config
	Log    *slog.Logger     // nil: slog.Default()
	Now    func() time.Time // nil: time.Now

	// ModuleCommand makes the command of a module process, which must call
	// RunModule. Nil: this program with the argument ModuleArg.
	ModuleCommand func() *exec.Cmd

	limits limits // zero: standardLimits; tests are less patient
}

// Listen opens the loopback listeners: several for "localhost", all with the
// same port. One that is taken by somebody else is an error, for a browser
// might then talk to that one.
func (a *Agent) Listen() ([]net.Listener, error) {
	hosts, port, err := a.Config.addresses()
	if err != nil {
		return nil, err
	}
	var all []net.Listener
	for i, host := range hosts {
		l, err := (&net.ListenConfig{Control: exclusive}).Listen(context.Background(), "tcp", net.JoinHostPort(host, port))
		if err != nil {
			if i > 0 && !hasLoopback(host) {
				continue // a computer without IPv6
			}
			closeAll(all)
			return nil, fmt.Errorf("agent: %w; another agent may be running", err)
		}
		if addr, ok := l.Addr().(*net.TCPAddr); !ok || !addr.IP.IsLoopback() {
			closeAll(append(all, l))
			return nil, fmt.Errorf("agent: %s is not loopback", l.Addr())
		} else if port == "0" {
			port = strconv.Itoa(addr.Port)
		}
		all = append(all, l)
	}
	return all, nil
}

// hasLoopback tells whether the address exists on this computer.
func hasLoopback(host string) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

func closeAll(all []net.Listener) {
	for _, l := range all {
		_ = l.Close()
	}
}

// Serve answers on the listeners of Listen until ctx ends, then lets requests
// under way finish and ends the module processes.
func (a *Agent) Serve(ctx context.Context, listeners []net.Listener) error {
	defer closeAll(listeners)
	if len(listeners) == 0 {
		return errors.New("agent: nothing to listen on")
	}
	_, port, err := net.SplitHostPort(listeners[0].Addr().String())
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	h, err := a.handler(port)
	if err != nil {
		return err
	}
	defer h.readers.close()
	srv := &http.Server{
		Handler:           h,
		ConnContext:       withConn,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      standardLimits.keypad + 15*time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, len(listeners))
	var wg sync.WaitGroup
	for _, l := range listeners {
		h.log.Info("listening", "address", l.Addr().String())
		wg.Go(func() { failed <- srv.Serve(listener{l}) })
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if e := srv.Shutdown(stop); e != nil {
		_ = srv.Close()
	}
	wg.Wait()
	h.log.Info("stopped")
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("agent: %w", err)
	}
	return nil
}

// Run is Listen and Serve.
func (a *Agent) Run(ctx context.Context) error {
	listeners, err := a.Listen()
	if err != nil {
		return err
	}
	return a.Serve(ctx, listeners)
}

func (a *Agent) handler(port string) (*handler, error) {
	if err := a.Config.Check(); err != nil {
		return nil, err
	}
	sites, err := a.Config.sites()
	if err != nil {
		return nil, err
	}
	h := &handler{sites: sites, port: port, log: a.Log, now: a.Now, windows: windows{}}
	if h.log == nil {
		h.log = slog.Default()
	}
	if h.now == nil {
		h.now = time.Now
	}
	command := a.ModuleCommand
	if command == nil {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("agent: own program: %w", err)
		}
		command = func() *exec.Cmd { return exec.Command(self, ModuleArg) }
	}
	modules := a.Config.Modules
	given := a.limits
	if given.list == 0 {
		given = standardLimits
	}
	h.readers = &readers{command: command, limits: given, find: func() []string { return pkcs11.Find(modules) }}
	return h, nil
}
