// Package metrics holds what Prometheus scrapes of a party. Labels are bounded
// by the number of members, and of epochs that are not over.
package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of one party.
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
		sent:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tkms_party_sent_bytes", Help: "Bytes sent to a member, by its index in whatever epoch."}, []string{"peer"}),
		received: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tkms_party_received_bytes", Help: "Bytes received from a member, by its index in whatever epoch."}, []string{"peer"}),
		dropped:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tkms_party_dropped_frames", Help: "Frames that were dropped, by the index of the member they were for."}, []string{"peer"}),
		links:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tkms_party_link_up", Help: "1 if the link to a member is up."}, []string{"epoch", "peer"}),
	}
	registry.MustRegister(m.Height, m.Stock, m.Margin, m.Requests, m.Engine, m.CiphertextBytes, m.Culprits, m.Evidence, m.sent, m.received, m.dropped, m.links)
	return m
}

// Links observes the links to the members of one epoch: it is a transport.Metrics.
type Links struct {
	metrics *Metrics
	epoch   string
}

// Links returns the metrics of an epoch's links, or of those over which an epoch takes
// over from another: name tells them apart.
func (m *Metrics) Links(name string) *Links { return &Links{m, name} }

// Forget drops the metrics of links that are no more.
func (l *Links) Forget() {
	l.metrics.links.DeletePartialMatch(prometheus.Labels{"epoch": l.epoch})
}

// Sent implements transport.Metrics.
func (l *Links) Sent(peer, _, bytes int) {
	l.metrics.sent.WithLabelValues(strconv.Itoa(peer)).Add(float64(bytes))
}

// Received implements transport.Metrics.
func (l *Links) Received(peer, bytes int) {
	l.metrics.received.WithLabelValues(strconv.Itoa(peer)).Add(float64(bytes))
}

// Dropped implements transport.Metrics.
func (l *Links) Dropped(peer, frames int) {
	l.metrics.dropped.WithLabelValues(strconv.Itoa(peer)).Add(float64(frames))
}

// Link implements transport.Metrics.
func (l *Links) Link(peer int, up bool) {
	value := 0.0
	if up {
		value = 1
	}
	l.metrics.links.WithLabelValues(l.epoch, strconv.Itoa(peer)).Set(value)
}
