package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/vss"
)

// deal has the members of an attempt deal each other what it draws. It reports that another
// attempt is to be made, without parties that are excluded now. All members have to hold
// their shares: those that cannot be made to are named by the others.
func (c *Cluster) deal(ctx context.Context, phase *Phase, a *attempt, demand []prss.Demand) (again bool, err error) {
	s := a.session
	s.Protocol += ", dealing"
	machines, dealings := map[int]mpc.Machine{}, map[int]*vss.Dealing{}
	for _, i := range s.Parties.List() {
		m, err := vss.New(vss.Config{
			Code: c.code, Session: s.ID(), Context: a.context, From: s.Parties, Identity: c.parties[i-1].identity,
			Secret: c.parties[i-1].secret, Demand: demand,
		})
		if err != nil {
			return false, fmt.Errorf("party %d: %w", i, err)
		}
		machines[i], dealings[i] = m, m
	}
	endings := c.play(ctx, s, machines)
	a.dealt = map[int]*vss.Source{}
	accusations, unheard := ballot{}, ballot{}
	var failures []error
	for i, m := range dealings {
		if source := m.Source(); source != nil {
			a.dealt[i] = source
		}
		accusations.add(i, mpc.Culprits(endings[i].err)|m.Wrong())
		if errors.Is(endings[i].err, errQuiet) {
			unheard.add(i, m.Missing())
		}
		failures = append(failures, endings[i].err)
	}
	if len(a.dealt) == s.Parties.Count() {
		return false, nil
	}
	phase.Runs++
	phase.judge(accusations, c.code.T())
	absent, _ := unheard.count(c.code.T())
	phase.Absent |= absent.Without(phase.Culprits)
	bad := (phase.Culprits | phase.Absent).Without(c.excluded)
	c.exclude(bad)
	if ctx.Err() != nil || bad == sharing.Parties(0) || c.excluded.Count() > c.code.T() {
		return false, errors.Join(append([]error{fmt.Errorf("%w: culprits %v, absent %v", ErrStuck, phase.Culprits, phase.Absent)}, failures...)...)
	}
	return true, nil
}
