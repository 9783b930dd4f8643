package phone

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	idp "taipeion.internal/idp"
	"taipeion.internal/idp/devicebind"
	"taipeion.internal/idp/templates"
)

// Enrolments takes the phone's part in a binding; devicebind.Enroller is one.
type Enrolments interface {
	Claim(ctx context.Context, id string, c devicebind.Claim) (*devicebind.Claimed, error)
	Collect(ctx context.Context, id, statusToken string) (*devicebind.Collected, error)
	Abandon(ctx context.Context, id, statusToken string) error
}

// Logins takes the phone's part in a login; devicebind.Attempts is one.
type Logins interface {
	Scan(ctx context.Context, s devicebind.ScanRequest) (*devicebind.Scanned, error)
	Decide(ctx context.Context, d devicebind.DecideRequest) error
	Report(ctx context.Context, d devicebind.DecideRequest) (devicebind.Ended, error)
}

// Devices tells a phone how it stands; devicebind.Devices is one.
type Devices interface {
	Status(ctx context.Context, s devicebind.Self) (*devicebind.Device, *idp.Person, error)
	Unbind(ctx context.Context, s devicebind.Self) error
}

// Pages draws the app; templates.Renderer does.
type Pages interface {
	Render(w http.ResponseWriter, r *http.Request, status int, v templates.View)
	PhoneWorker() []byte
	PhoneManifest(lang string) templates.PhoneManifest
}

// Handler serves the app and its requests.
type Handler struct {
	Enrolments Enrolments
	Logins     Logins
	Devices    Devices
	History    History // what the person's phones decided; without Events nothing is told
	Pages      Pages
	Rates      Rates
	Now        func() time.Time
	Logger     *slog.Logger
}

// Mount adds the routes.
func (h *Handler) Mount(mux idp.Mux) {
	page := http.HandlerFunc(h.page)
	mux.Handle("GET /phone", page)
	mux.Handle("GET /phone/bind/{id}", page)
	mux.Handle("GET /phone/q/{code}", page)
	mux.Handle("GET /phone/manifest.webmanifest", http.HandlerFunc(h.manifest))
	worker := h.Pages.PhoneWorker()
	mux.Handle("GET /phone/worker.js", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { sendWorker(w, worker) }))
	a := &api{Handler: h, limit: newLimiter(h.Rates, h.Now)}
	mux.Handle("POST /phone/api/enrolments/{id}", a.limited(a.claim))
	mux.Handle("GET /phone/api/enrolments/{id}", a.limited(a.collect))
	mux.Handle("POST /phone/api/enrolments/{id}/cancel", a.limited(a.abandon))
	mux.Handle("POST /phone/api/scan", a.limited(a.scan))
	mux.Handle("POST /phone/api/decide", a.limited(a.decide))
	mux.Handle("POST /phone/api/self", a.limited(a.self))
}
