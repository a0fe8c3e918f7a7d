// Package measure reads what benchmarks tell of the machine, and condenses
// samples. On a system without /proc sizes are 0 and the load is "unknown".
package measure

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LoadAverage returns the machine's over 1, 5 and 15 minutes, or "unknown".
func LoadAverage() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(raw)); err == nil && len(fields) >= 3 {
		return strings.Join(fields[:3], " ")
	}
	return "unknown"
}

// PeakMemory returns the largest resident size, in bytes, that a process had since
// its start or since ResetPeak; 0 if the system does not tell.
func PeakMemory(pid int) int64 { return sizeOf(pid, "VmHWM") }

// Memory returns the resident size of a process in bytes, 0 if the system does not
// tell.
func Memory(pid int) int64 { return sizeOf(pid, "VmRSS") }

// ResetPeak makes PeakMemory of a process count anew from its present size.
func ResetPeak(pid int) error {
	// proc(5): 5 resets the peak resident set size.
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// clockTick is the unit of times in proc(5): USER_HZ, which Linux fixes at 100 a second.
const clockTick = 10 * time.Millisecond

// CPU returns the user and system time that a process took since its start, in whole
// hundredths of a second; 0 if the system does not tell.
func CPU(pid int) time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is a name in parentheses that may hold anything.
	_, rest, _ := strings.Cut(string(raw[max(0, bytes.LastIndexByte(raw, ')')):]), " ")
	fields := strings.Fields(rest) // from the third field on
	const user, system = 14 - 3, 15 - 3
	if len(fields) <= system {
		return 0
	}
	var ticks time.Duration
	for _, field := range []string{fields[user], fields[system]} {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0
		}
		ticks += time.Duration(n)
	}
	return ticks * clockTick
}

func sizeOf(pid int, field string) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		var kilobytes int64
		if n, _ := fmt.Sscanf(line, field+": %d kB", &kilobytes); n == 1 {
			return kilobytes << 10
		}
	}
	return 0
}

// Quantile returns the smallest sample that percent of the samples do not exceed,
// 0 if there are none.
func Quantile(all []time.Duration, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	rank := (percent*len(sorted) + 99) / 100
	return sorted[max(rank, 1)-1]
}

// Milliseconds returns d in milliseconds, cut to microseconds.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
