package devnet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/tkms-network/tkms/app/localnet"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/carrier"
	"github.com/tkms-network/tkms/testutil/fault"
)

// ErrTooManyFaults reports more faulty parties than a committee tolerates.
var ErrTooManyFaults = errors.New("more parties are faulty than the committee tolerates")

// CheckFaults refuses faults with which a network of so many parties could not decrypt.
func CheckFaults(faults map[int]fault.Kind, parties int) error {
	if t := sharing.Threshold(parties); len(faults) > t {
		return fmt.Errorf("%w: %d of %d are, and at most %d may be", ErrTooManyFaults, len(faults), parties, t)
	}
	return nil
}

// carried returns the URL at which a party reaches its own node.
func (d *Devnet) carried(party int, node localnet.Node) (string, error) {
	if d.Config.Faults[party] == fault.LyingNode {
		c := carrier.New(node.RPC, carrier.Forge())
		d.carriers[party] = c
		return c.URL(), nil
	}
	if d.Config.Carry != nil {
		return d.Config.Carry(party, node.RPC)
	}
	return node.RPCURL(), nil
}

// beginFault has a party that was started crash again and again, if that is its fault.
func (d *Devnet) beginFault(p *Party) {
	for number, kind := range d.Config.Faults {
		if kind == fault.CrashLoop && d.Parties[number-1] == p {
			d.loops = append(d.loops, startCrashLoop(p.Process))
		}
	}
}

// Pervert has the next starts of a party run tkms-faulty-party with a variable of that
// program, under the keys and the registration that the party has.
func (d *Devnet) Pervert(p *Party, variable string) {
	p.become(filepath.Join(d.Config.Bin, faultyParty), variable)
}

// Convert has the next starts of a party run tkms-party.
func (d *Devnet) Convert(p *Party) { p.become(filepath.Join(d.Config.Bin, honestParty)) }

// A party in a crash loop lives for a while between these bounds each time: long enough
// to begin work, too short to rely on.
const (
	shortestLife = time.Second
	longestLife  = 8 * time.Second
)

// crashLoop kills and restarts a process.
type crashLoop struct {
	stop, done chan struct{}
}

func startCrashLoop(p *Process) *crashLoop {
	l := &crashLoop{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for {
			select {
			case <-l.stop:
				return
			case <-time.After(shortestLife + rand.N(longestLife-shortestLife)): //nolint:gosec // a moment, no secret
			}
			// A start that fails is one more crash.
			_ = p.Kill()
			_ = p.Start()
		}
	}()
	return l
}

func (l *crashLoop) end() {
	close(l.stop)
	<-l.done
}
