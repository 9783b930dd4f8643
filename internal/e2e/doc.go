// Package e2e tells stories of the whole product: it starts the demo as anyone
// would, and drives it with a real browser, with a scripted one, and with real
// relying software.
//
// It consists of tests only. A missing program (Chromium, SoftHSM2, Apache,
// Dovecot) skips a story, and fails it where CI=true. What always holds: the
// stories know the product by its pages and by what the demo prints, never by
// its packages.
package e2e
