// Package outbox does what must happen after a commit: it takes the effects
// that were kept in the same transaction as the change that wants them, one
// holder of a lease at a time, and tries each again until it worked.
//
// It owns the order of tries, the leases and the back-off. It does not own what
// an effect is (a Doer for each kind; outbox/mail sends mail) nor where it is
// kept (store). What always holds: an effect is done at least once, also when
// the process is killed at any point; while it waits nothing else does; the
// text of a message is never logged.
package outbox
