package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of the HTTP interface.
type Metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	stored   prometheus.Counter
}

// NewMetrics registers the metrics with a registry.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tkms_relayer_http_requests_total", Help: "Requests answered, by route and status code.",
		}, []string{"route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tkms_relayer_http_duration_seconds", Help: "Time to answer, by route.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
		}, []string{"route"}),
		stored: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tkms_relayer_ciphertext_stored_bytes", Help: "Bytes of ciphertexts accepted since the start.",
		}),
	}
	registry.MustRegister(m.requests, m.duration, m.stored)
	return m
}

// observe counts what a route answers. The route is a pattern, so that labels are
// bounded.
func (m *Metrics) observe(route string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start, recorder := time.Now(), &codeRecorder{ResponseWriter: w, code: http.StatusOK}
		next(recorder, r)
		m.requests.WithLabelValues(route, strconv.Itoa(recorder.code)).Inc()
		m.duration.WithLabelValues(route).Observe(time.Since(start).Seconds())
	}
}

type codeRecorder struct {
	http.ResponseWriter
	code int
}

// Unwrap lets a handler move the deadline of its answer.
func (c *codeRecorder) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (c *codeRecorder) WriteHeader(code int) {
	c.code = code
	c.ResponseWriter.WriteHeader(code)
}
