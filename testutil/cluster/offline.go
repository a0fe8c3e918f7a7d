package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/vss"
)

// ErrStuck reports an offline phase that goes on with no set of parties: more than
// t are faulty.
var ErrStuck = errors.New("cluster: the offline phase cannot go on")

// attempt is one run of an offline protocol: its session, and the context that its
// randomness is drawn in.
type attempt struct {
	session mpc.Session
	context mpc.Digest
	dealt   map[int]*vss.Source // by party, nil if randomness is pseudo-random
}

// randomness returns what a party draws from.
func (c *Cluster) randomness(p *party, a attempt) (prss.Randomness, error) {
	if c.dealt() {
		return a.dealt[p.index], nil
	}
	return prss.NewSource(p.keys, c.code, a.context)
}

// made is what a run of an offline protocol gave.
type made struct {
	attempt
	machines map[int]*preproc.Machine // of the parties that are done
}

// vouched returns a machine that opened the same as t others: what a party may take
// over that rebuilds its shares.
func (m made) vouched(t int) (*preproc.Machine, error) {
	votes := map[mpc.Digest]int{}
	for _, machine := range m.machines {
		digest := mpc.Hash("tkms/v1/cluster/opened", machine.Opened())
		if votes[digest]++; votes[digest] > t {
			return machine, nil
		}
	}
	return nil, fmt.Errorf("%w: no t+1 parties opened the same", ErrStuck)
}

// offline runs an offline protocol with all parties that are not excluded until
// enough of them have a batch that was verified, and excludes on the way whom
// evidence convicts, more than t parties name, or more than t parties wait for. That
// is what the chain does, only that it takes longer to call a party absent. Demand is what
// the machines draw.
func (c *Cluster) offline(ctx context.Context, phase *Phase, protocol string, enough int, demand []prss.Demand, start func(p *party, a attempt) (*preproc.Machine, error)) (made, error) {
	began, t := time.Now(), c.code.T()
	for {
		a := c.newAttempt(protocol)
		if c.dealt() {
			again, err := c.deal(ctx, phase, &a, demand)
			if err != nil {
				return made{}, err
			}
			if again {
				continue
			}
		}
		machines, list := map[int]mpc.Machine{}, map[int]*preproc.Machine{}
		for _, i := range a.session.Parties.List() {
			m, err := start(c.parties[i-1], a)
			if err != nil {
				return made{}, fmt.Errorf("party %d: %w", i, err)
			}
			machines[i], list[i] = m, m
		}
		endings := c.play(ctx, a.session, machines)
		done, at, failure := c.sum(endings, enough)
		c.judgeOffline(phase, a, endings, list)
		bad := (phase.Culprits | phase.Absent).Without(c.excluded)
		c.exclude(bad)
		if done.Count() >= enough {
			phase.Agreed = done
			phase.Took = at.Sub(began)
			result := made{a, map[int]*preproc.Machine{}}
			for _, i := range done.List() {
				result.machines[i] = list[i]
			}
			return result, nil
		}
		if ctx.Err() != nil || bad == 0 || c.excluded.Count() > t {
			return made{}, errors.Join(fmt.Errorf("%w: culprits %v, absent %v", ErrStuck, phase.Culprits, phase.Absent), failure)
		}
	}
}

// newAttempt names the next run of an offline protocol.
func (c *Cluster) newAttempt(protocol string) attempt {
	s := c.session(protocol, nil)
	s.Parties = s.Parties.Without(c.excluded)
	return attempt{session: s, context: preproc.Context(c.epoch, c.generation)}
}

// judgeOffline notes whom the members of a run name, and why.
func (c *Cluster) judgeOffline(phase *Phase, a attempt, endings map[int]ending, machines map[int]*preproc.Machine) {
	phase.Runs++
	accusations, unheard := ballot{}, ballot{}
	var left sharing.Parties // since they found a culprit: the others may be waiting for them
	for i, e := range endings {
		m := machines[i]
		named := mpc.Culprits(e.err)
		if named != 0 {
			left = left.With(i)
		}
		accusations.add(i, named|m.Wrong())
		if errors.Is(e.err, errQuiet) {
			unheard.add(i, m.Missing())
		}
		c.collect(phase, a.session, m)
	}
	phase.judge(accusations, c.code.T())
	absent, _ := unheard.count(c.code.T())
	phase.Absent |= absent.Without(phase.Culprits | left)
}

// exclude takes parties out of the offline phase for the life of the cluster.
func (c *Cluster) exclude(parties sharing.Parties) {
	if parties != 0 {
		c.excluded |= parties
		c.generation++
	}
}

// makeStock makes fresh items of a shape for count blocks and returns each party's. A party
// that was not in the run that made them rebuilds its own.
func (c *Cluster) makeStock(ctx context.Context, phase *Phase, shape preproc.Shape, count int) ([][]*preproc.Batch, error) {
	stock := make([][]*preproc.Batch, c.code.N())
	if c.code.N() == 1 {
		phase.Agreed = sharing.AllParties(1)
		return stock, nil
	}
	first := c.nextItem
	c.nextItem += uint64(count)
	demand, err := preproc.Demand(shape.Sections(first, count))
	if err != nil {
		return nil, err
	}
	enough := c.code.T() + 1
	if c.dealt() { // nobody rebuilds its shares
		enough = c.code.Quorum()
	}
	result, err := c.offline(ctx, phase, "offline batch", enough, demand, func(p *party, a attempt) (*preproc.Machine, error) {
		source, err := c.randomness(p, a)
		if err != nil {
			return nil, err
		}
		return preproc.NewBatch(preproc.Config{
			Source: source, Session: a.session.ID(), From: a.session.Parties, Identity: p.identity,
		}, shape, first, count)
	})
	if err != nil {
		return nil, err
	}
	for i, p := range c.parties {
		var b *preproc.Batch
		m := result.machines[p.index]
		switch {
		case m != nil:
			b, err = preproc.FromMachine(m, shape)
		case c.dealt():
			continue // it has no shares, and takes no part
		default:
			b, err = c.rebuildBatch(p, result, shape, first, count)
		}
		if err != nil {
			return nil, fmt.Errorf("party %d: %w", p.index, err)
		}
		stock[i] = []*preproc.Batch{b}
	}
	return stock, nil
}

func (c *Cluster) rebuildBatch(p *party, result made, shape preproc.Shape, first uint64, count int) (*preproc.Batch, error) {
	vouched, err := result.vouched(c.code.T())
	if err != nil {
		return nil, err
	}
	source, err := prss.NewSource(p.keys, c.code, result.context)
	if err != nil {
		return nil, err
	}
	return preproc.RebuildBatch(source, shape, first, count, vouched.Opened())
}
