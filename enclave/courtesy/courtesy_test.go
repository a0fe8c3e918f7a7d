package courtesy

import (
	"sync/atomic"
	"testing"
)

func TestEachCallsEveryIndexOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100} {
		counts := make([]atomic.Int32, n)
		Each(n, func(i int) { counts[i].Add(1) })
		for i := range counts {
			if counts[i].Load() != 1 {
				t.Fatalf("%d of %d: %d calls", i, n, counts[i].Load())
			}
		}
	}
}

func TestRunWaits(t *testing.T) {
	ran := false
	Run(func() { ran = true })
	if !ran {
		t.Fatal("not called")
	}
}
