// Package phone is the conversation with the phone: the pages of the web app and
// the requests that it, or a native app, makes.
//
// It owns the addresses below /phone, the form of requests and answers, and how
// many of them one source may send. Who may bind, scan and decide is devicebind's
// to say; what the app looks like and does in the browser is in templates.
//
// What always holds: opening an address changes nothing; an answer tells a reason
// and no more; nothing here needs or reads a cookie, so that no other site can
// act in a person's name; a secret, a PIN and a signature go into no log.
package phone
