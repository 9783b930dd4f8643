package server

import (
	"net/http"
	"strings"
)

// response notes the status and size of an answer, and the route it came from.
type response struct {
	http.ResponseWriter
	route     *routeMetrics // nil until a pattern matched
	status    int           // 0 until the header was written
	bytes     int64
	notFound  bool // the router's own 404 is held back for our page
	intercept bool
	front     *front // knows the methods of the request's path
	request   *http.Request
}

func (w *response) WriteHeader(status int) {
	if w.status != 0 || w.notFound {
		return
	}
	if status == http.StatusNotFound && w.route == nil && w.intercept {
		w.notFound = true
		return
	}
	if status == http.StatusMethodNotAllowed && w.route == nil && w.front != nil {
		// The router also counts the methods that are mounted to be refused.
		w.Header().Set("Allow", strings.Join(w.front.Allowed(w.request), ", "))
	}
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.notFound {
		return len(p), nil
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// WriteString spares a copy where the connection can take a string.
func (w *response) WriteString(s string) (int, error) {
	if w.notFound {
		return len(s), nil
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := writeString(w.ResponseWriter, s)
	w.bytes += int64(n)
	return n, err
}

func writeString(w http.ResponseWriter, s string) (int, error) {
	if sw, ok := w.(interface{ WriteString(string) (int, error) }); ok {
		return sw.WriteString(s)
	}
	return w.Write([]byte(s))
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }
