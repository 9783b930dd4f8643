package phone

import (
	"encoding/json"
	"net/http"

	"taipeion.internal/idp/templates"
)

// permissions are the powerful features that the app uses, and no other has
// (W3C Permissions Policy).
const permissions = "camera=(self), publickey-credentials-get=(self), publickey-credentials-create=(self), " +
	"microphone=(), geolocation=(), payment=(), usb=(), display-capture=()"

// page is the app, whatever the link was that it was opened with: links decide
// nothing, the app reads them. The page is the same for everybody.
func (h *Handler) page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Permissions-Policy", permissions)
	h.Pages.Render(w, r, http.StatusOK, templates.Phone{Base: templates.Base{Self: "/phone"}})
}

func (h *Handler) manifest(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/manifest+json")
	w.Header().Set("Cache-Control", "no-cache")
	// Nothing can go wrong in strings, and a reader who has gone needs no answer.
	_ = json.NewEncoder(w).Encode(h.Pages.PhoneManifest(templates.Language(r)))
}

// sendWorker sends the service worker: it may rule the app's pages and the start
// page, which stands one level higher than its own address.
func sendWorker(w http.ResponseWriter, worker []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Service-Worker-Allowed", "/phone")
	_, _ = w.Write(worker) // the reader has gone: nobody to tell
}
