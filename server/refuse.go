package server

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

// refuse checks what no handler should have to: it returns the status to refuse
// with, or 0.
func (f *front) refuse(w http.ResponseWriter, r *http.Request) int {
	if knownMethod(r.Method) == "other" {
		return http.StatusMethodNotAllowed
	}
	if !plainPath(r) {
		return http.StatusNotFound
	}
	// Probes of balancers come by address; they learn nothing but "ok".
	if !f.hosts[strings.ToLower(r.Host)] && r.URL.Path != "/healthz" && r.URL.Path != "/readyz" {
		return http.StatusMisdirectedRequest
	}
	for _, name := range [...]string{"Authorization", "Content-Type", "Origin", "Sec-Fetch-Site"} {
		if len(r.Header[name]) > 1 {
			return http.StatusBadRequest // which one counts would be anybody's guess
		}
	}
	if strings.Count(r.URL.RawQuery, "&") > maxFields {
		return http.StatusBadRequest
	}
	if r.ContentLength > maxBody {
		// The body is not read, so the connection can't be used again.
		w.Header().Set("Connection", "close")
		return http.StatusRequestEntityTooLarge
	}
	if r.Method == http.MethodPost {
		if _, packed := r.Header["Content-Encoding"]; packed {
			return http.StatusUnsupportedMediaType
		}
		if strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "multipart/") {
			return http.StatusUnsupportedMediaType
		}
		if err := f.csrf.Check(r); err != nil {
			return http.StatusForbidden
		}
	}
	return 0
}

// plainPath tells whether the path can be read in one way only: no encoding, no
// parameters, no empty or dot segments. Every path of ours is plain, so
// anything else is not found, whatever a proxy in front made of it.
func plainPath(r *http.Request) bool {
	path := r.URL.Path
	if r.URL.RawPath != "" || path == "" || path[0] != '/' {
		return false
	}
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '~':
		case c == '/':
			if i > 0 && path[i-1] == '/' {
				return false
			}
		case c == '.':
			if path[i-1] == '/' && !strings.HasPrefix(path[i:], ".well-known/") || path[i-1] == '.' {
				return false
			}
		default:
			return false
		}
	}
	return true
}

var errFields = errors.New("too many form fields")

// limitFields bounds the number of fields of a form while it is read: parsing
// costs by the field and not by the byte.
func limitFields(r *http.Request) io.ReadCloser {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return r.Body
	}
	return &fieldReader{ReadCloser: r.Body}
}

type fieldReader struct {
	io.ReadCloser
	fields int
}

func (f *fieldReader) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	for _, c := range p[:n] {
		if c == '&' {
			f.fields++
		}
	}
	if f.fields > maxFields {
		return n, errFields
	}
	return n, err
}
