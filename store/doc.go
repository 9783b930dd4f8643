// Package store keeps everything the product remembers, in SQLite or in
// PostgreSQL.
//
// It owns the only SQL, one text for both engines, and its migrations; store.go
// lists the interfaces it serves, each of which lives with its consumer. It
// decides nothing: what may happen once, or only while something else holds, is
// one conditional statement whose condition the consumer's interface states,
// and the caller gives the time.
//
// What always holds: a writing method returns nil only after its change is on
// disk, together with the events given to it, or neither is; secrets are kept
// as hashes or sealed; a database that does not answer is idp.ErrUnavailable,
// never an answer.
package store
