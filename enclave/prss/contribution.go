package prss

import (
	"fmt"
	"io"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Contribution is what one party adds to the keys of the sets that it is in: a
// random value a set, committed to on the chain before any is shown. It is
// secret until the set-up is over, and as secret as Keys afterwards.
type Contribution struct {
	n, t, self int
	epoch      mpc.Digest
	sets       []sharing.Parties
	openings   [][OpeningSize]byte
}

// NewContribution draws party self's contribution to an epoch from random, which
// must be cryptographic.
func NewContribution(random io.Reader, epoch mpc.Digest, self, n, t int) (*Contribution, error) {
	c, err := newContribution(epoch, self, n, t)
	if err != nil {
		return nil, err
	}
	for i := range c.openings {
		if _, err := io.ReadFull(random, c.openings[i][:]); err != nil {
			return nil, fmt.Errorf("prss: read randomness: %w", err)
		}
	}
	return c, nil
}

func newContribution(epoch mpc.Digest, self, n, t int) (*Contribution, error) {
	sets, err := SetsOf(n, t, self)
	if err != nil {
		return nil, err
	}
	return &Contribution{n: n, t: t, self: self, epoch: epoch, sets: sets, openings: make([][OpeningSize]byte, len(sets))}, nil
}

// commit is c_{i,A} = H("prss", epoch, i, A, κ, salt).
func commit(epoch mpc.Digest, i int, a sharing.Parties, opening *[OpeningSize]byte) mpc.Digest {
	return mpc.Hash("tkms/v1/prss/commitment", epoch[:], mpc.Uint64(uint64(i)), setBytes(a), opening[:KeySize], opening[KeySize:])
}

// commitments returns the list of commitments, one a set, in the order of Sets.
func (c *Contribution) commitments() [][]byte {
	out := make([][]byte, len(c.sets))
	for i, a := range c.sets {
		h := commit(c.epoch, c.self, a, &c.openings[i])
		out[i] = h[:]
	}
	return out
}

// Root returns the Merkle root of the commitments, which goes on the chain.
func (c *Contribution) Root() mpc.Digest { return merkle.Root(c.commitments()) }

// Zero erases the contribution.
func (c *Contribution) Zero() {
	for i := range c.openings {
		clear(c.openings[i][:])
	}
}

// String hides the contribution.
func (c *Contribution) String() string {
	return fmt.Sprintf("prss.Contribution(party %d of %d, redacted)", c.self, c.n)
}

// GoString hides the contribution.
func (c *Contribution) GoString() string { return c.String() }

// MarshalJSON hides the contribution.
func (c *Contribution) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }
