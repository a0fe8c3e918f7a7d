package onchain

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	read     prometheus.Gauge
	open     prometheus.Gauge
	finished *prometheus.CounterVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		read: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tkms_relayer_host_block_read", Help: "Highest host chain block whose events were read.",
		}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tkms_relayer_contract_requests_open", Help: "Requests of contracts that are not done with.",
		}),
		finished: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tkms_relayer_contract_requests_finished_total", Help: "Requests of contracts that are done with, by outcome.",
		}, []string{"outcome"}),
	}
	registry.MustRegister(m.read, m.open, m.finished)
	return m
}
