package measure

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQuantilesAreSamples(t *testing.T) {
	var all []time.Duration
	for i := 20; i >= 1; i-- {
		all = append(all, time.Duration(i)*time.Millisecond)
	}
	require.Equal(t, 10*time.Millisecond, Quantile(all, 50))
	require.Equal(t, 19*time.Millisecond, Quantile(all, 95))
	require.Equal(t, 20*time.Millisecond, Quantile(all, 100))
	require.Equal(t, 20*time.Millisecond, Quantile(all[:1], 50))
	require.Zero(t, Quantile(nil, 50))
}

func TestThePeakFollowsWhatIsTouched(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no /proc")
	}
	debug.FreeOSMemory() // or the block may be of memory that the process has already
	if err := ResetPeak(os.Getpid()); err != nil {
		t.Skip(err)
	}
	const size = 64 << 20
	before := PeakMemory(os.Getpid())
	require.Positive(t, before)
	block := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		block[i] = 1
	}
	require.GreaterOrEqual(t, PeakMemory(os.Getpid()), before+size/2)
	runtime.KeepAlive(block)
	require.NotEqual(t, "unknown", LoadAverage())
	require.Zero(t, Memory(-1))
}

func TestTheCPUTimeOfAProcessGrowsWithItsWork(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no /proc")
	}
	before := CPU(os.Getpid())
	for end := time.Now().Add(time.Minute); CPU(os.Getpid()) < before+5*clockTick && time.Now().Before(end); {
	}
	require.GreaterOrEqual(t, CPU(os.Getpid()), before+5*clockTick)
	require.Zero(t, CPU(-1))
}
