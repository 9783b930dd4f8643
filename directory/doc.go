// Package directory turns names and passwords into evidence: it knows people,
// agencies and accounts, resolves every spelling of a name to one person,
// looks at passwords, and counts the tries.
//
// It knows no pages, no cookies and no SQL; policy decides when a name locks.
// What always holds: a password is looked at only after its try was counted by
// one conditional statement; whatever goes wrong counts as a failure unless the
// directory certainly did not look; and neither the answer nor its time tells
// whether an account exists.
package directory
