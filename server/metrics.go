package server

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	idp "taipeion.internal/idp"
)

// Metrics is what the operators watch. It holds no label whose values come from
// outside.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	events   *prometheus.CounterVec
	panics   prometheus.Counter
	inFlight prometheus.Gauge

	mu     sync.Mutex
	routes map[string]*routeMetrics
	other  *routeMetrics // requests that no pattern matched
}

// routeMetrics has the instruments of one route at hand, so that a request
// costs no look-up by label.
type routeMetrics struct {
	pattern  string
	parent   *Metrics
	duration prometheus.Observer
	byStatus [600]atomic.Pointer[prometheus.Counter]
}

// NewMetrics makes a registry with the process's own figures.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		routes:   make(map[string]*routeMetrics),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "idp_http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "idp_http_request_seconds", Help: "Time to answer, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "idp_events_total", Help: "What happened, by kind and result: logins, locks, bindings, revocations.",
		}, []string{"kind", "result"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "idp_panics_total", Help: "Requests that ended in a programming error. Must stay 0: raise an alarm.",
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "idp_http_requests_in_flight", Help: "Requests being answered now.",
		}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.events, m.panics, m.inFlight,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.other = m.route("unmatched")
	return m
}

// CountEvent counts one event of the record.
func (m *Metrics) CountEvent(e idp.Event) { m.events.WithLabelValues(e.Kind, e.Result).Inc() }

// CounterFunc adds a counter that somebody else keeps, such as the store's
// statements.
func (m *Metrics) CounterFunc(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
}

// GaugeFunc adds a value that somebody else keeps, such as the days a
// certificate still has.
func (m *Metrics) GaugeFunc(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// GaugesFunc adds values that somebody else keeps, one for each value of a
// label. The label's values must come from the configuration.
func (m *Metrics) GaugesFunc(name, help, label string, read func() map[string]float64) {
	m.registry.MustRegister(&gauges{prometheus.NewDesc(name, help, []string{label}, nil), read})
}

type gauges struct {
	desc *prometheus.Desc
	read func() map[string]float64
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(out chan<- *prometheus.Desc) { out <- g.desc }

// Collect implements prometheus.Collector.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	for label, value := range g.read() {
		out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value, label)
	}
}

// Handler serves the figures in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

func (m *Metrics) route(pattern string) *routeMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.routes[pattern]; r != nil {
		return r
	}
	r := &routeMetrics{pattern: pattern, parent: m, duration: m.duration.WithLabelValues(pattern)}
	m.routes[pattern] = r
	return r
}

func (r *routeMetrics) observe(status int, took time.Duration) {
	r.duration.Observe(took.Seconds())
	if status < 0 || status >= len(r.byStatus) {
		status = 0
	}
	counter := r.byStatus[status].Load()
	if counter == nil {
		made := r.parent.requests.WithLabelValues(r.pattern, strconv.Itoa(status))
		counter = &made
		r.byStatus[status].Store(counter)
	}
	(*counter).Inc()
}
