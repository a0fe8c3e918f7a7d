package evaluate

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// packAtOnce is how many ciphertexts are packed in one pass over the key. Each takes a
// GLWE ciphertext's memory for each part of the key switch.
const packAtOnce = 32

// Compress packs values for storage.
func (e *Evaluator) Compress(values ...Value) (*tfhe.CompressedCiphertextList, error) {
	if err := e.check(values...); err != nil {
		return nil, err
	}
	part, err := e.part(tfhe.ComponentCompression)
	if err != nil {
		return nil, err
	}
	var in [][]uint64
	listed := make([]tfhe.ListValue, len(values))
	for i, v := range values {
		listed[i] = e.listed(v.Type)
		for _, lwe := range v.Blocks {
			// To where the carries were: the message then has a bit more of room.
			scaled := make([]uint64, len(lwe))
			for j, x := range lwe {
				scaled[j] = e.parameters.CarryModulus * x
			}
			in = append(in, scaled)
		}
	}
	glwes, err := packAll(in, part, int(e.parameters.Compression.LWEsPerGLWE), // #nosec G115 -- small
		func(in [][]uint64) ([][]uint64, error) { return e.switchKeys(tfhe.ComponentCompression, in) },
		func(x, y uint64) uint64 { return x + y },
		func(x uint64) uint64 { return -x })
	if err != nil {
		return nil, err
	}
	return tfhe.NewCompressedCiphertextList(e.parameters, listed, glwes)
}

// CompressSquashed packs squashed values.
func (e *Evaluator) CompressSquashed(values ...Squashed) (*tfhe.CompressedSquashedNoiseCiphertextList, error) {
	if err := e.checkSquashed(values...); err != nil {
		return nil, err
	}
	part, err := e.part(tfhe.ComponentSquashingCompression)
	if err != nil {
		return nil, err
	}
	var in [][]wide.Word
	listed := make([]tfhe.ListValue, len(values))
	for i, s := range values {
		listed[i] = e.listed(s.Type)
		in = append(in, s.Blocks...)
	}
	glwes, err := packAll(in, part, int(e.parameters.SquashingCompression.LWEsPerGLWE), // #nosec G115 -- small
		func(in [][]wide.Word) ([][]wide.Word, error) {
			return e.switchWideKeys(tfhe.ComponentSquashingCompression, in)
		}, wide.Word.Add, wide.Word.Neg)
	if err != nil {
		return nil, err
	}
	return tfhe.NewCompressedSquashedNoiseCiphertextList(e.parameters, listed, glwes)
}

// packAll packs LWE ciphertexts, so many in a GLWE ciphertext, at X^0, X^1, …: each its
// mask polynomials and as many coefficients of the body as there are in it.
func packAll[T any](in [][]T, part tfhe.Part, most int, toGLWE func([][]T) ([][]T, error), add func(T, T) T, neg func(T) T) ([][]T, error) {
	var out [][]T
	for first := 0; first < len(in); first += most {
		chunk := in[first:min(first+most, len(in))]
		packed := make([]T, part.MaskWords()+part.BodyWords())
		for at := 0; at < len(chunk); at += packAtOnce {
			glwes, err := toGLWE(chunk[at:min(at+packAtOnce, len(chunk))])
			if err != nil {
				return nil, err
			}
			for i, g := range glwes {
				addRotated(packed, g, part.Degree, at+i, add, neg)
			}
		}
		out = append(out, packed[:part.MaskWords()+len(chunk)])
	}
	return out, nil
}

// addRotated adds X^exponent times each polynomial of degree n of a GLWE ciphertext.
func addRotated[T any](sum, g []T, n, exponent int, add func(T, T) T, neg func(T) T) {
	for first := 0; first < len(g); first += n {
		p, to := g[first:first+n], sum[first:first+n]
		for j, x := range p {
			if at := j + exponent; at < n {
				to[at] = add(to[at], x)
			} else {
				to[at-n] = add(to[at-n], neg(x))
			}
		}
	}
}

// Decompress returns a value of a compressed list, decoded, in fresh blocks.
func (e *Evaluator) Decompress(c *tfhe.Ciphertext) (Value, error) {
	if c.Key() != tfhe.CompressionKey || c.Parameters().Name != e.parameters.Name {
		return Value{}, fmt.Errorf("decompress %v under %v: %w", c.Type(), c.Key(), ErrOperand)
	}
	degree := e.parameters.PolynomialSize
	var in []exponents
	for _, lwe := range lwes(c) {
		in = append(in, switchModulus(lwe, degree, false))
	}
	table := e.table(degree, e.parameters.MessageModulus, identity)
	blocks, err := e.rotateNarrow(tfhe.ComponentDecompression, in, func(int) polynomial { return table })
	return Value{Type: c.Type(), Blocks: blocks}, err
}
