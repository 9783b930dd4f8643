// Package agent is the program on the staff PC between the login page and the
// card reader: a small server on loopback whose own window shows who asks and
// takes the PIN, and the child processes in which card modules run.
//
// It owns the window (page, script, words), the protocol between window and
// agent, the processes of the modules, and the check that a challenge comes
// from a server of its configuration. What is signed is defined in cardreader,
// how cards are driven in cardreader/pkcs11; where a configuration file lies is
// not its business.
//
// What always holds:
//   - It listens on loopback only, and answers only to its own names in Host.
//   - It signs only a challenge that a configured server signed, that names
//     the page's own origin, and that is in its time; once for each window.
//   - Each signature needs the PIN, typed into this window or on the reader's
//     keypad. A PIN is in no log, argument, address or answer; every buffer of
//     ours that held one is overwritten, and the child process that used one
//     ends with that operation. No PIN is presented twice.
//   - No answer carries a CORS header, so no other site can read one.
//   - A module that hangs or crashes costs an error message within ten
//     seconds, never the agent.
//   - The log names servers and results, never a person or a card.
//
// Other users of the same computer: on Linux each connection's owner is read
// from the kernel (/proc/net/tcp), and only the user that runs the agent is
// served. Other systems have no such look-up without administrator rights or
// system libraries: there, another user's program could open a window of its
// own, but it still has no challenge of an allowed page and no PIN.
//
// It does not update itself: the agent is installed and updated by the
// operating system's package service, which checks signatures and versions.
//
// It needs no TLS: loopback is trustworthy to browsers, so there is no key
// that all installations would share and no root certificate to install.
package agent
