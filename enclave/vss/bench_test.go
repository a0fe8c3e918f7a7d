package vss_test

import (
	"fmt"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/prss"
)

// BenchmarkDealing is a whole dealing of what random bits over R_17 take, in one process:
// an integer and a sharing of zero a bit, of all parties together.
func BenchmarkDealing(b *testing.B) {
	const count = 1 << 14
	for _, n := range []int{7, 10, 13, 16} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			w := newWorld(b, n)
			demand := []prss.Demand{{Address: prss.Address{Kind: "bit", K: 17}, Layout: prss.Layout{Integers: 1, Zeros: 1}, Count: count}}
			b.ReportAllocs()
			sent := 0
			for b.Loop() {
				machines, dealings := w.dealings(b, demand)
				network := mpctest.Network{InOrder: true}
				if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
					b.Fatal(err)
				}
				sourcesOf(b, w, dealings)
				sent = network.Bytes[1]
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count*n), "ns/bit/party")
			b.ReportMetric(float64(sent)/count, "bytes-sent/bit")
		})
	}
}
