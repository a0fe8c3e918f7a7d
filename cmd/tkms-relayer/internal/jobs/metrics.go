package jobs

import "github.com/prometheus/client_golang/prometheus"

// Metrics of jobs.
type Metrics struct {
	open     prometheus.Gauge
	finished *prometheus.CounterVec
	duration *prometheus.HistogramVec
	setbacks *prometheus.CounterVec
	carries  *prometheus.CounterVec
}

// NewMetrics registers the metrics with a registry.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tkms_relayer_jobs_open", Help: "Jobs with work to do.",
		}),
		finished: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tkms_relayer_jobs_finished_total", Help: "Jobs finished, by kind and outcome: succeeded or a failure's reason.",
		}, []string{"kind", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tkms_relayer_job_duration_seconds", Help: "Time from taking a job to its result, by kind.", Buckets: prometheus.ExponentialBuckets(0.1, 1.6, 14),
		}, []string{"kind"}),
		setbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tkms_relayer_job_setbacks_total", Help: "Tries that were repeated, by reason.",
		}, []string{"reason"}),
		carries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tkms_relayer_callbacks_finished_total", Help: "Callbacks finished, by outcome.",
		}, []string{"outcome"}),
	}
	registry.MustRegister(m.open, m.finished, m.duration, m.setbacks, m.carries)
	return m
}
