package prss

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// KeySize is the length of a set's key.
const KeySize = 32

// maxSets bounds C(n, t): above it a party would spend its time on the sets.
const maxSets = 1000

// Errors of this package.
var (
	// ErrParameters reports n, t and an own index that do not fit.
	ErrParameters = errors.New("prss: the number of parties, the threshold or the own index is not supported")
	// ErrEncoding reports bytes that are not the encoding of what was asked for.
	ErrEncoding = errors.New("prss: malformed encoding")
	// ErrRange reports positions beyond the length of a stream.
	ErrRange = errors.New("prss: position outside the stream")
	// ErrContributions reports a set-up to which too few contribute, or a list of
	// dropped contributions that cannot be.
	ErrContributions = errors.New("prss: too few parties contributed to the set-up")
	// ErrOpening reports a contribution that does not open its commitment.
	ErrOpening = errors.New("prss: a contribution does not open its commitment")
	// ErrAnswer reports a sealed answer to a complaint that does not open.
	ErrAnswer = errors.New("prss: an answer to a complaint does not open")
	// ErrCheck reports own keys that are not those of the other members.
	ErrCheck = errors.New("prss: this party holds other keys than the other members")
)

// Sets returns the sets of n−t parties in ascending order of their bit masks and,
// if t > 0, as the last one the set of all n, whose key makes zero sharings of
// degree t.
func Sets(n, t int) ([]sharing.Parties, error) {
	if n < 1 || n > sharing.MaxParties || t < 0 || n < 3*t+1 || binomial(n, t) > maxSets {
		return nil, fmt.Errorf("%w: n=%d t=%d", ErrParameters, n, t)
	}
	var out []sharing.Parties
	var extend func(set sharing.Parties, top, missing int)
	extend = func(set sharing.Parties, top, missing int) {
		if missing == 0 {
			out = append(out, set)
			return
		}
		for i := missing; i <= top; i++ { // the highest member orders the masks
			extend(set.With(i), i-1, missing-1)
		}
	}
	extend(0, n, n-t)
	if t > 0 {
		out = append(out, sharing.AllParties(n))
	}
	return out, nil
}

// SetsOf returns the sets that a party is in, in the order of Sets: what it
// contributes to and commits to, C(n−1, t) and, if t > 0, one more.
func SetsOf(n, t, party int) ([]sharing.Parties, error) {
	all, err := Sets(n, t)
	if err != nil {
		return nil, err
	}
	if party < 1 || party > n {
		return nil, fmt.Errorf("%w: party %d of %d", ErrParameters, party, n)
	}
	var out []sharing.Parties
	for _, a := range all {
		if a.Has(party) {
			out = append(out, a)
		}
	}
	return out, nil
}

func binomial(n, k int) int {
	b := 1
	for i := range k {
		b = b * (n - i) / (i + 1)
	}
	return b
}

// Keys are the keys r_A of the sets that one party is in, for one epoch. They are
// as secret as the epoch's key shares: any t+1 parties' Keys are all there are.
type Keys struct {
	n, t, self int
	epoch      mpc.Digest
	transcript mpc.Digest
	sets       []sharing.Parties // those with self, in the order of Sets
	keys       [][KeySize]byte
}

func newKeys(n, t, self int, epoch mpc.Digest, sets []sharing.Parties) *Keys {
	return &Keys{n: n, t: t, self: self, epoch: epoch, sets: sets, keys: make([][KeySize]byte, len(sets))}
}

// N returns the number of parties.
func (k *Keys) N() int { return k.n }

// T returns the corruptions tolerated.
func (k *Keys) T() int { return k.t }

// Self returns the index of the party that holds the keys.
func (k *Keys) Self() int { return k.self }

// Epoch returns the id of the epoch that the keys belong to.
func (k *Keys) Epoch() mpc.Digest { return k.epoch }

// Transcript returns the transcript of the set-up that the keys come from: parties
// whose keys have the same one hold the same keys.
func (k *Keys) Transcript() mpc.Digest { return k.transcript }

// String hides the keys.
func (k *Keys) String() string {
	return fmt.Sprintf("prss.Keys(party %d of %d, redacted)", k.self, k.n)
}

// GoString hides the keys.
func (k *Keys) GoString() string { return k.String() }

// MarshalJSON hides the keys.
func (k *Keys) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }

// Zero erases the keys. Sources made from them keep their own expanded copies
// until they are dropped.
func (k *Keys) Zero() {
	for i := range k.keys {
		clear(k.keys[i][:])
	}
}

// deriveKey is r_A: a hash of the XOR of the contributions and of the list of who
// made them, with their commitments.
func deriveKey(epoch mpc.Digest, set sharing.Parties, xor *[KeySize]byte, commitments []byte) [KeySize]byte {
	return mpc.Hash("tkms/v1/prss/key", epoch[:], setBytes(set), xor[:], commitments)
}

func setBytes(a sharing.Parties) []byte { return binary.BigEndian.AppendUint32(nil, uint32(a)) }
