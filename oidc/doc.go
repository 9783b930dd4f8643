// Package oidc speaks with relying systems: OAuth 2.0 and OpenID Connect over
// HTTP. It owns the endpoints below /oauth2 and the two metadata documents,
// the tokens' form, and the rules by which they are issued, exchanged, looked
// at and ended. The library fosite is its engine and nobody else's.
//
// It shows no login page and decides no login: package policy decides, package
// login asks the person, and both meet here only through a saved request and a
// redirect.
//
// What always holds:
//   - fosite is given parameters that were parsed and checked here: each at
//     most once, known ones only, a redirect URI that matched exactly.
//   - Nothing is issued without policy.Grant in that very request.
//   - A code, a rotation, a client assertion takes effect by one conditional
//     statement of the store, before the answer goes out.
//   - No secret is kept: codes and access tokens by their SHA-256, refresh
//     tokens not at all.
//   - A failure of the store is never answered as a success.
package oidc
