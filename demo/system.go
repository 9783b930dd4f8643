package demo

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

//go:embed pages
var pageFiles embed.FS

// System is a relying system: an OpenID client with a small site. The zero
// value of the fields below Now is ready for use.
type System struct {
	Kind   Kind
	Listen string // host:port
	URL    string // its own address, without a slash at the end
	Issuer string
	Secret string
	Now    func() time.Time
	Logger *slog.Logger // nil: silent
	Client *http.Client // towards the provider; nil: one with a time-out

	listener net.Listener
	mu       sync.Mutex
	provider *provider
	pending  *expiring[pending]
	sessions *expiring[session]
	pages    *template.Template
}

// provider is what discovery told of the provider.
type provider struct {
	op       *oidc.Provider
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	meta     struct {
		Introspection string `json:"introspection_endpoint"`
		EndSession    string `json:"end_session_endpoint"`
		ISSParameter  bool   `json:"authorization_response_iss_parameter_supported"`
	}
}

// discover reads the provider's metadata, once it answers.
func (s *System) discover(ctx context.Context) (*provider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.provider != nil {
		return s.provider, nil
	}
	// go-oidc fetches the signing keys with the context given here, later too.
	found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), s.httpClient()), s.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	p := &provider{
		op: found,
		oauth: oauth2.Config{
			ClientID: s.Kind.ID, ClientSecret: s.Secret, RedirectURL: s.URL + "/callback",
			Scopes: s.Kind.Scopes, Endpoint: found.Endpoint(),
		},
		verifier: found.Verifier(&oidc.Config{
			ClientID: s.Kind.ID, SupportedSigningAlgs: []string{s.Kind.Algorithm}, Now: s.Now,
		}),
	}
	p.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if err := found.Claims(&p.meta); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	s.provider = p
	return p, nil
}

func (s *System) httpClient() *http.Client {
	if s.Client != nil {
		return s.Client
	}
	return &http.Client{Timeout: 10 * time.Second}
}

// withClient makes go-oidc and oauth2 use the system's HTTP client.
func (s *System) withClient(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, s.httpClient())
}

// Handler returns the site.
func (s *System) Handler() (http.Handler, error) {
	pages, err := template.New("").Funcs(templateFuncs).ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Kind.ID, err)
	}
	static, err := fs.Sub(pageFiles, "pages/static")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Kind.ID, err)
	}
	s.pages = pages
	s.pending = newExpiring[pending](s.Now, 10*time.Minute)
	s.sessions = newExpiring[session](s.Now, 8*time.Hour)
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /login", s.login)
	mux.HandleFunc("GET /callback", s.callback)
	mux.HandleFunc("POST /logout", s.logout)
	mux.HandleFunc("GET /logged-out", s.loggedOut)
	mux.HandleFunc("GET /whoami", s.whoami)
	mux.HandleFunc("GET /api/items", s.apiItems)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	if s.Kind.SignOff {
		mux.HandleFunc("GET /sign-off", s.signOff)
		mux.HandleFunc("POST /sign-off", s.signOffDone)
	}
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	return s.harden(http.NewCrossOriginProtection().Handler(mux)), nil
}

// harden sets the headers that every page has.
func (s *System) harden(next http.Handler) http.Handler {
	// The logout form ends at the provider and comes back, and browsers hold
	// form-action against redirects too.
	policy := "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; " +
		"form-action 'self' " + s.Issuer
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		next.ServeHTTP(w, r)
	})
}

// Open takes the system's port, so that whoever is told its address finds it
// there. Serve opens it by itself where that was not done.
func (s *System) Open() error {
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Kind.ID, err)
	}
	s.listener = listener
	return nil
}

// Serve answers until the context ends.
func (s *System) Serve(ctx context.Context) error {
	handler, err := s.Handler()
	if err != nil {
		return err
	}
	if s.listener == nil {
		if err := s.Open(); err != nil {
			return err
		}
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
	}
	stop := context.AfterFunc(ctx, func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(drain)
	})
	defer stop()
	if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s: %w", s.Kind.ID, err)
	}
	return nil
}
