package reshare_test

import (
	"fmt"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// BenchmarkReshare hands a production key over, all parties in turn on one core. Beside the
// time of a party, the average of all, it reports what the busiest one sends in all.
func BenchmarkReshare(b *testing.B) {
	items := testItems(tfhe.NameProduction)
	for _, n := range [][2]int{{4, 4}, {4, 7}} {
		b.Run(fmt.Sprintf("%dto%d", n[0], n[1]), func(b *testing.B) {
			old, next := newCommittee(b, n[0], 1), newCommittee(b, n[1], 1)
			shares := deal(b, old, items, 30)
			w := newWorld(b, old, next, shares, items)
			sources := mpctest.Sources(b, n[1], 4, 9, w.session)
			w.masks = func(self int) reshare.Masks { return sources[self] }
			sent := 0
			for b.Loop() {
				w.network, w.second = mpctest.Network{Seed: 3}, mpctest.Network{Seed: 4}
				w.run()
			}
			for i := range n[1] + 1 {
				sent = max(sent, w.network.Bytes[i]+w.second.Bytes[i])
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*n[1]), "ms/party")
			b.ReportMetric(float64(sent)/1e6, "MB/party")
			b.ReportMetric(0, "ns/op")
		})
	}
}
