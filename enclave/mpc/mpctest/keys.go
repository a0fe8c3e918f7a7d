package mpctest

import (
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Epoch is the epoch id that Keys uses.
var Epoch = mpc.Hash("mpctest/epoch")

// Keys runs a PRSS set-up of n parties with randomness from the seed and returns
// the keys by party (element 0 unused).
func Keys(t testing.TB, n int, seed byte) []*prss.Keys {
	t.Helper()
	threshold := sharing.Threshold(n)
	contributions, roots := make([]*prss.Contribution, n+1), map[int]mpc.Digest{}
	random := Random(uint64(seed))
	for i := 1; i <= n; i++ {
		c, err := prss.NewContribution(random, Epoch, i, n, threshold)
		if err != nil {
			t.Fatal(err)
		}
		contributions[i], roots[i] = c, c.Root()
	}
	machines, setups := map[int]mpc.Machine{}, make([]*prss.Setup, n+1)
	for i := 1; i <= n; i++ {
		s, err := prss.NewSetup(contributions[i], roots)
		if err != nil {
			t.Fatal(err)
		}
		machines[i], setups[i] = s, s
	}
	var network Network
	if err := FirstError(network.Run(machines, n)); err != nil {
		t.Fatal(err)
	}
	keys := make([]*prss.Keys, n+1)
	for i := 1; i <= n; i++ {
		if keys[i] = setups[i].Keys(); keys[i] == nil {
			t.Fatalf("party %d has no keys", i)
		}
	}
	return keys
}

// Sources returns Keys' sources in the given context, by party.
func Sources(t testing.TB, n, d int, seed byte, context mpc.Digest) []*prss.Source {
	t.Helper()
	code, err := sharing.New(n, sharing.Threshold(n), d)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]*prss.Source, n+1)
	for i, k := range Keys(t, n, seed) {
		if k == nil {
			continue
		}
		if out[i], err = prss.NewSource(k, code, context); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
