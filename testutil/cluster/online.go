package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// phasesOf takes in a ciphertext in the width that its key has.
func phasesOf(key *decrypt.Key, ciphertext *tfhe.Ciphertext) (*decrypt.Phases, error) {
	if ciphertext.Wide() {
		return key.WidePhases(ciphertext)
	}
	return key.Phases(ciphertext)
}

// online has all parties decrypt and returns the blocks' values, on which n−t agree.
func (c *Cluster) online(ctx context.Context, phase *Phase, ciphertext *tfhe.Ciphertext, stock [][]*preproc.Batch) ([]uint64, error) {
	s := c.session("decrypt", nil)
	for _, p := range c.parties {
		if p.shares[ciphertext.Key()] == nil { // it has got no share of a generated key
			s.Parties = s.Parties.Without(sharing.PartiesOf(p.index))
		}
	}
	machines, list := map[int]mpc.Machine{}, map[int]*decrypt.Machine{}
	for _, i := range s.Parties.List() {
		p := c.parties[i-1]
		if stock[i-1] == nil && c.dealt() && c.code.N() > 1 { // it was away when the others dealt
			continue
		}
		phases, err := phasesOf(p.shares[ciphertext.Key()], ciphertext)
		if err != nil {
			return nil, fmt.Errorf("party %d: %w", i, err)
		}
		m, err := decrypt.New(decrypt.Config{
			Code: c.code, Self: i, Session: s.ID(), Identity: p.identity, Phases: []*decrypt.Phases{phases}, Stock: stock[i-1],
		})
		if err != nil {
			return nil, fmt.Errorf("party %d: %w", i, err)
		}
		machines[i], list[i] = m, m
	}
	began := time.Now()
	endings := c.play(ctx, s, machines)
	done, at, failure := c.sum(endings, c.code.Quorum())
	phase.Runs, phase.Took = 1, at.Sub(began)
	c.judgeOpening(phase, s, endings, func(i int) opening { return list[i] })
	views := map[string]sharing.Parties{}
	for _, i := range done.List() {
		view := fmt.Sprint(list[i].Values())
		views[view] = views[view].With(i)
		if views[view].Count() >= c.code.Quorum() {
			phase.Agreed = views[view]
		}
	}
	if phase.Agreed == 0 {
		return nil, errors.Join(ErrNoAgreement, context.Cause(ctx), failure)
	}
	return list[phase.Agreed.List()[0]].Values(), nil
}

// judgeOpening notes whom the parties name or convict that took part in openings, and
// whom they did not hear.
func (c *Cluster) judgeOpening(phase *Phase, s mpc.Session, endings map[int]ending, machine func(i int) opening) {
	accusations, heard := ballot{}, ballot{}
	for i, e := range endings {
		if e.done {
			c.collect(phase, s, machine(i)) // before it names: its machine may find more
		}
		accusations.add(i, machine(i).Culprits())
		heard.add(i, e.heard)
	}
	phase.judge(accusations, c.code.T())
	for i := range endings {
		if heard[i].Count() <= c.code.T() && c.code.N() > 1 {
			phase.Absent = phase.Absent.With(i)
		}
	}
	phase.Absent = phase.Absent.Without(phase.Culprits)
}
