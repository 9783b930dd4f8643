// Package mail sends the mails of the outbox by SMTP (RFC 5321).
//
// It owns the connection to the city's mail server and the form of a message
// (RFC 5322): plain text in UTF-8, sent for nobody to answer. It does not own
// the words nor the order of tries (outbox). What always holds: without TLS
// nothing is sent but to loopback; the server's certificate is checked against
// its name; no address or subject can add a header.
package mail
