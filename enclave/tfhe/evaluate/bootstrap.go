package evaluate

import (
	"fmt"
	"io"
	"slices"

	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// function is what a bootstrap applies to the plaintext of a block.
type function = func(x uint64) uint64

func identity(x uint64) uint64 { return x }

// table returns the polynomial whose coefficient at the phase of a plaintext x below
// inputs, or within half a step of it, is f(x)·Delta. It is a fraction of 2^128: the
// same for both moduli.
func (e *Evaluator) table(degree int, inputs uint64, f function) polynomial {
	step := degree / int(inputs) // #nosec G115 -- 4 or 16
	out := make(polynomial, degree)
	for j := range out {
		x := uint64((j + step/2) / step) // #nosec G115 -- positive
		if x < inputs {
			out[j].Hi = f(x) * e.parameters.Delta()
		} else { // a little below 0: X^N = −1
			out[j].Hi = -f(0) * e.parameters.Delta()
		}
	}
	return out
}

// plaintexts is the number of plaintexts of a block with its carries.
func (e *Evaluator) plaintexts() uint64 {
	return e.parameters.MessageModulus * e.parameters.CarryModulus
}

// Bootstrap returns for each block a fresh encryption of its function of the plaintext
// under the compute key. Blocks may have carries, and noise of up to MaxNoiseLevel fresh
// ones.
func (e *Evaluator) Bootstrap(blocks [][]uint64, functions []func(x uint64) uint64) ([][]uint64, error) {
	if len(blocks) != len(functions) {
		return nil, fmt.Errorf("%d functions of %d blocks: %w", len(functions), len(blocks), ErrOperand)
	}
	small, err := e.switchKeys(tfhe.ComponentKeySwitch, blocks)
	if err != nil {
		return nil, err
	}
	return e.bootstrapSmall(small, functions)
}

// bootstrapSmall is Bootstrap of ciphertexts under the small key.
func (e *Evaluator) bootstrapSmall(small [][]uint64, functions []function) ([][]uint64, error) {
	degree := e.parameters.PolynomialSize
	in := make([]exponents, len(small))
	for i, lwe := range small {
		in[i] = switchModulus(lwe, degree, true)
	}
	return e.rotateNarrow(tfhe.ComponentBootstrap, in, func(i int) polynomial {
		return e.table(degree, e.plaintexts(), functions[i])
	})
}

// rotateNarrow is blindRotate and the extraction of the coefficients at 0, modulo 2^64.
func (e *Evaluator) rotateNarrow(c tfhe.Component, in []exponents, table func(i int) polynomial) ([][]uint64, error) {
	var out [][]uint64
	err := e.blindRotate(c, in, table, func(g glwe) { out = append(out, upper(g.extract(0))) })
	return out, err
}

// Expand casts the values of compact lists to the compute key, as a coprocessor's
// expansion does: a key switch and, for each block, a bootstrap that takes it out of its
// pair.
func (e *Evaluator) Expand(lists ...*tfhe.CompactCiphertextList) ([]Value, error) {
	var values []Value
	var sources [][]uint64
	var functions []function
	for _, list := range lists {
		first := 0
		for i, listed := range list.Values {
			c, err := list.Ciphertext(i)
			if err != nil {
				return nil, err
			}
			if c.Parameters().Name != e.parameters.Name {
				return nil, fmt.Errorf("list under %q: %w", c.Parameters().Name, ErrOperand)
			}
			values = append(values, Value{Type: c.Type()})
			all := lwes(c)
			for block := first; block < first+listed.Blocks; block++ {
				sources = append(sources, all[block/c.Packing()-first/c.Packing()])
				functions = append(functions, e.unpack(c, block))
			}
			first += listed.Blocks
		}
	}
	small, err := e.switchKeys(tfhe.ComponentCasting, sources)
	if err != nil {
		return nil, err
	}
	blocks, err := e.bootstrapSmall(small, functions)
	if err != nil {
		return nil, err
	}
	for i := range values {
		count := values[i].Type.Blocks(e.parameters)
		values[i].Blocks, blocks = blocks[:count:count], blocks[count:]
	}
	return values, nil
}

// unpack takes a block of a list out of its plaintext, and out of it what fits the type.
func (e *Evaluator) unpack(c *tfhe.Ciphertext, block int) function {
	shift, modulus := uint64(1), e.degree(c.Type())+1
	if c.Packing() == 2 && block%2 == 1 {
		shift = e.parameters.MessageModulus
	}
	return func(x uint64) uint64 { return x / shift % modulus }
}

// Combine applies f, whose results are digits, to each pair of digits of two values of
// one type.
func (e *Evaluator) Combine(a, b Value, f func(x, y uint64) uint64) (Value, error) {
	if err := e.check(a, b); err != nil {
		return Value{}, err
	}
	if a.Type != b.Type {
		return Value{}, fmt.Errorf("%v and %v: %w", a.Type, b.Type, ErrOperand)
	}
	modulus := e.parameters.MessageModulus
	blocks, err := e.Bootstrap(pair(a.Blocks, b.Blocks, modulus),
		slices.Repeat([]function{func(x uint64) uint64 { return f(x/modulus, x%modulus) }}, len(a.Blocks)))
	return Value{Type: a.Type, Blocks: blocks}, err
}

// Add returns the sum of two values of one type modulo 2^bits: a carry at a time, as
// nobody would who is in a hurry.
func (e *Evaluator) Add(a, b Value) (Value, error) {
	if err := e.check(a, b); err != nil {
		return Value{}, err
	}
	if a.Type != b.Type || a.Type == tfhe.EBool {
		return Value{}, fmt.Errorf("sum of %v and %v: %w", a.Type, b.Type, ErrOperand)
	}
	modulus := e.parameters.MessageModulus
	digit := func(x uint64) uint64 { return x % modulus }
	carry := func(x uint64) uint64 { return x / modulus }
	sums := pair(a.Blocks, b.Blocks, 1)
	out := Value{Type: a.Type}
	for i, sum := range sums {
		both, err := e.Bootstrap([][]uint64{sum, sum}, []function{digit, carry})
		if err != nil {
			return Value{}, err
		}
		out.Blocks = append(out.Blocks, both[0])
		if i+1 < len(sums) {
			sums[i+1] = pair(sums[i+1:i+2], both[1:], 1)[0]
		}
	}
	return out, nil
}

// pair returns factor·high + low of each of two vectors of LWE ciphertexts.
func pair(high, low [][]uint64, factor uint64) [][]uint64 {
	out := make([][]uint64, len(high))
	for i := range out {
		out[i] = make([]uint64, len(high[i]))
		for j, x := range high[i] {
			out[i][j] = factor*x + low[i][j]
		}
	}
	return out
}

// Random returns fresh encryptions of bits that nobody knows, pseudo-random by the key
// set's OPRF key, as blocks. coins choose them: the same coins give the same bits.
func (e *Evaluator) Random(coins io.Reader, count int) ([][]uint64, error) {
	part, err := e.part(tfhe.ComponentOPRF)
	if err != nil {
		return nil, err
	}
	in := make([]exponents, count)
	for i := range in {
		if in[i], err = randomExponents(coins, part.Inputs, part.Degree); err != nil {
			return nil, err
		}
	}
	// Whatever the phase, the coefficient is half a Delta or minus that.
	half := make(polynomial, part.Degree)
	for j := range half {
		half[j].Hi = e.parameters.Delta() / 2
	}
	blocks, err := e.rotateNarrow(tfhe.ComponentOPRF, in, func(int) polynomial { return half })
	for _, lwe := range blocks {
		lwe[len(lwe)-1] += e.parameters.Delta() / 2
	}
	return blocks, err
}

// Squash returns values with the noise of 128-bit bootstraps, two digits to a block.
func (e *Evaluator) Squash(values ...Value) ([]Squashed, error) {
	if err := e.check(values...); err != nil {
		return nil, err
	}
	var packed [][]uint64
	for _, v := range values {
		for i := 0; i < len(v.Blocks); i += 2 {
			if i+1 == len(v.Blocks) {
				packed = append(packed, v.Blocks[i])
				continue
			}
			packed = append(packed, pair(v.Blocks[i+1:i+2], v.Blocks[i:i+1], e.parameters.MessageModulus)[0])
		}
	}
	small, err := e.switchKeys(tfhe.ComponentKeySwitch, packed)
	if err != nil {
		return nil, err
	}
	degree := e.parameters.Squashing.PolynomialSize
	in := make([]exponents, len(small))
	for i, lwe := range small {
		in[i] = switchModulus(lwe, degree, true)
	}
	table := e.table(degree, e.plaintexts(), identity)
	var blocks [][]wide.Word
	err = e.blindRotate(tfhe.ComponentSquashing, in, func(int) polynomial { return table },
		func(g glwe) { blocks = append(blocks, g.extract(0)) })
	if err != nil {
		return nil, err
	}
	out := make([]Squashed, len(values))
	for i, v := range values {
		count := (len(v.Blocks) + 1) / 2
		out[i] = Squashed{v.Type, blocks[:count:count]}
		blocks = blocks[count:]
	}
	return out, nil
}
