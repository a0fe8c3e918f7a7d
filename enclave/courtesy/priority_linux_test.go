package courtesy

import (
	"syscall"
	"testing"
)

// raw reports the priority as the system call does: 20 less the nice value.
func raw(t *testing.T) int {
	p, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOnlyTheWorkHasLowPriority(t *testing.T) {
	before := raw(t)
	seen := make(chan int)
	Go(func() { seen <- raw(t) })
	during := <-seen
	if want := 20 - lowest; during != want {
		t.Fatalf("priority %d, not %d", during, want)
	}
	if after := raw(t); after != before {
		t.Fatalf("priority %d of other work, %d before", after, before)
	}
}
