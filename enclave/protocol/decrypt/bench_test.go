package decrypt_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
)

func BenchmarkPhase(b *testing.B) {
	for _, shape := range []preproc.Shape{production, {K: 19, W: 5}} {
		b.Run(fmt.Sprintf("K=%d", shape.K), func(b *testing.B) {
			w := newWorld(b, 1, dimension, shape)
			blocks := w.encrypt(w.messages(64), 1)
			for b.Loop() {
				m, _ := decrypt.New(decrypt.Config{Code: w.code, Self: 1, Key: w.keys[1], Blocks: blocks})
				if _, err := m.Start(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*64), "ns/block")
		})
	}
}

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

// The machines of all parties run one after another in one process; the figure is
// of one party. That of "online" includes reading the stock.
func BenchmarkDecrypt(b *testing.B) {
	for _, n := range []int{4, 7} {
		for _, count := range []int{1, 32, 1024} {
			w := newWorld(b, n, dimension, production)
			blocks := w.encrypt(w.messages(count), 1)
			run := func(b *testing.B, offline, online bool) {
				var stock [][]*preproc.Batch
				var raw [][]byte
				if !offline {
					raw = make([][]byte, n+1)
					for i, s := range w.stock(b, count) {
						if s != nil {
							raw[i], _ = s[0].MarshalBinary()
						}
					}
				}
				cpu := cpuTime(b)
				for b.Loop() {
					if offline {
						stock = w.stock(b, count)
					} else {
						stock = make([][]*preproc.Batch, n+1)
						for i := 1; i <= n; i++ {
							s, _ := preproc.UnmarshalBatch(raw[i])
							stock[i] = []*preproc.Batch{s}
						}
					}
					if online {
						machines, _ := w.start(b, blocks, stock)
						network := mpctest.Network{InOrder: true}
						if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N*count*n)/1000, "cpu-µs/block/party")
			}
			b.Run(fmt.Sprintf("n=%d/B=%d/offline", n, count), func(b *testing.B) { run(b, true, false) })
			b.Run(fmt.Sprintf("n=%d/B=%d/online", n, count), func(b *testing.B) { run(b, false, true) })
		}
	}
}
