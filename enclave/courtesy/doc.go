// Package courtesy runs long computations so that they stay out of the way of
// short ones: on operating system threads of the lowest scheduling priority. What
// somebody waits for runs on ordinary threads and gets the processor first, also
// before the computations of other processes on the machine.
//
// It needs no privilege, and gives none: where threads have no priority of their
// own the work runs like any other.
package courtesy

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Run calls f on a thread of low priority and waits for it.
func Run(f func()) {
	done := make(chan struct{})
	Go(func() {
		defer close(done)
		f()
	})
	<-done
}

// Go calls f on a thread of low priority, which ends with it.
func Go(f func()) {
	go func() {
		// Without unlocking: the thread is of no use to others afterwards.
		runtime.LockOSThread()
		lower()
		f()
	}()
}

// Each calls f with 0 … n−1 on as many threads of low priority as there are
// processors, and returns when all calls have.
func Each(n int, f func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	var running sync.WaitGroup
	for range workers {
		running.Add(1)
		Go(func() {
			defer running.Done()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	running.Wait()
}
