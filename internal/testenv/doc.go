// Package testenv starts the real programs that tests talk to.
//
// It owns finding them (a missing one skips a test, and fails it where CI=true
// is set), starting them privately on a socket or a port that the kernel chose,
// and ending them, also when the test process dies. It keeps nothing outside
// its temporary folders, and only tests import it.
package testenv
