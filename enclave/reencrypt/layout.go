package reencrypt

import (
	"errors"
	"fmt"

	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
)

// ErrLayout reports a number of bits, a packing or a degree that clients do not read.
var ErrLayout = errors.New("no layout of a share")

const (
	// MaxParties is the largest number of parties whose shares clients read.
	MaxParties = 15
	// Width is the number of bits of a coefficient of a share: message, carry and
	// padding of one block. Clients read a block at bit 123 of 128.
	Width = 5
	// BlocksPerElement is the number of blocks that share an element.
	BlocksPerElement = 4
	// digitBits is the number of bits that a block holds for each unit of packing.
	digitBits = 2
	// coefficientBytes is the length of a coefficient of 128 bits.
	coefficientBytes = 16
)

// Layout says how one plaintext lies in a share. The zero value is none.
//
// Of several parties a share is elements. The share of a single party, whose degree is
// 0, would show the plaintext anyway, and clients read it as the plaintext's bytes.
type Layout struct {
	bits, packing, degree int
}

// Elements returns the number of elements that hold a number of blocks.
func Elements(blocks int) int { return ceil(blocks, BlocksPerElement) }

// NewLayout returns the layout of a plaintext of a number of bits, packing (1 or 2)
// digits of two bits a block, in shares of degree t (0 … 4). It returns ErrLayout for
// other numbers.
func NewLayout(bits, packing, degree int) (Layout, error) {
	const most = (MaxParties - 1) / 3
	if bits < 1 || packing < 1 || packing > 2 || degree < 0 || degree > most {
		return Layout{}, fmt.Errorf("%w: %d bits, packing %d, degree %d", ErrLayout, bits, packing, degree)
	}
	return Layout{bits, packing, degree}, nil
}

// Blocks returns the number of LWE blocks.
func (l Layout) Blocks() int { return ceil(l.bits, digitBits*l.packing) }

// Coefficients returns the number of coefficients of a share: the blocks, rounded up to
// whole elements.
func (l Layout) Coefficients() int { return Elements(l.Blocks()) * BlocksPerElement }

// Packing returns the digits in one block.
func (l Layout) Packing() int { return l.packing }

// SigncryptedSize returns the length in bytes of what Signcrypt returns.
func (l Layout) SigncryptedSize() int {
	return nonceSize + 8 + mlkem512.CiphertextSize + 8 + l.plainSize() + tagSize
}

// plainSize is the length of what is encrypted.
func (l Layout) plainSize() int {
	return 8 + l.shareSize() + 4 + 8 + linkSize + signatureSize + fingerprintSize
}

// shareSize is the length of a share as a client gets it.
func (l Layout) shareSize() int {
	if l.degree == 0 {
		return ceil(l.bits, 8)
	}
	return 8 + l.Coefficients()*coefficientBytes
}

// appendShare appends a share. Of one party the digits of its blocks are joined to
// bytes; what is left of the last byte is zero.
func (l Layout) appendShare(b []byte, share []uint64) []byte {
	if l.degree > 0 {
		b = appendU64(b, uint64(len(share)/BlocksPerElement))
		for _, x := range share { // at bit 123: in the upper of two words
			b = appendU64(appendU64(b, 0), x<<(64-Width))
		}
		return b
	}
	start := len(b)
	b = append(b, make([]byte, l.shareSize())...)
	for i := range l.Blocks() {
		at := i * digitBits * l.packing
		b[start+at/8] |= byte(share[i] << (at % 8))
	}
	return b
}

func ceil(a, b int) int { return (a + b - 1) / b }
