package devnet

import "github.com/tkms-network/tkms/testutil/measure"

// PeakMemory returns the largest resident size that any party and any validator
// had since its start, in megabytes; 0 if the system does not tell.
func (d *Devnet) PeakMemory() (partyMB, validatorMB float64) {
	for _, p := range d.Parties {
		if pid, err := p.PID(); err == nil {
			partyMB = max(partyMB, float64(measure.PeakMemory(pid))/1e6)
		}
	}
	for i := range d.Layout.Nodes {
		if pid, err := d.Chain.PID(i); err == nil {
			validatorMB = max(validatorMB, float64(measure.PeakMemory(pid))/1e6)
		}
	}
	return partyMB, validatorMB
}
