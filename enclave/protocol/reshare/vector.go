package reshare

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// A vector is what an old member sends to all of the new committee: for each item and each
// secret of it, in order, the masked share, d₁ words a coefficient of 8 or 16 bytes each,
// little-endian.

// VectorDigest returns what old member old posts of its vector on the chain.
func VectorDigest(session mpc.Digest, old int, vector []byte) mpc.Digest {
	return mpc.Hash("tkms/v1/reshare/vector", session[:], mpc.Uint64(uint64(old)), vector) // #nosec G115 -- an index
}

// VectorBytes returns the length of a vector. It needs Items and Old.
func (c *Config) VectorBytes() int {
	total := 0
	for _, s := range segments(c.Items) {
		total += c.partBytes(s)
	}
	return total
}

// partBytes is the length of a segment of a vector.
func (c *Config) partBytes(s segment) int { return ring.PackedLen(c.integers(s), s.k) }

// parts cuts a vector into its segments; ErrVectors if it is not of their length.
func (c *Config) parts(old int, vector []byte) ([][]byte, error) {
	if want := c.VectorBytes(); len(vector) != want {
		return nil, fmt.Errorf("%w: that of old member %d has %d bytes, not %d", ErrVectors, old, len(vector), want)
	}
	var out [][]byte
	for _, s := range segments(c.Items) {
		size := c.partBytes(s)
		out, vector = append(out, vector[:size:size]), vector[size:]
	}
	return out, nil
}

// words reads a segment of a vector.
func (c *Config) words(s segment, part []byte) ([]wide.Word, error) {
	out := make([]wide.Word, c.integers(s))
	if err := wide.Unpack(out, part, s.k); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrVectors, err)
	}
	return out, nil
}

// mask returns a segment of the own vector: the share of the secret with its mask, the
// opened words of which are given.
func (c *Config) mask(s segment, mask []wide.Word) []byte {
	share := c.Shares[s.item]
	v := share.PartWide(s.secret)
	if s.k <= 64 {
		v = widen(share.Part(s.secret))
		defer clear(v)
	}
	masked := make([]wide.Word, len(v))
	for i, x := range v {
		masked[i] = x.Add(mask[i])
	}
	return wide.AppendPacked(make([]byte, 0, c.partBytes(s)), masked, s.k)
}
