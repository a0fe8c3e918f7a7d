package enginebench

import (
	"fmt"
	"time"

	"github.com/tkms-network/tkms/enclave/protocol/preproc"
)

// Variant is a way to decrypt a block: fewer rounds take other offline material.
type Variant string

const (
	// Auto is what parties of a network choose for the round trip of their links.
	Auto Variant = "auto"
	// Tree computes the carry in a tree, in six rounds.
	Tree Variant = "tree"
	// Digits2, Digits3 and Digits4 take it from tables of two, three or four digits.
	Digits2 Variant = "digits2"
	Digits3 Variant = "digits3"
	Digits4 Variant = "digits4"
)

// fixed are the variants by the digits of their shapes.
var fixed = map[uint8]Variant{0: Tree, 2: Digits2, 3: Digits3, 4: Digits4}

// Shape returns the shape of a variant, ErrOptions if there is none.
func (v Variant) Shape(roundTrip time.Duration) (preproc.Shape, error) {
	shape := preproc.Production()
	if v == Auto {
		return shape, nil
	}
	for digits, known := range fixed {
		if known == v {
			shape.Digits = digits
			return shape, nil
		}
	}
	return preproc.Shape{}, fmt.Errorf("%w: no variant %q", ErrOptions, v)
}

// variantOf names a shape's variant.
func variantOf(s preproc.Shape) Variant { return fixed[s.Digits] }
