package evaluate

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/big"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// ReRandomize adds to each value fresh encryptions of zero under the key set's public
// key that is derived from the compute key. coins must be random for it to hide
// anything.
func (e *Evaluator) ReRandomize(coins io.Reader, values ...Value) ([]Value, error) {
	if err := e.check(values...); err != nil {
		return nil, err
	}
	public, err := e.reRandomizationKey()
	if err != nil {
		return nil, err
	}
	out := make([]Value, len(values))
	for i, v := range values {
		list, err := public.Encrypt(coins, v.Type, new(big.Int), false)
		if err != nil {
			return nil, err
		}
		zeros, err := list.Ciphertext(0)
		if err != nil {
			return nil, err
		}
		out[i] = Value{Type: v.Type, Blocks: pair(v.Blocks, lwes(zeros), 1)}
	}
	return out, nil
}

// reRandomizationKey is a compact public key in all but its dimension and noise.
func (e *Evaluator) reRandomizationKey() (*tfhe.CompactPublicKey, error) {
	const c = tfhe.ComponentReRandomization
	part, err := e.part(c)
	if err != nil {
		return nil, err
	}
	masks, err := e.keys.Masks(c)
	if err != nil {
		return nil, err
	}
	mask, body := make([]uint64, part.MaskWords()), make([]uint64, part.BodyWords())
	masks.Row(0, mask)
	if err := e.keys.Body(c, 0, body); err != nil {
		return nil, err
	}
	p := e.parameters
	p.PKEDimension, p.PKENoise = part.Degree, part.Noise
	return tfhe.NewCompactPublicKey(p, mask, body)
}

// randomExponents draws an LWE ciphertext of n coefficients modulo 2N with body 0.
func randomExponents(coins io.Reader, n, degree int) (exponents, error) {
	raw := make([]byte, 4*n)
	if _, err := io.ReadFull(coins, raw); err != nil {
		return nil, fmt.Errorf("evaluate: read coins: %w", err)
	}
	out := make(exponents, n+1)
	for i := range n {
		out[i] = int(binary.LittleEndian.Uint32(raw[4*i:])) & (2*degree - 1)
	}
	return out, nil
}
