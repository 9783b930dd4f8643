package idp

import (
	"context"
	"net/http"
	"net/netip"
)

// Mux is where a package mounts its handlers: patterns are those of
// http.ServeMux.
type Mux interface {
	Handle(pattern string, handler http.Handler)
}

// Origin says where a request came from, as the server's middleware found out.
type Origin struct {
	RequestID string
	Address   netip.Addr // the client's, by the trusted-proxy rule
	City      bool       // from the city's own network
	Gateway   bool       // a city gateway: many people behind one address
}

type originKey struct{}

// WithOrigin returns a context that carries o.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginFrom returns what WithOrigin put in, or the zero Origin: no address,
// and not from the city.
func OriginFrom(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}
