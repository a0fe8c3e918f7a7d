package enginebench

import (
	"fmt"
	"math"
	"time"

	"github.com/tkms-network/tkms/enclave/protocol/preproc"
)

// Variant is a way to decrypt a block: fewer rounds take more offline material.
type Variant string

const (
	// Auto is what parties of a network choose for the round trip of their links.
	Auto Variant = "auto"
	// Tree joins the carries of digits in a tree, in four rounds.
	Tree Variant = "tree"
	// Chain joins them at once, in three rounds.
	Chain Variant = "chain"
)

// Shape returns the shape of a variant, ErrOptions if there is none.
func (v Variant) Shape(roundTrip time.Duration) (preproc.Shape, error) {
	shape := preproc.Production()
	switch v {
	case Auto:
		return shape.ForRoundTrip(uint32(min(roundTrip.Microseconds(), math.MaxUint32))), nil
	case Tree:
		return shape, nil
	case Chain:
		shape.Chain = true
		return shape, nil
	}
	return preproc.Shape{}, fmt.Errorf("%w: no variant %q", ErrOptions, v)
}

// variantOf names a shape's variant.
func variantOf(s preproc.Shape) Variant {
	if s.Chain {
		return Chain
	}
	return Tree
}
