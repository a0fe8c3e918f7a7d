package reencrypt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Errors of reconstruction.
var (
	// ErrUndecodable reports shares of which fewer than 2t+1 agree.
	ErrUndecodable = errors.New("too few shares agree")
	// ErrValue reports that shares agree on what is no value of the layout: a block
	// with a carry, or bits beyond the plaintext's.
	ErrValue = errors.New("shares of no value of the type")
)

// Reconstruct decodes the shares of one plaintext that n parties made, of which up to
// t = ⌊(n−1)/3⌋ may be wrong or missing: shares as Open returns them, by index 1 … n.
// It succeeds as soon as 2t+1 of them are right. It returns the value and the parties
// whose shares are wrong, ascending.
func (l Layout) Reconstruct(n int, shares map[int][]byte) (value *big.Int, wrong []int, err error) {
	if n < 1 || n > MaxParties || l.degree != sharing.Threshold(n) || (l.degree == 0) != (n == 1) || l.bits == 0 {
		return nil, nil, fmt.Errorf("%w: degree %d of %d parties", ErrLayout, l.degree, n)
	}
	code, err := sharing.New(n, l.degree, BlocksPerElement)
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
		if vectors[i], ok = l.coefficients(share); ok {
			have = have.With(i)
		} else {
			malformed = malformed.With(i)
		}
	}
	blocks, liars, err := decode(code, have, vectors, l.Coefficients())
	if err != nil {
		return nil, nil, err
	}
	if value, err = l.value(blocks); err != nil {
		return nil, nil, err
	}
	return value, (liars | malformed).List(), nil
}

// value joins the digits of blocks, the lowest first.
func (l Layout) value(blocks []uint64) (*big.Int, error) {
	width := digitBits * l.packing
	value := new(big.Int)
	for i := len(blocks) - 1; i >= 0; i-- {
		if blocks[i]>>width != 0 {
			return nil, fmt.Errorf("%w: block %d has a carry", ErrValue, i)
		}
		value.Lsh(value, uint(width))
		value.Or(value, new(big.Int).SetUint64(blocks[i]))
	}
	if value.BitLen() > l.bits {
		return nil, fmt.Errorf("%w: %d bits of %d", ErrValue, value.BitLen(), l.bits)
	}
	return value, nil
}

// coefficients returns the coefficients of a share, each below 2^Width, and whether it
// has the form that honest parties give it.
func (l Layout) coefficients(share []byte) ([]uint64, bool) {
	if len(share) != l.shareSize() {
		return nil, false
	}
	out := make([]uint64, l.Coefficients())
	if l.degree == 0 {
		width := digitBits * l.packing
		for i := range min(len(out), 8*len(share)/width) {
			at := i * width
			out[i] = uint64(share[at/8]) >> (at % 8) & ring.Mask(uint(width))
		}
		return out, true
	}
	if binary.LittleEndian.Uint64(share) != uint64(len(out)/BlocksPerElement) {
		return nil, false
	}
	for i := range out {
		raw := share[8+i*coefficientBytes:]
		low, high := binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint64(raw[8:])
		if low != 0 || high<<Width != 0 { // below bit 123
			return nil, false
		}
		out[i] = high >> (64 - Width)
	}
	return out, true
}

// decode finds the polynomials on which all vectors but up to t lie. Any 2t+1 that agree
// are those of t+1 honest parties and more, which determine a polynomial of degree t.
func decode(code *sharing.Code, have sharing.Parties, vectors [][]uint64, words int) ([]uint64, sharing.Parties, error) {
	values := make([]uint64, words)
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
