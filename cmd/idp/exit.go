package main

import (
	"errors"
	"io/fs"
	"net"
	"syscall"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/feed"
	"taipeion.internal/idp/directory/sync"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/server"
)

// The exit codes, one for each class of failure: scripts decide by them.
const (
	exitOK          = 0
	exitOther       = 1
	exitUsage       = 2
	exitConfig      = 3
	exitNotFound    = 4
	exitConflict    = 5
	exitUnavailable = 6
	exitRefused     = 7
)

// usageError says that the command line is wrong.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func usage(err error) error { return usageError{err} }

// errRefused says that something was understood and not allowed.
var errRefused = errors.New("not allowed")

func exitCode(err error) int {
	var wrong usageError
	var network *net.OpError
	switch {
	case errors.As(err, &wrong), errors.Is(err, directory.ErrReason):
		return exitUsage
	case errors.Is(err, config.ErrInvalid), errors.Is(err, feed.ErrColumns), errors.Is(err, keys.ErrMode), errors.Is(err, keys.ErrSealed),
		errors.Is(err, server.ErrKeyMode), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return exitConfig
	case errors.Is(err, idp.ErrNotFound):
		return exitNotFound
	case errors.Is(err, idp.ErrConflict), errors.Is(err, sync.ErrRunning), errors.Is(err, sync.ErrOutdated):
		return exitConflict
	case errors.Is(err, errRefused), errors.Is(err, directory.ErrUnbound), errors.Is(err, sync.ErrAsks), errors.Is(err, keys.ErrKnownKey):
		return exitRefused
	case errors.Is(err, idp.ErrUnavailable), errors.Is(err, idp.ErrOverloaded), errors.As(err, &network):
		return exitUnavailable
	}
	return exitOther
}

// advice says what to do about an error, where that is not in its text.
func advice(err error) string {
	var wrong usageError
	switch {
	case errors.As(err, &wrong):
		return "See idp --help, or idp COMMAND --help."
	case errors.Is(err, keys.ErrKnownKey):
		return "A demo's data folder can only be served by: idp demo --data DIR"
	case errors.Is(err, keys.ErrSealed):
		return "master_key_file must name the key that this store was made with."
	case errors.Is(err, syscall.EADDRINUSE):
		return "Something listens there already: stop it, or choose another address."
	case errors.Is(err, config.ErrInvalid):
		return "idp config example prints a documented configuration."
	case errors.Is(err, sync.ErrAsks):
		return "Nobody was changed. Look at it with idp sync history PLAN; apply it with idp sync run SOURCE --confirm PLAN."
	case errors.Is(err, idp.ErrUnavailable):
		return "Is the database running, and does the configuration name the right one?"
	}
	return ""
}
