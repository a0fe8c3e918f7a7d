package courtesy

import (
	"runtime"
	"testing"
)

func TestRoomIsBesideWhatThereIs(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	MakeRoom(3)
	if got := runtime.GOMAXPROCS(0); got != before+3 {
		t.Fatalf("%d processors, %d before", got, before)
	}
}
