// Package courtesy runs long computations so that they stay out of the way of
// short ones: on operating system threads of the lowest scheduling priority. What
// somebody waits for runs on ordinary threads and gets the processor first, also
// before the computations of other processes on the machine.
//
// It needs no privilege, and gives none: where threads have no priority of their
// own the work runs like any other.
package courtesy

import "runtime"

// MakeRoom lets so many threads of low priority have one of the Go scheduler's
// processors each, beside those that there are. Without that a thread of low priority
// that the system does not run keeps goroutines waiting that it would run at once.
func MakeRoom(threads int) { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + threads) }

// Go calls f on a thread of low priority, which ends with it.
func Go(f func()) {
	go func() {
		// Without unlocking: the thread is of no use to others afterwards.
		runtime.LockOSThread()
		lower()
		f()
	}()
}
