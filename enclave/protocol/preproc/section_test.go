package preproc

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// cpuTime is the processor time in nanoseconds that the process has used, which
// other load on the machine changes less than the wall time.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkSection is one party's arithmetic: what it draws and sends, and what it
// opens of the vectors of all; without hashes, signatures and the network.
func BenchmarkSection(b *testing.B) {
	const count = 1024
	for _, s := range []Section{
		{Kind: "bit", K: 17, Count: count},
		{Kind: "bit", K: 64, Count: count},
		{Kind: "product", K: 5, Count: count, Products: 1},
	} {
		for _, n := range mpc.SupportedParties[1:] {
			sources := mpctest.Sources(b, n, 4, 7, mpctest.Epoch)
			code, all := sources[1].Code(), sharing.AllParties(n)
			vectors := make([][]byte, n+1)
			for i := 1; i <= n; i++ {
				var err error
				if _, vectors[i], err = s.generate(sources[i], nil, nil); err != nil {
					b.Fatal(err)
				}
			}
			report := func(b *testing.B, cpu int64) {
				b.ReportAllocs()
				b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N*count), "cpu-ns/item")
			}
			name := fmt.Sprintf("%s%d/n=%d", s.Kind, s.K, n)
			b.Run(name+"/send", func(b *testing.B) {
				cpu, vector := cpuTime(b), make([]byte, 0, len(vectors[1]))
				for b.Loop() {
					if _, _, err := s.generate(sources[1], nil, vector); err != nil {
						b.Fatal(err)
					}
				}
				report(b, cpu)
			})
			b.Run(name+"/open", func(b *testing.B) {
				m, _, err := s.generate(sources[1], nil, nil)
				if err != nil {
					b.Fatal(err)
				}
				cpu, opened := cpuTime(b), make([]byte, 0, ring.PackedLen(count, s.K))
				for b.Loop() {
					values, bad, err := s.open(code, all, vectors)
					if err != nil || bad >= 0 {
						b.Fatal(bad, err)
					}
					opened = ring.AppendPacked(opened[:0], values, s.K)
					if bad := s.finish(&m, 4, [][]uint64{values}); bad >= 0 {
						b.Fatal(bad)
					}
				}
				report(b, cpu)
			})
		}
	}
}
