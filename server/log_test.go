package server

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	idp "taipeion.internal/idp"
)

func TestLogLinesOfARequestHaveItsID(t *testing.T) {
	out := &lines{}
	log := NewLog(out)
	logger := log.Logger(slog.LevelInfo)
	ctx := idp.WithOrigin(t.Context(), idp.Origin{RequestID: "r1"})
	logger.InfoContext(ctx, "plain")
	logger.With("part", "x").WarnContext(ctx, "with attributes")
	logger.WarnContext(ctx, "named already", "request_id", "r1")
	logger.Info("of no request")
	log.Flush()
	for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if _, ok := entry["request_id"]; ok != (i < 3) || strings.Count(line, "request_id") > 1 {
			t.Errorf("line %d: %s", i, line)
		}
	}
}

func TestPanicAndAccessLogShareTheRequestID(t *testing.T) {
	h := build(t, nil)
	id := h.get(base + "/panic").Header().Get("X-Request-Id")
	want := `"request_id":"` + id + `"`
	if id == "" || !strings.Contains(h.errors.String(), want) || !strings.Contains(h.access.String(), want) {
		t.Errorf("%s\n%s\n%s", want, h.errors, h.access)
	}
}

func TestGaugesOfALabel(t *testing.T) {
	h := build(t, nil)
	left := map[string]float64{"a": 1, "b": 0}
	h.server.opts.Metrics.GaugesFunc("idp_test_left", "For the test.", "issuer", func() map[string]float64 { return left })
	left["a"] = 2
	text := metricsText(h)
	if !strings.Contains(text, `idp_test_left{issuer="a"} 2`) || !strings.Contains(text, `idp_test_left{issuer="b"} 0`) {
		t.Error(text)
	}
}

func metricsText(h *house) string {
	w := httptest.NewRecorder()
	r, _ := http.NewRequest(http.MethodGet, "/metrics", nil)
	h.server.opts.Metrics.Handler().ServeHTTP(w, r)
	return w.Body.String()
}
