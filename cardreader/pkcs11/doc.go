// Package pkcs11 speaks with smart cards through a PKCS#11 module (OASIS
// PKCS #11 v2.40): it lists readers and tokens, picks the signature
// certificate, and signs after a PIN.
//
// It owns the library miekg/pkcs11 and is the one package that needs cgo;
// built without it, Open answers ErrNoCgo. It does not know challenges, CMS,
// HTTP or where a PIN comes from, and it does not guard against a module that
// hangs or crashes: package agent runs it in a process of its own for that.
//
// What always holds:
//   - Slots and tokens are read again each time; events of the module are
//     never trusted, because drivers lose them and repeat old ones.
//   - A PIN is presented to the token once for each call of Sign (once more
//     only where the key itself demands it, CKA_ALWAYS_AUTHENTICATE, and the
//     first was right). A wrong one is never repeated.
//   - A signature leaves this package only if the certificate's own key
//     verifies it.
//   - A Module is not safe for concurrent use: PKCS#11 sessions are not, and
//     the login state is shared by the whole process.
package pkcs11
