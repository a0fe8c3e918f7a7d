package devnet

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tkms-network/tkms/testutil/measure"
)

// Kinds of processes.
const (
	KindValidators = "validators"
	KindParties    = "parties"
	KindRelayer    = "relayer"
	KindHostChain  = "host chain"
)

// Usage is what all processes of a kind together took of the machine since they
// started; zero where the system does not tell.
type Usage struct {
	Kind      string
	Processes int
	CPU       time.Duration
	// PeakMemory is the largest resident size that one of them had, in bytes.
	PeakMemory int64
}

// Usage tells what the running processes took, by kind.
func (d *Devnet) Usage() []Usage {
	var parties, validators []int
	for _, p := range d.Parties {
		parties = appendPID(parties, p.Process)
	}
	for i := range d.Layout.Nodes {
		if pid, err := d.Chain.PID(i); err == nil {
			validators = append(validators, pid)
		}
	}
	return []Usage{
		usageOf(KindValidators, validators), usageOf(KindParties, parties),
		usageOf(KindRelayer, appendPID(nil, d.Relayer)), usageOf(KindHostChain, appendPID(nil, d.Host)),
	}
}

// ResetPeaks makes the largest sizes that Usage tells count anew, for the parties.
func (d *Devnet) ResetPeaks() error {
	for _, p := range d.Parties {
		pid, err := p.Process.PID()
		if err != nil {
			return err
		}
		if err := measure.ResetPeak(pid); err != nil {
			return err
		}
	}
	return nil
}

// Sent returns the bytes that all parties together sent to each other.
func (d *Devnet) Sent(ctx context.Context) (bytes float64, err error) {
	for _, p := range d.Parties {
		raw, err := download(ctx, "http://"+p.StatusAddr+"/metrics")
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(raw)) {
			if rest, ok := strings.CutPrefix(line, sentMetric); ok {
				_, value, _ := strings.Cut(rest, " ")
				n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
				if err != nil {
					return 0, fmt.Errorf("%s of p%d: %w", sentMetric, p.ID, err)
				}
				bytes += n
			}
		}
	}
	return bytes, nil
}

// sentMetric is what a party's metric of the bytes that it sent begins with.
const sentMetric = "tkms_party_sent_bytes{"

func appendPID(pids []int, p *Process) []int {
	if pid, err := p.PID(); err == nil {
		pids = append(pids, pid)
	}
	return pids
}

func usageOf(kind string, pids []int) Usage {
	u := Usage{Kind: kind, Processes: len(pids)}
	for _, pid := range pids {
		u.CPU += measure.CPU(pid)
		u.PeakMemory = max(u.PeakMemory, measure.PeakMemory(pid))
	}
	return u
}
