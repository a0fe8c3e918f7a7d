package evaluate

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// Value is one value in blocks under the compute key, each fresh from a bootstrap and
// with clean carries: what fits a FheBool or FheUint.
type Value struct {
	// Type is the value's.
	Type tfhe.Type
	// Blocks are LWE ciphertexts, mask and body, of the digits to base MessageModulus,
	// the lowest first.
	Blocks [][]uint64
}

// Squashed is one value after noise squashing.
type Squashed struct {
	// Type is the value's.
	Type tfhe.Type
	// Blocks are LWE ciphertexts modulo 2^128, mask and body, of two digits each, the
	// last of one if there are an odd number.
	Blocks [][]wide.Word
}

// Read takes in a FheBool or FheUint that has been decoded. A ciphertext of another
// kind, or with carries, is [ErrOperand].
func (e *Evaluator) Read(c *tfhe.Ciphertext) (Value, error) {
	if c.Key() != tfhe.ComputeKey || !c.CarryClean() {
		return Value{}, fmt.Errorf("read %v: %w", c.Type(), ErrOperand)
	}
	return Value{Type: c.Type(), Blocks: lwes(c)}, nil
}

// lwes returns all LWE ciphertexts of c, mask and body.
func lwes(c *tfhe.Ciphertext) [][]uint64 {
	out := make([][]uint64, c.Len())
	for i := range out {
		lwe := make([]uint64, c.Dimension()+1)
		lwe[len(lwe)-1] = c.LWE(i, lwe[:len(lwe)-1])
		out[i] = lwe
	}
	return out
}

// Encode writes the value as TFHE-rs' safe_serialize does a FheBool or FheUint.
func (e *Evaluator) Encode(v Value) ([]byte, error) {
	if err := e.check(v); err != nil {
		return nil, err
	}
	blocks := make([]tfhe.Block, len(v.Blocks))
	for i, lwe := range v.Blocks {
		blocks[i] = tfhe.Block{Data: tfhe.NewWords(lwe), Degree: e.degree(v.Type), NoiseLevel: 1}
	}
	if v.Type == tfhe.EBool {
		return tfhe.NewFheBool(e.parameters, blocks[0]).MarshalBinary()
	}
	return tfhe.NewFheUint(e.parameters, blocks).MarshalBinary()
}

// EncodeSquashed writes the value as TFHE-rs' safe_serialize does a
// SquashedNoiseFheBool or SquashedNoiseFheUint.
func (e *Evaluator) EncodeSquashed(s Squashed) ([]byte, error) {
	if err := e.checkSquashed(s); err != nil {
		return nil, err
	}
	digits := s.Type.Blocks(e.parameters)
	blocks := make([]tfhe.SquashedBlock, len(s.Blocks))
	for i, lwe := range s.Blocks {
		degree := e.degree(s.Type)
		if 2*i+1 < digits {
			degree *= 1 + e.parameters.MessageModulus
		}
		blocks[i] = tfhe.SquashedBlock{Data: tfhe.NewWideWords(lwe), Degree: degree}
	}
	if s.Type == tfhe.EBool {
		return tfhe.NewSquashedNoiseFheBool(e.parameters, blocks[0]).MarshalBinary()
	}
	return tfhe.NewSquashedNoiseFheUint(e.parameters, blocks, digits).MarshalBinary()
}

// degree is the greatest digit of a type.
func (e *Evaluator) degree(t tfhe.Type) uint64 {
	if t == tfhe.EBool {
		return 1
	}
	return e.parameters.MessageModulus - 1
}

// check refuses a value that has not the blocks of its type, or of another dimension.
func (e *Evaluator) check(values ...Value) error {
	for _, v := range values {
		if len(v.Blocks) == 0 || len(v.Blocks) != v.Type.Blocks(e.parameters) {
			return fmt.Errorf("%d blocks of %v: %w", len(v.Blocks), v.Type, ErrOperand)
		}
		for _, lwe := range v.Blocks {
			if len(lwe) != e.parameters.ComputeDimension()+1 {
				return fmt.Errorf("block of %d words: %w", len(lwe), ErrOperand)
			}
		}
	}
	return nil
}

// checkSquashed is check for squashed values.
func (e *Evaluator) checkSquashed(values ...Squashed) error {
	for _, s := range values {
		if len(s.Blocks) == 0 || len(s.Blocks) != (s.Type.Blocks(e.parameters)+1)/2 {
			return fmt.Errorf("%d squashed blocks of %v: %w", len(s.Blocks), s.Type, ErrOperand)
		}
		for _, lwe := range s.Blocks {
			if len(lwe) != e.parameters.Dimension(tfhe.SecretSquashing)+1 {
				return fmt.Errorf("squashed block of %d words: %w", len(lwe), ErrOperand)
			}
		}
	}
	return nil
}

// listed says what values are in a list.
func (e *Evaluator) listed(t tfhe.Type) tfhe.ListValue {
	return tfhe.ListValue{Boolean: t == tfhe.EBool, Blocks: t.Blocks(e.parameters)}
}
