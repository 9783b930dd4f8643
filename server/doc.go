// Package server owns what lies between the network and the handlers:
// listeners, TLS, time-outs and limits, the middleware, health and metrics, the
// access log, and a shutdown that loses no request.
//
// It does not own any page or protocol: conversations mount their handlers in
// Mounts, and server knows of them only their patterns.
//
// What always holds: no request reaches a handler with a host we don't answer
// for, a method we don't know, a path that can be read in two ways, a body
// beyond its limit or a cross-site origin; the client's address is believed
// from listed proxies only; every answer carries the security headers; neither
// log nor metric holds an address of a person, a query, a cookie or a body.
package server
