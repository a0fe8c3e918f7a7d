package decrypt_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

func BenchmarkPhase(b *testing.B) {
	for _, shape := range []preproc.Shape{production, {K: 19, W: 5}} {
		b.Run(fmt.Sprintf("K=%d", shape.K), func(b *testing.B) {
			w := newWorld(b, 1, dimension, shape)
			blocks := w.encrypt(w.messages(64), 1)
			cpu := cpuTime(b)
			for b.Loop() {
				w.phases(b, 1, blocks)
			}
			b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N*64), "cpu-ns/block")
		})
	}
}

// The dimensions are those of squashed blocks and of compressed ones.
func BenchmarkWidePhase(b *testing.B) {
	for _, dim := range []int{4096, 6144} {
		w := newFloodWorld(b, 4, 4, dim)
		blocks := w.encryptWide(w.messages(16), 1024, loudest)
		b.Run(fmt.Sprintf("N=%d/switched", dim), func(b *testing.B) {
			measured(b, 1, 16, func() {
				if _, err := w.shared[1].WidePhases(blocks); err != nil {
					b.Fatal(err)
				}
			})
		})
		b.Run(fmt.Sprintf("N=%d/exact", dim), func(b *testing.B) {
			measured(b, 1, 16, func() {
				if _, err := w.floodKeys[1].Phases(blocks); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// Sixteen blocks are a squashed euint64. That of a switched one is BenchmarkDecrypt's.
func BenchmarkFlooding(b *testing.B) {
	for _, n := range []int{4, 7, 10, 13} {
		b.Run(fmt.Sprintf("n=%d/B=16", n), func(b *testing.B) {
			w := newFloodWorld(b, n, 4, 64)
			blocks := w.encryptWide(w.messages(16), 64, loudest)
			measured(b, n, 16, func() {
				machines, list := w.startFlooding(b, blocks)
				network := mpctest.Network{InOrder: true}
				if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
					b.Fatal(err)
				}
				for _, m := range list[1:] {
					m.Release()
				}
			})
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
// of one party. That of "online" includes reading the stock, "offline" of 16 parties what
// they deal.
func BenchmarkDecrypt(b *testing.B) {
	for _, n := range []int{4, 7, 10, 13, 16} {
		for _, shape := range []preproc.Shape{production, chained} {
			for _, count := range []int{1, 32, 1024} {
				if n > 4 && count > 32 {
					continue // what n costs shows in a few
				}
				name := fmt.Sprintf("n=%d/chain=%v/B=%d/", n, shape.Chain, count)
				b.Run(name+"offline", func(b *testing.B) { benchmarkOffline(b, n, shape, count) })
				b.Run(name+"online", func(b *testing.B) { benchmarkOnline(b, newWorldOver(b, n, sharing.DegreeFor(n), 64, shape), count) })
				if n > 13 {
					continue // what is kept is hidden by pseudo-random sharings
				}
				b.Run(name+"online, kept", func(b *testing.B) {
					w := newWorld(b, n, 64, shape)
					w.keepFor(b, purpose)
					benchmarkOnline(b, w, count)
				})
			}
		}
	}
}

func benchmarkOffline(b *testing.B, n int, shape preproc.Shape, count int) {
	w := newWorldOver(b, n, sharing.DegreeFor(n), 64, shape)
	measured(b, n, count, func() { w.stock(b, count) })
}

func benchmarkOnline(b *testing.B, w *world, count int) {
	n := w.n
	blocks := w.encrypt(w.messages(count), 1)
	raw := make([][]byte, n+1)
	for i, s := range w.stock(b, count) {
		if s != nil {
			raw[i], _ = s[0].MarshalBinary()
		}
	}
	measured(b, n, count, func() {
		stock := make([][]*preproc.Batch, n+1)
		for i := 1; i <= n; i++ {
			s, _ := preproc.UnmarshalBatch(raw[i])
			stock[i] = []*preproc.Batch{s}
		}
		machines, list := w.start(b, blocks, stock)
		network := mpctest.Network{InOrder: true}
		if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
			b.Fatal(err)
		}
		for _, m := range list[1:] {
			m.Release()
		}
	})
}

func measured(b *testing.B, n, count int, run func()) {
	b.Helper()
	cpu := cpuTime(b)
	for b.Loop() {
		run()
	}
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N*count*n)/1000, "cpu-µs/block/party")
}
