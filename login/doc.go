// Package login is the conversation with a browser whose person has to prove
// who they are: the tabs of the login page, the step-up, the choice of the
// account, and consent.
//
// It owns the addresses below /login. It does not decide what is enough
// (policy), look at passwords (directory), verify cards (cardreader), keep
// sessions (session), or answer the relying system (oidc): when policy has
// nothing more to ask, the browser goes back to where the flow came from.
//
// What always holds: dispatch.go alone asks policy and chooses the next page;
// every step returns to it by a redirect and never leads to another step. Each
// request belongs to the browser that began the flow, and a step acts only
// while policy asks for that very step. Whether a name exists shows in nothing
// that an answer carries.
package login
