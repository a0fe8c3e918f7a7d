package tfhe

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
	// Components are the parts of a key set that are generated and published. The
	// parameters of a part that the set has not are zero.
	Components Components

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

	// SwitchBits is K of the threshold decryption under the compute and the
	// public-key encryption key, see [Parameters.Switch].
	SwitchBits uint

	Compression          CompressionParameters
	Squashing            SquashingParameters
	SquashingCompression SquashingCompressionParameters
}

// Decomposition is a gadget decomposition into Levels digits of BaseLog bits.
type Decomposition struct{ BaseLog, Levels uint64 }

// CompressionParameters belong to the compression of ciphertexts for storage, in
// words of StorageLog bits. BlindRotation decompresses.
type CompressionParameters struct {
	BlindRotation, PackingKS      Decomposition
	GLWEDimension, PolynomialSize int
	LWEsPerGLWE, StorageLog       uint64
	Noise                         Noise
}

// SquashingParameters belong to noise squashing, modulus 2^128.
//
// SwitchBits is K of the threshold decryption under the key.
type SquashingParameters struct {
	GLWEDimension, PolynomialSize int
	Noise                         Noise
	PBS                           Decomposition
	SwitchBits                    uint
}

// SquashingCompressionParameters belong to the compression of noise-squashed
// ciphertexts, modulus 2^128. SwitchBits is K of the threshold decryption.
type SquashingCompressionParameters struct {
	PackingKS                     Decomposition
	GLWEDimension, PolynomialSize int
	LWEsPerGLWE                   uint64
	Noise                         Noise
	SwitchBits                    uint
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

// Switch returns the shape of the threshold decryption of LWE ciphertexts under a
// key: they are switched to modulus 2^K, and plaintexts have the W uppermost bits,
// with the padding bit.
//
// K is the least for which the rounding errors of all coefficients together,
// (dimension+1)/2 at most, leave about half of the decoding margin 2^(K-W-1) to
// the noise. Compressed ciphertexts come in words of K bits, so nothing is rounded;
// W is smaller by the carries, which they have not. Both are 0 if the set has not
// the key.
func (p Parameters) Switch(k KeyKind) (K, W uint) {
	switch k {
	case ComputeKey, PublicKeyEncryptionKey:
		return p.SwitchBits, p.WindowBits()
	case CompressionKey:
		if p.Compression.StorageLog > 0 {
			return uint(p.Compression.StorageLog), p.WindowBits() - uint(messageBits(p)) // #nosec G115 -- small
		}
	case SquashingKey:
		if p.Squashing.SwitchBits > 0 {
			return p.Squashing.SwitchBits, p.WindowBits()
		}
	case SquashingCompressionKey:
		if p.SquashingCompression.SwitchBits > 0 {
			return p.SquashingCompression.SwitchBits, p.WindowBits()
		}
	}
	return 0, 0
}
