package evaluate_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/evaluate"
)

// hollow opens a key set in a file with nothing in its bodies: operations take as long
// as with any other.
func hollow(b *testing.B, p tfhe.Parameters, environment evaluate.Environment) *evaluate.Evaluator {
	b.Helper()
	file, err := os.CreateTemp(b.TempDir(), "keyset")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { file.Close() })
	layout, err := p.Layout(tfhe.ObjectXofKeySet, [16]byte{1})
	if err != nil {
		b.Fatal(err)
	}
	if err := layout.WriteSkeleton(file); err != nil {
		b.Fatal(err)
	}
	if err := file.Truncate(layout.Size()); err != nil {
		b.Fatal(err)
	}
	keys, err := tfhe.OpenKeySet(file, layout.Size(), p)
	if err != nil {
		b.Fatal(err)
	}
	e, err := evaluate.New(keys, environment)
	if err != nil {
		b.Fatal(err)
	}
	return e
}

// concurrent runs everything at once.
func concurrent(n int, f func(i int)) {
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { f(i) })
	}
	wait.Wait()
}

// cpu is the processor time of the process, in milliseconds.
func cpu(b *testing.B) float64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return 1e3*float64(usage.Utime.Sec+usage.Stime.Sec) + 1e-3*float64(usage.Utime.Usec+usage.Stime.Usec)
}

// measured runs f as a benchmark that reports processor time too: of all goroutines, and
// what else the machine does does not count.
func measured(b *testing.B, name string, f func() error) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		start := cpu(b)
		for b.Loop() {
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((cpu(b)-start)/float64(b.N), "cpu-ms/op")
	})
}

func BenchmarkProduction(b *testing.B) {
	p := tfhe.Production()
	e := hollow(b, p, evaluate.Environment{})
	block := make([]uint64, p.ComputeDimension()+1)
	for i := range block {
		block[i] = 0x9e3779b97f4a7c15 * uint64(i+1)
	}
	value := func(blocks int) evaluate.Value {
		t := map[int]tfhe.Type{1: tfhe.EBool, 2: tfhe.EUint4, 4: tfhe.EUint8, 8: tfhe.EUint16}[blocks]
		v := evaluate.Value{Type: t}
		for range blocks {
			v.Blocks = append(v.Blocks, block)
		}
		return v
	}
	for _, count := range []int{1, 8} {
		f := slices.Repeat([]func(uint64) uint64{func(x uint64) uint64 { return x }}, count)
		measured(b, fmt.Sprintf("bootstrap/%d", count), func() error {
			_, err := e.Bootstrap(value(count).Blocks, f)
			return err
		})
	}
	var squashed []evaluate.Squashed
	for _, count := range []int{1, 4} {
		measured(b, fmt.Sprintf("squash/%d", (count+1)/2), func() (err error) {
			squashed, err = e.Squash(value(count))
			return err
		})
	}
	measured(b, "compress/4", func() error { _, err := e.Compress(value(4)); return err })
	measured(b, "compress squashed/2", func() error { _, err := e.CompressSquashed(squashed...); return err })
	public, err := tfhe.NewCompactPublicKey(p, make([]uint64, p.PKEDimension), make([]uint64, p.PKEDimension))
	if err != nil {
		b.Fatal(err)
	}
	measured(b, "check", func() error {
		_, err := evaluate.Check(rand.NewChaCha8([32]byte{}), e, public)
		return err
	})
}
