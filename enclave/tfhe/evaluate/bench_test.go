package evaluate_test

import (
	"fmt"
	"os"
	"sync"
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
		b.Run(fmt.Sprintf("bootstrap/%d", count), func(b *testing.B) {
			f := make([]func(uint64) uint64, count)
			for i := range f {
				f[i] = func(x uint64) uint64 { return x }
			}
			for b.Loop() {
				if _, err := e.Bootstrap(value(count).Blocks, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	var squashed []evaluate.Squashed
	for _, count := range []int{1, 4} {
		b.Run(fmt.Sprintf("squash/%d", (count+1)/2), func(b *testing.B) {
			for b.Loop() {
				var err error
				if squashed, err = e.Squash(value(count)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("compress/4", func(b *testing.B) {
		for b.Loop() {
			if _, err := e.Compress(value(4)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("compress squashed/2", func(b *testing.B) {
		for b.Loop() {
			if _, err := e.CompressSquashed(squashed...); err != nil {
				b.Fatal(err)
			}
		}
	})
}
