package devnet

import (
	"fmt"
	"os"
	"strings"
)

// LoadAverage returns the machine's over 1, 5 and 15 minutes, or "unknown".
func LoadAverage() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(raw)); err == nil && len(fields) >= 3 {
		return strings.Join(fields[:3], " ")
	}
	return "unknown"
}

// PeakMemory returns the largest resident size that any party and any validator
// had since its start, in megabytes; 0 if the system does not tell.
func (d *Devnet) PeakMemory() (partyMB, validatorMB float64) {
	for _, p := range d.Parties {
		if pid, err := p.PID(); err == nil {
			partyMB = max(partyMB, peak(pid))
		}
	}
	for i := range d.Layout.Nodes {
		if pid, err := d.Chain.PID(i); err == nil {
			validatorMB = max(validatorMB, peak(pid))
		}
	}
	return partyMB, validatorMB
}

func peak(pid int) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		var kilobytes float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kilobytes); n == 1 {
			return kilobytes * 1024 / 1e6
		}
	}
	return 0
}
