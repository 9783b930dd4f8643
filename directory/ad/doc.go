// Package ad is Active Directory, and plain LDAP directories: it looks at
// passwords there, and reads and writes accounts and groups.
//
// It owns the LDAP library, the connections, and what a directory's answers
// mean. It keeps nothing and counts no tries: directory.Gate does, before it
// asks. What always holds: nothing is sent but by TLS to a server that a pinned
// authority vouches for; a password is sent once, to one controller, over a
// connection that is used for nothing else; an empty one is never sent; only
// the result code 0 for our own message is a success; an entry is taken only if
// it is the only one and its name is exactly the one asked for; and a referral
// is never followed.
package ad
