package vss_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/prss"
)

// cpuTime is the processor time that the process has used, which other load on the
// machine changes less than the wall time.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDealing is a whole dealing of what random bits over R_17 take, in one process:
// an integer and a sharing of zero a bit, of all parties together.
func BenchmarkDealing(b *testing.B) {
	const count = 1 << 14
	q := prss.Demand{Address: prss.Address{Kind: "bit", K: 17}, Layout: prss.Layout{Integers: 1, Zeros: 1}, Count: count}
	for _, n := range []int{7, 10, 13, 16} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			w := newWorld(b, n)
			demand := []prss.Demand{q}
			b.ReportAllocs()
			sent, cpu := 0, cpuTime(b)
			for b.Loop() {
				machines, dealings := w.dealings(b, demand)
				network := mpctest.Network{InOrder: true}
				if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
					b.Fatal(err)
				}
				sourcesOf(b, w, dealings)
				sent = network.Bytes[1]
			}
			b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N*count*n), "cpu-ns/bit/party")
			b.ReportMetric(float64(sent)/count, "bytes-sent/bit")
		})
	}
}

// BenchmarkPseudoRandom is what one party takes for the same from its keys.
func BenchmarkPseudoRandom(b *testing.B) {
	const count = 1 << 10
	for _, n := range []int{7, 10, 13} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			s := mpctest.Sources(b, n, 4, 1, context)[1]
			v := prss.Vectors{Integers: [][]uint64{make([]uint64, 4*count)}, Zeros: [][]uint64{make([]uint64, 4*count)}}
			cpu := cpuTime(b)
			for b.Loop() {
				if err := s.Draw(prss.Address{Kind: "bit", K: 17}, v); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N*count), "cpu-ns/bit/party")
		})
	}
}
