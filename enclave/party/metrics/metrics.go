// Package metrics holds what Prometheus scrapes of a party. Labels are bounded
// by the number of members.
package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of one party. It also observes the peer links (transport.Metrics).
type Metrics struct {
	Height   prometheus.Gauge
	Stock    prometheus.Gauge
	Margin   prometheus.Gauge
	Requests *prometheus.CounterVec   // kind, outcome
	Engine   *prometheus.HistogramVec // kind
	// CiphertextBytes is labelled by the key that a ciphertext is under.
	CiphertextBytes *prometheus.HistogramVec
	Culprits        *prometheus.CounterVec // index
	Evidence        *prometheus.CounterVec // index, kind

	sent, received, dropped *prometheus.CounterVec
	links                   *prometheus.GaugeVec
}

// New registers the metrics.
func New(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		Height:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "tkms_party_verified_height_blocks", Help: "Newest block whose state is provable."}),
		Stock:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "tkms_party_stock_items", Help: "Offline items made and not assigned."}),
		Margin:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "tkms_party_margin", Help: "How many more members may fail before requests stop."}),
		Requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tkms_party_requests_total", Help: "Requests by kind and by outcome at this party."}, []string{"kind", "outcome"}),
		Engine: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tkms_party_engine_seconds", Help: "From the proven request to the last opening.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"kind"}),
		CiphertextBytes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tkms_party_ciphertext_bytes", Help: "Size of a ciphertext, by the key that it is under.", Buckets: prometheus.ExponentialBuckets(1024, 4, 8),
		}, []string{"key"}),
		Culprits: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tkms_party_wrong_shares_total", Help: "Sessions in which a member sent wrong shares."}, []string{"index"}),
		Evidence: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tkms_party_evidence_total", Help: "Evidence found against a member."}, []string{"index", "kind"}),
		sent:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tkms_party_sent_bytes", Help: "Bytes sent to a member."}, []string{"peer"}),
		received: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tkms_party_received_bytes", Help: "Bytes received from a member."}, []string{"peer"}),
		dropped:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tkms_party_dropped_frames", Help: "Frames to a member that were dropped."}, []string{"peer"}),
		links:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tkms_party_link_up", Help: "1 if the link to a member is up."}, []string{"peer"}),
	}
	registry.MustRegister(m.Height, m.Stock, m.Margin, m.Requests, m.Engine, m.CiphertextBytes, m.Culprits, m.Evidence, m.sent, m.received, m.dropped, m.links)
	return m
}

// Sent implements transport.Metrics.
func (m *Metrics) Sent(peer, _, bytes int) {
	m.sent.WithLabelValues(strconv.Itoa(peer)).Add(float64(bytes))
}

// Received implements transport.Metrics.
func (m *Metrics) Received(peer, bytes int) {
	m.received.WithLabelValues(strconv.Itoa(peer)).Add(float64(bytes))
}

// Dropped implements transport.Metrics.
func (m *Metrics) Dropped(peer, frames int) {
	m.dropped.WithLabelValues(strconv.Itoa(peer)).Add(float64(frames))
}

// Link implements transport.Metrics.
func (m *Metrics) Link(peer int, up bool) {
	value := 0.0
	if up {
		value = 1
	}
	m.links.WithLabelValues(strconv.Itoa(peer)).Set(value)
}
