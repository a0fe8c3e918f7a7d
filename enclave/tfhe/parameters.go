package tfhe

import "fmt"

// Noise is the distribution TUniform(b), b = Noise: an integer r in
// [-2^b, 2^b] with probability 2^-(b+2) at both ends and 2^-(b+1) elsewhere.
type Noise uint32

// Parameters is a set of TFHE parameters: everything that a decoder compares
// with. The ciphertext modulus is 2^64 (2^128 for noise squashing) throughout,
// secret keys are binary, and a plaintext of w-1 = log2(MessageModulus *
// CarryModulus) bits sits below one padding bit, at 2^(64-w).
type Parameters struct {
	// Name identifies the set on chain and in files.
	Name string
	// Insecure says that the set gives no security: for tests only.
	Insecure bool

	// MessageModulus and CarryModulus are the sizes of a block's two parts.
	MessageModulus, CarryModulus uint64
	// MaxNoiseLevel is the most that a block's noise level may be.
	MaxNoiseLevel uint64
	// Log2FailureProbability is that of one bootstrap, as TFHE-rs records it.
	Log2FailureProbability float64

	// LWEDimension and LWENoise belong to the small key, between key switch and
	// bootstrap.
	LWEDimension int
	LWENoise     Noise
	// GLWEDimension polynomials of PolynomialSize coefficients are the compute
	// key; flattened, it is the LWE key that blocks are under.
	GLWEDimension, PolynomialSize int
	GLWENoise                     Noise
	// PBS and KS are the gadget decompositions of bootstrap and key switch.
	PBS, KS Decomposition

	// PKEDimension is that of the LWE key of the compact public key.
	PKEDimension int
	PKENoise     Noise
	// PKEKS is the decomposition of the key switch from it to the small key.
	PKEKS Decomposition
	// ZKScheme is the scheme of proofs of encryption: 0 none, 1 V1, 2 V2.
	ZKScheme uint32

	// SwitchBits is K of the threshold decryption: ciphertexts are switched to
	// modulus 2^K before they are decrypted. The least K for which the rounding
	// errors of all coefficients together, (dimension+1)/2 at most, leave half
	// of the decoding margin 2^(K-w-1) to the noise.
	SwitchBits uint

	Compression          CompressionParameters
	Squashing            SquashingParameters
	SquashingCompression SquashingCompressionParameters
}

// Decomposition is a gadget decomposition into Levels digits of BaseLog bits.
type Decomposition struct{ BaseLog, Levels uint64 }

// CompressionParameters belong to the compression of ciphertexts for storage.
type CompressionParameters struct {
	BlindRotation, PackingKS      Decomposition
	GLWEDimension, PolynomialSize int
	LWEsPerGLWE, StorageLog       uint64
	Noise                         Noise
}

// SquashingParameters belong to noise squashing, modulus 2^128.
type SquashingParameters struct {
	GLWEDimension, PolynomialSize int
	Noise                         Noise
	PBS                           Decomposition
}

// SquashingCompressionParameters belong to the compression of noise-squashed
// ciphertexts, modulus 2^128.
type SquashingCompressionParameters struct {
	PackingKS                     Decomposition
	GLWEDimension, PolynomialSize int
	LWEsPerGLWE                   uint64
	Noise                         Noise
}

// Names of the parameter sets.
const (
	// V1_7_2M128 is what fhEVM uses in production, TFHE-rs'
	// V1_7_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128: two bits
	// of message, two of carry, failure probability 2^-128.
	V1_7_2M128 = "V1_7_2M128"
	// InsecureTest has the same structure in small dimensions.
	InsecureTest = "INSECURE_TEST"
)

// ByName returns the parameter set of that name, or [ErrUnknownParameters].
func ByName(name string) (Parameters, error) {
	switch name {
	case V1_7_2M128:
		return Production(), nil
	case InsecureTest:
		return Test(), nil
	}
	return Parameters{}, fmt.Errorf("%q: %w", name, ErrUnknownParameters)
}

// Production returns the set V1_7_2M128.
func Production() Parameters {
	return Parameters{
		Name:                   V1_7_2M128,
		MessageModulus:         4,
		CarryModulus:           4,
		MaxNoiseLevel:          5,
		Log2FailureProbability: -129.581,
		LWEDimension:           918,
		LWENoise:               45,
		GLWEDimension:          1,
		PolynomialSize:         2048,
		GLWENoise:              17,
		PBS:                    Decomposition{BaseLog: 23, Levels: 1},
		KS:                     Decomposition{BaseLog: 4, Levels: 4},
		PKEDimension:           2048,
		PKENoise:               17,
		PKEKS:                  Decomposition{BaseLog: 4, Levels: 4},
		ZKScheme:               2,
		SwitchBits:             17,
		Compression: CompressionParameters{
			BlindRotation: Decomposition{BaseLog: 23, Levels: 1},
			PackingKS:     Decomposition{BaseLog: 4, Levels: 3},
			GLWEDimension: 4, PolynomialSize: 256,
			LWEsPerGLWE: 256, StorageLog: 12, Noise: 43,
		},
		Squashing: SquashingParameters{
			GLWEDimension: 2, PolynomialSize: 2048, Noise: 30,
			PBS: Decomposition{BaseLog: 24, Levels: 3},
		},
		SquashingCompression: SquashingCompressionParameters{
			PackingKS:     Decomposition{BaseLog: 41, Levels: 2},
			GLWEDimension: 6, PolynomialSize: 1024, LWEsPerGLWE: 128, Noise: 3,
		},
	}
}

// Test returns the set INSECURE_TEST: an eighth of the dimensions, the same
// noise bounds, no security whatever.
func Test() Parameters {
	p := Production()
	p.Name = InsecureTest
	p.Insecure = true
	p.LWEDimension = 64
	p.PolynomialSize = 256
	p.PKEDimension = 256
	p.SwitchBits = 14
	p.Compression.PolynomialSize = 64
	p.Compression.LWEsPerGLWE = 64
	p.Squashing.PolynomialSize = 256
	p.SquashingCompression.PolynomialSize = 128
	p.SquashingCompression.LWEsPerGLWE = 16
	return p
}

// ComputeDimension returns the dimension of the LWE key that the blocks of
// FheBool and FheUint are under: the compute key, flattened.
func (p Parameters) ComputeDimension() int { return p.GLWEDimension * p.PolynomialSize }

// WindowBits returns w, the bits of a block with its padding bit: 5 for two bits
// of message and two of carry.
func (p Parameters) WindowBits() uint {
	w := uint(1)
	for m := p.MessageModulus * p.CarryModulus; m > 1; m >>= 1 {
		w++
	}
	return w
}

// Delta returns 2^(64-w), by which plaintexts are scaled.
func (p Parameters) Delta() uint64 { return 1 << (64 - p.WindowBits()) }
