// Package directory turns names and passwords into evidence: it knows people,
// agencies and accounts, resolves every spelling of a name to one person,
// looks at passwords, and counts the tries.
//
// It knows no pages, no cookies and no SQL; policy decides when a name locks.
// What always holds: a password is looked at only after its try was counted by
// one conditional statement; whatever goes wrong counts as a failure unless the
// directory certainly did not look; and neither the answer nor its time tells
// whether an account exists.
//
// The history of a person is what they are, have and may do, kept for good: name,
// agency and posts, state, accounts and bindings, directory entries, cards,
// phones, one-time codes, passkeys, that a password was set, and administrators'
// roles; each change with who made it and, if it was not the person, why. It is
// written in the transaction of the change. What merely happens is an event alone,
// and is pruned in its time: logins and tries, locks and unlocks (a lock opens by
// itself, and the person is who they were), a scan or an approval, the label of a
// phone or passkey, mails and deliveries, and whatever was refused.
package directory
