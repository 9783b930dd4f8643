package main

import (
	"errors"
	"io/fs"
	"net"
	"syscall"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/config"
	"taipeion.internal/idp/demo"
	"taipeion.internal/idp/directory"
	"taipeion.internal/idp/directory/feed"
	"taipeion.internal/idp/directory/sync"
	"taipeion.internal/idp/keys"
	"taipeion.internal/idp/oidc"
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

// advised is an error that brings along what to do about it.
type advised struct {
	error
	advice string
}

func (a advised) Unwrap() error { return a.error }

func advise(err error, text string) error { return advised{err, text} }

func exitCode(err error) int {
	var wrong usageError
	var network *net.OpError
	switch {
	case errors.As(err, &wrong), errors.Is(err, directory.ErrReason), errors.Is(err, oidc.ErrClient),
		errors.Is(err, demo.ErrListen):
		return exitUsage
	case errors.Is(err, config.ErrInvalid), errors.Is(err, feed.ErrColumns), errors.Is(err, keys.ErrMode), errors.Is(err, keys.ErrSealed),
		errors.Is(err, server.ErrKeyMode), errors.Is(err, errNoDatabase), errors.Is(err, errNoFolder), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission),
		errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTDIR):
		return exitConfig
	case errors.Is(err, idp.ErrNotFound):
		return exitNotFound
	case errors.Is(err, idp.ErrConflict), errors.Is(err, sync.ErrRunning), errors.Is(err, sync.ErrOutdated):
		return exitConflict
	case errors.Is(err, errRefused), errors.Is(err, directory.ErrUnbound), errors.Is(err, sync.ErrAsks), errors.Is(err, keys.ErrKnownKey),
		errors.Is(err, keys.ErrYoung):
		return exitRefused
	case errors.Is(err, idp.ErrUnavailable), errors.Is(err, idp.ErrOverloaded), errors.As(err, &network):
		return exitUnavailable
	}
	return exitOther
}

// advice says what to do about an error, where that is not in its text.
func advice(err error) string {
	var wrong usageError
	var known advised
	if errors.As(err, &known) {
		return known.advice
	}
	if errors.As(err, &wrong) {
		return "See idp --help, or idp COMMAND --help."
	}
	for _, a := range []struct {
		is   error
		text string
	}{
		{demo.ErrListen, "The default is --listen " + demo.DefaultListen + "; localhost:0 takes any free port."},
		{errNoFolder, "Make the folder, or put the path right; paths start at the configuration's own folder."},
		{errNoDatabase, "idp migrate makes it, and idp serve does; or the configuration names the wrong one."},
		{keys.ErrKnownKey, "A demo's data folder can only be served by: idp demo --data DIR"},
		{keys.ErrSealed, "master_key_file must name the key that this store was made with: bring it back from its copy."},
		{keys.ErrYoung, "Wait until then; or --force, if no client keeps our key set; or --emergency, if a key is known to others."},
		{syscall.EADDRINUSE, "Something listens there already: stop it, or choose another address."},
		{config.ErrInvalid, "idp config example prints a documented configuration."},
		{sync.ErrAsks, "Nobody was changed. Look at it with idp sync history PLAN; apply it with idp sync run SOURCE --confirm PLAN."},
		{directory.ErrUnreachable, "Are the servers of directory.backends up, can they be reached from here, and is their service account in order?"},
		{idp.ErrUnavailable, "Is the database running, and does the configuration name the right one?"},
		{directory.ErrReason, "Say why with --reason: it is kept on record."},
		{fs.ErrNotExist, "Make the file, or put its path right; paths start at the configuration's own folder."},
		{syscall.EISDIR, "Name a file, or put its path right; paths start at the configuration's own folder."},
		{syscall.ENOTDIR, "A file is where a folder is wanted: put its path right."},
		{fs.ErrPermission, "Run this as the user that the files belong to."},
		{idp.ErrConflict, "Somebody else changed it meanwhile: look again, then try again."},
	} {
		if errors.Is(err, a.is) {
			return a.text
		}
	}
	return ""
}
