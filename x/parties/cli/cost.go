package cli

import (
	"bytes"
	"slices"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"

	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// What the estimate of time is made from. The processor's part is fitted to
// BenchmarkReshare of enclave/protocol/reshare: 195 ms a party from 4 to 4 and 408 ms
// from 4 to 7, on two cores of an AMD EPYC that others used as well (load 19). The rest
// is assumed.
const (
	// Seconds of processor for each old member and coefficient, and for each set of the
	// pseudo-random masks on top of it.
	baseSeconds = 35.5e-3 / 17_196
	setSeconds  = 4.44e-3 / 17_196
	// linkBytesPerSecond is a link of 100 Mbit/s, less its overhead.
	linkBytesPerSecond = 11e6
	// Handing over, receiving and proving end with a block each, after one in which the
	// words are.
	phaseSeconds = 6 * 0.2
)

// KeyCost is what handing one key over takes.
type KeyCost struct {
	KeyID      string `json:"key_id"`
	Parameters string `json:"parameters"`
	// Coefficients of all its secrets.
	Coefficients int `json:"coefficients"`
	// VectorBytes is what an old member sends to each new one.
	VectorBytes int `json:"vector_bytes"`
}

// Cost is what a resharing takes. Vectors are exact; all else is an estimate.
type Cost struct {
	Keys []KeyCost `json:"keys"`
	// BytesPerParty is what a member of both committees sends in all.
	BytesPerParty int64 `json:"bytes_per_party"`
	// Seconds without the set-up of the new committee.
	Seconds float64 `json:"seconds"`
	// Dealt says that the masks are dealt, which is not in the estimate.
	Dealt bool `json:"dealt"`
}

// costOf estimates a resharing of keys from n1 members that tolerate t1 to n2 that
// tolerate t2.
func costOf(keys []kmstypes.Key, n1, t1, n2, t2 int, dealt bool) (Cost, error) {
	cost := Cost{Keys: []KeyCost{}, Dealt: dealt}
	if len(keys) == 0 {
		return cost, nil
	}
	old, err := sharing.New(n1, t1, sharing.DegreeFor(n1))
	if err != nil {
		return cost, err
	}
	next, err := sharing.New(n2, t2, sharing.DegreeFor(n2))
	if err != nil {
		return cost, err
	}
	coefficients, bytes := 0, 0
	for _, key := range byID(keys) {
		parameters, err := tfhe.ByName(key.Params)
		if err != nil {
			return cost, err
		}
		config := reshare.Config{Items: []reshare.Item{{KeyID: mpc.Digest(key.Id), Parameters: parameters}}, Old: old, New: next}
		k := KeyCost{KeyID: hexText(key.Id), Parameters: key.Params, VectorBytes: config.VectorBytes()}
		for _, secret := range parameters.Secrets() {
			k.Coefficients += parameters.Dimension(secret)
		}
		coefficients, bytes = coefficients+k.Coefficients, bytes+k.VectorBytes
		cost.Keys = append(cost.Keys, k)
	}
	// An opening shows elements of the new ring: one for each of the old, or, where the
	// rings differ, one for four coordinates.
	opening := float64(bytes)
	if old.Degree() != next.Degree() {
		opening *= float64(next.Degree()) / 4
	}
	// Own vector to the new members, masks to the old ones, and the syndrome of the old
	// code among the new ones.
	sent := float64(n2-1)*float64(bytes) + float64(n1-1)*opening + float64((n2-1)*(n1-t1-1))*opening
	cost.BytesPerParty = int64(sent)
	sets := 0.0
	if !dealt {
		sets = choose(n2-1, t2)
	}
	cost.Seconds = float64(n1*coefficients)*(baseSeconds+setSeconds*sets) + sent/linkBytesPerSecond + phaseSeconds
	return cost, nil
}

func byID(keys []kmstypes.Key) []kmstypes.Key {
	return slices.SortedFunc(slices.Values(keys), func(a, b kmstypes.Key) int { return bytes.Compare(a.Id, b.Id) })
}

// choose is the binomial coefficient: of the sets of n−t members, those that one is in.
func choose(n, k int) float64 {
	out := 1.0
	for i := range k {
		out = out * float64(n-i) / float64(i+1)
	}
	return out
}
