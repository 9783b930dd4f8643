package templates

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// file is a static file, ready to be sent.
type file struct {
	contentType string
	plain       []byte
	zipped      []byte
}

// assets are the static files by their hashed address, and the addresses by
// name. Their content never changes under one address.
type assets struct {
	files map[string]file
	paths map[string]string
}

// contentTypes are of our own files, whatever the machine thinks of their names.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".png": "image/png",
	"":     "text/plain; charset=utf-8", // the licences
}

func loadAssets() (*assets, error) {
	a := &assets{files: map[string]file{}, paths: map[string]string{}}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return nil, fmt.Errorf("static files: %w", err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		data, err := staticFiles.ReadFile("static/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("static files: %w", err)
		}
		ext := path.Ext(entry.Name())
		kind := contentTypes[ext]
		if kind == "" {
			return nil, fmt.Errorf("static files: %s is of no known type", entry.Name())
		}
		sum := sha256.Sum256(data)
		address := "/static/" + strings.TrimSuffix(entry.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		zipped, err := squeeze(data)
		if err != nil {
			return nil, fmt.Errorf("static files: %w", err)
		}
		a.files[address] = file{contentType: kind, plain: data, zipped: zipped}
		a.paths[entry.Name()] = address
	}
	return a, a.addPhone()
}

func squeeze(data []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// ServeHTTP answers for the hashed addresses alone.
func (a *assets) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	f, ok := a.files[req.URL.Path]
	if !ok {
		http.NotFound(w, req)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	// Nothing in these files is secret, so compressing them betrays nothing.
	if strings.Contains(req.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if req.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // the reader has gone: nobody to tell
}

// Static serves /static/ with hashed names, forever cacheable.
func (r *Renderer) Static() http.Handler { return r.assets }
