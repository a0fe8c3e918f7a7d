package reencrypt

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// ErrUndecodable reports shares of which fewer than 2t+1 agree, or that agree on what is
// no packing of so many blocks.
var ErrUndecodable = errors.New("too few shares agree")

// MaxParties is the largest number of parties whose shares clients read.
const MaxParties = 15

// extension is the degree of the ring that clients know.
const extension = 4

// Reconstruct decodes the shares of one ciphertext that n parties made, of which up to
// t = ⌊(n−1)/3⌋ may be wrong or missing: raw elements as Open returns them, by index
// 1 … n. It succeeds as soon as 2t+1 of them are right. It returns the messages of the
// blocks, each below 2^Width (carries included), and the parties whose shares are
// wrong, ascending; with fewer than 2t+1 that agree, ErrUndecodable.
func Reconstruct(n int, shares map[int][]byte, blocks int) (messages []uint64, wrong []int, err error) {
	if n < 1 || n > MaxParties || blocks < 1 {
		return nil, nil, fmt.Errorf("%w: %d parties, %d blocks", ErrUndecodable, n, blocks)
	}
	code, err := sharing.New(n, sharing.Threshold(n), extension)
	if err != nil {
		return nil, nil, fmt.Errorf("reencrypt: %w", err)
	}
	vectors := make([][]uint64, n+1)
	var have, malformed sharing.Parties
	for i := 1; i <= n; i++ {
		share, ok := shares[i]
		if !ok {
			continue
		}
		if vectors[i], ok = coefficients(share, blocks); ok {
			have = have.With(i)
		} else {
			malformed = malformed.With(i)
		}
	}
	values, liars, err := decode(code, have, vectors, Elements(blocks))
	if err != nil {
		return nil, nil, err
	}
	for _, x := range values[blocks:] {
		if x != 0 {
			return nil, nil, fmt.Errorf("%w: there are more than %d blocks", ErrUndecodable, blocks)
		}
	}
	return values[:blocks], (liars | malformed).List(), nil
}

// coefficients returns the coefficients of a share of a number of blocks, each below
// 2^Width, and whether it has the form that honest parties give it.
func coefficients(share []byte, blocks int) ([]uint64, bool) {
	if len(share) != Elements(blocks)*ElementSize {
		return nil, false
	}
	out := make([]uint64, len(share)/coefficientSize)
	for i := range out {
		x, ok := coefficient(share[i*coefficientSize:])
		if !ok {
			return nil, false
		}
		out[i] = x
	}
	return out, true
}

// coefficient returns the value that a coefficient has at bit 123, and whether all bits
// below are zero, as in every share that Signcrypt was given.
func coefficient(raw []byte) (uint64, bool) {
	low, high := binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint64(raw[8:])
	return high >> (64 - Width), low == 0 && high<<Width == 0
}

// decode finds the polynomials on which all vectors but up to t lie. Any 2t+1 that agree
// are those of t+1 honest parties and more, which determine a polynomial of degree t.
func decode(code *sharing.Code, have sharing.Parties, vectors [][]uint64, elements int) ([]uint64, sharing.Parties, error) {
	values := make([]uint64, elements*extension)
	points := make([]ring.Elem, code.N()+1)
	quorum := 2*code.T() + 1
	var wrong sharing.Parties
	for {
		good := have.Without(wrong)
		if good.Count() < quorum {
			return nil, 0, fmt.Errorf("%w: %d of %d needed", ErrUndecodable, good.Count(), quorum)
		}
		off := code.OpenAll(values, code.T(), good, vectors, Width)
		if off < 0 {
			return values, wrong, nil
		}
		for _, i := range good.List() {
			points[i] = code.Ring().At(vectors[i], off)
		}
		// With more than t wrong ones, what agrees need not be unique.
		_, liars, err := code.Decode(good, points, Width, max(quorum, good.Count()-code.T()))
		if err != nil {
			return nil, 0, fmt.Errorf("%w: %w", ErrUndecodable, err)
		}
		wrong |= liars
	}
}
