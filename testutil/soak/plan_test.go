package soak_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/soak"
)

var partyFaults = []soak.FaultKind{
	soak.PartyKilled, soak.PartyPaused, soak.PartyFull, soak.PartyCorrupt, soak.PartyClock, soak.PartyLiedTo, soak.PartyStalled, soak.PartyStale, soak.PartyCheating,
}

func plans(check func(p *soak.Plan)) {
	for seed := range uint64(50) {
		for _, rotations := range []bool{false, true} {
			check(soak.NewPlan(soak.Options{Seed: seed, Requests: 200, Rotations: rotations}))
		}
	}
}

func TestASeedGivesTheSamePlanAndAnotherSeedAnother(t *testing.T) {
	o := soak.Options{Seed: 7, Requests: 200}
	first := soak.NewPlan(o)
	require.Equal(t, first, soak.NewPlan(o))
	require.Equal(t, first.String(), soak.NewPlan(o).String())
	o.Seed = 8
	other := soak.NewPlan(o)
	require.NotEqual(t, first.Asks, other.Asks)
	require.NotEqual(t, first.Faults, other.Faults)
}

func TestAShorterRunBeginsAsALongerOne(t *testing.T) {
	long, short := soak.NewPlan(soak.Options{Seed: 3, Requests: 200}), soak.NewPlan(soak.Options{Seed: 3, Requests: 20})
	require.Equal(t, long.Asks[:20], short.Asks)
}

// faultyAt counts the faults of some kinds before a request, by target.
func faultyAt(p *soak.Plan, request int, kinds []soak.FaultKind) map[int]int {
	at := map[int]int{}
	for _, f := range p.Faults {
		if f.Begin <= request && request < f.End && slices.Contains(kinds, f.Kind) {
			at[f.Target]++
		}
	}
	return at
}

func TestNoMoreAreFaultyThanTolerated(t *testing.T) {
	plans(func(p *soak.Plan) {
		members := p.Parties
		if p.Rotations {
			members = 4
		}
		for request := 1; request <= p.Requests; request++ {
			for _, f := range p.Faults {
				if f.Kind == soak.CommitteeChange && f.Begin == request {
					members = len(f.Members)
				}
			}
			parties := faultyAt(p, request, partyFaults)
			require.LessOrEqual(t, len(parties), sharing.Threshold(members), "seed %d, request %d", p.Seed, request)
			for party, faults := range parties {
				require.Equal(t, 1, faults, "seed %d, request %d: party %d", p.Seed, request, party)
			}
			validators := faultyAt(p, request, []soak.FaultKind{soak.ValidatorKilled, soak.ValidatorPaused, soak.ValidatorFull})
			require.LessOrEqual(t, len(validators), 1, "seed %d, request %d", p.Seed, request)
		}
	})
}

func TestFaultsHitMembersAndEndBeforeTheCommitteeChanges(t *testing.T) {
	plans(func(p *soak.Plan) {
		members := []int{1, 2, 3, 4, 5, 6, 7}
		if p.Rotations {
			members = members[:4]
		}
		for _, f := range p.Faults {
			if f.Kind == soak.CommitteeChange {
				members = f.Members
				for _, other := range p.Faults {
					if slices.Contains(partyFaults, other.Kind) && other.Begin < f.Begin {
						require.LessOrEqual(t, other.End, f.Begin)
					}
				}
			}
			if slices.Contains(partyFaults, f.Kind) {
				require.Contains(t, members, f.Target, "seed %d: %s", p.Seed, f)
			}
			require.True(t, f.Begin >= 1 && f.Begin <= p.Requests && f.Begin <= f.End && f.End <= p.Requests+1)
		}
	})
}

func TestALongRunHasEveryKindOfFaultAndRequest(t *testing.T) {
	faults, asks := map[soak.FaultKind]bool{}, map[soak.AskKind]bool{}
	for seed := range uint64(2) { // of the lasting faults a run may have but one
		for _, rotations := range []bool{false, true} {
			p := soak.NewPlan(soak.Options{Seed: seed, Requests: 200, Rotations: rotations})
			for _, f := range p.Faults {
				faults[f.Kind] = true
			}
			for _, a := range p.Asks {
				asks[a.Kind] = true
			}
		}
	}
	require.Len(t, faults, len(partyFaults)+8)
	require.Len(t, asks, 4)
}

func TestWhatIsAskedAgainWasAskedBefore(t *testing.T) {
	plans(func(p *soak.Plan) {
		for _, a := range p.Asks {
			if a.Kind != soak.AskAgain {
				require.Zero(t, a.Of)
				continue
			}
			require.Less(t, a.Of, a.Number)
			of := p.Asks[a.Of-1]
			require.NotEqual(t, soak.AskAgain, of.Kind)
			require.Equal(t, of.Values, a.Values)
			require.Equal(t, of.Reader, a.Reader)
		}
	})
}
