package noise

import (
	"fmt"
	"math"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// Operation is a step of a computation at which noise may exceed half a step.
type Operation uint8

// The operations.
const (
	// Decryption is of a fresh ciphertext by the parties.
	Decryption Operation = iota
	// Expansion casts a fresh ciphertext to the compute key: the bootstrap in it.
	Expansion
	// Bootstrap is of a sum of bootstrapped ciphertexts at the maximal noise level.
	Bootstrap
	// DecompressedBootstrap is a Bootstrap of decompressed ciphertexts.
	DecompressedBootstrap
	// Compression packs as many ciphertexts as fit and rounds them to few bits; it is
	// what a decompression or a decryption of the list then meets.
	Compression
	// Squashing is the 128-bit bootstrap of two blocks in one ciphertext.
	Squashing
	// SquashedDecryption is of a list of squashed ciphertexts: half a step of a block.
	SquashedDecryption
	operations
)

// String names the operation.
func (o Operation) String() string {
	if o < operations {
		return [operations]string{
			"decryption of a fresh ciphertext", "expansion", "bootstrap", "bootstrap after decompression",
			"compression", "squashing", "decryption of squashed ciphertexts",
		}[o]
	}
	return fmt.Sprintf("operation(%d)", uint8(o))
}

// Variance returns the variance of the noise at the operation and the size at which
// it fails. ok is false if the parameter set has not what it takes.
func (m *Model) Variance(o Operation) (variance, limit float64, ok bool) {
	p := m.parameters
	limit = math.Ldexp(1, 63-int(p.WindowBits()))
	switch o {
	case Decryption:
		return m.Fresh(), limit, m.has(tfhe.ComponentPublicKey)
	case Expansion:
		return m.blindRotation(tfhe.ComponentCasting, m.Fresh()), limit, m.has(tfhe.ComponentCasting, tfhe.ComponentBootstrap)
	case Bootstrap:
		return m.sum(tfhe.ComponentBootstrap), limit, m.has(tfhe.ComponentKeySwitch, tfhe.ComponentBootstrap)
	case DecompressedBootstrap:
		return m.sum(tfhe.ComponentDecompression), limit, m.has(tfhe.ComponentKeySwitch, tfhe.ComponentDecompression)
	case Compression:
		return m.compressed(), limit * float64(p.CarryModulus), m.has(tfhe.ComponentBootstrap, tfhe.ComponentCompression)
	case Squashing:
		// The higher block is multiplied by the modulus of the lower one.
		factor := float64(1 + p.MessageModulus*p.MessageModulus)
		in := factor * m.Bootstrapped(tfhe.ComponentBootstrap, false)
		return m.blindRotation(tfhe.ComponentKeySwitch, in), limit, m.has(tfhe.ComponentKeySwitch, tfhe.ComponentSquashing)
	case SquashedDecryption:
		return m.Squashed(), math.Ldexp(limit, 64), m.has(tfhe.ComponentSquashing)
	}
	return 0, 0, false
}

// has reports whether the set has all these components.
func (m *Model) has(components ...tfhe.Component) bool {
	for _, c := range components {
		if _, ok := m.parameters.Part(c); !ok {
			return false
		}
	}
	return true
}

// sum is the variance at the bootstrap of a sum of variance MaxNoiseLevel² of
// results of bootstraps under c.
func (m *Model) sum(c tfhe.Component) float64 {
	level := float64(m.parameters.MaxNoiseLevel)
	return m.blindRotation(tfhe.ComponentKeySwitch, level*level*m.Bootstrapped(c, false))
}

// blindRotation is the variance after the key switch c and the switch to 2N.
func (m *Model) blindRotation(c tfhe.Component, in float64) float64 {
	p := m.parameters
	return m.Switched(c, 1, in) + centeredSwitch(p.LWEDimension, p.PolynomialSize)
}

// compressed is the variance of a coefficient of a full compressed list.
func (m *Model) compressed() float64 {
	p, c := m.parameters, m.parameters.Compression
	factor := float64(p.MessageModulus * p.MessageModulus)
	v := m.Switched(tfhe.ComponentCompression, int(c.LWEsPerGLWE), factor*m.Bootstrapped(tfhe.ComponentBootstrap, false)) // #nosec G115 -- small
	return v + Rounding(c.GLWEDimension*c.PolynomialSize, uint(c.StorageLog))                                             // #nosec G115 -- small
}

// Squashed returns the variance of squashed ciphertexts in units of 2^-128, packed
// if the set has the key for it; 0 if the set does not squash.
func (m *Model) Squashed() float64 {
	if !m.has(tfhe.ComponentSquashing) {
		return 0
	}
	v := m.Bootstrapped(tfhe.ComponentSquashing, false)
	if m.has(tfhe.ComponentSquashingCompression) {
		v = m.Switched(tfhe.ComponentSquashingCompression, int(m.parameters.SquashingCompression.LWEsPerGLWE), v) // #nosec G115 -- small
	}
	return v
}

// Failure returns the operation of a key under the model that fails most often and
// the binary logarithm of how often.
func (m *Model) Failure() (worst Operation, log2 float64) {
	log2 = math.Inf(-1)
	for o := range operations {
		variance, limit, ok := m.Variance(o)
		if !ok {
			continue
		}
		if l := log2Tail(limit, variance); l > log2 {
			worst, log2 = o, l
		}
	}
	return worst, log2
}

// Limit returns the binary logarithm of the failure probability that is allowed
// under the model's parameter set.
func (m *Model) Limit() float64 {
	if m.parameters.Insecure {
		return InsecureLimit
	}
	return Limit
}

// Check refuses, with a [*FailureError], a key that fails more often than
// [Model.Limit], or whose squashed ciphertexts exceed 2^SquashedBound more often than
// 2^SquashedLimit.
func (m *Model) Check() error {
	if worst, log2 := m.Failure(); log2 > m.Limit() {
		return &FailureError{Operation: worst, Log2: log2, Limit: m.Limit(), Cause: ErrFailure}
	}
	return m.squashed()
}

// squashed is the part of Check about squashed ciphertexts.
func (m *Model) squashed() error {
	if log2 := log2Tail(math.Ldexp(1, SquashedBound), m.Squashed()); log2 > SquashedLimit {
		return &FailureError{Operation: Squashing, Log2: log2, Limit: SquashedLimit, Cause: ErrSquashed}
	}
	return nil
}
