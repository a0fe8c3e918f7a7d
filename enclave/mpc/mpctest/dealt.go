package mpctest

import (
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/vss"
)

// Dealt lets the members of from, of n parties with the Identities, deal each other what
// demands say, in one dealing each, and returns their sources in the context, by party.
func Dealt(t testing.TB, n int, from sharing.Parties, context mpc.Digest, demands ...[]prss.Demand) []*vss.Source {
	t.Helper()
	code, err := sharing.New(n, sharing.Threshold(n), sharing.DegreeFor(n))
	if err != nil {
		t.Fatal(err)
	}
	identities, out := Identities(t, n), make([]*vss.Source, n+1)
	for a, demand := range demands {
		machines, dealings := map[int]mpc.Machine{}, make([]*vss.Dealing, n+1)
		for _, i := range from.List() {
			dealings[i], err = vss.New(vss.Config{
				Code: code, Session: mpc.Hash("mpctest/dealing", context[:], []byte{byte(a)}), Context: context, From: from,
				Identity: identities[i], Secret: mpc.Hash("mpctest/secret", []byte{byte(i)}), Demand: demand,
			})
			if err != nil {
				t.Fatal(err)
			}
			machines[i] = dealings[i]
		}
		network := Network{InOrder: true}
		if err := FirstError(network.Run(machines, n)); err != nil {
			t.Fatal(err)
		}
		for _, i := range from.List() {
			if out[i] == nil {
				out[i] = dealings[i].Source()
			} else if err := out[i].Join(dealings[i].Source()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}
