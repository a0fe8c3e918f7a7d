package tfhe

import "fmt"

// Names of the parameter sets.
const (
	// NameProduction is the whole of what fhEVM uses, TFHE-rs'
	// V1_7_META_PARAM_CPU_2_2_KS_PBS_PKE_TO_SMALL_ZKV2_TUNIFORM_2M128: two bits of
	// message, two of carry, failure probability 2^-128.
	NameProduction = "production"
	// NameProductionCompute is the same without compression and noise squashing.
	NameProductionCompute = "production-compute"
	// NameProductionPKE is the compact public key alone.
	NameProductionPKE = "production-pke"
	// NameTest has all that production has in small dimensions, without security.
	NameTest = "test"
)

// Names returns the names of all parameter sets.
func Names() []string {
	return []string{NameProduction, NameProductionCompute, NameProductionPKE, NameTest}
}

// ByName returns the parameter set of that name, or [ErrUnknownParameters].
func ByName(name string) (Parameters, error) {
	switch name {
	case NameProduction:
		return Production(), nil
	case NameProductionCompute:
		return ProductionCompute(), nil
	case NameProductionPKE:
		return ProductionPKE(), nil
	case NameTest:
		return Test(), nil
	}
	return Parameters{}, fmt.Errorf("%q: %w", name, ErrUnknownParameters)
}

// Production returns the set [NameProduction].
func Production() Parameters {
	p := ProductionCompute()
	p.Name = NameProduction
	p.Components = allComponents
	p.Compression = CompressionParameters{
		BlindRotation: Decomposition{BaseLog: 23, Levels: 1},
		PackingKS:     Decomposition{BaseLog: 4, Levels: 3},
		GLWEDimension: 4, PolynomialSize: 256,
		LWEsPerGLWE: 256, StorageLog: 12, Noise: 43,
	}
	p.Squashing = SquashingParameters{
		GLWEDimension: 2, PolynomialSize: 2048, Noise: 30,
		PBS: Decomposition{BaseLog: 24, Levels: 3}, SwitchBits: 19,
	}
	p.SquashingCompression = SquashingCompressionParameters{
		PackingKS:     Decomposition{BaseLog: 41, Levels: 2},
		GLWEDimension: 6, PolynomialSize: 1024, LWEsPerGLWE: 128, Noise: 3, SwitchBits: 19,
	}
	return p
}

// ProductionCompute returns the set [NameProductionCompute].
func ProductionCompute() Parameters {
	return Parameters{
		Name: NameProductionCompute,
		Components: componentsOf(ComponentPublicKey, ComponentKeySwitch, ComponentBootstrap,
			ComponentCasting, ComponentReRandomization, ComponentOPRF),
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
	}
}

// ProductionPKE returns the set [NameProductionPKE]. Its key set still has the
// compute and the small key, so that all parameters of them hold.
func ProductionPKE() Parameters {
	p := ProductionCompute()
	p.Name = NameProductionPKE
	p.Components = componentsOf(ComponentPublicKey)
	return p
}

// Test returns the set [NameTest]: the noise of production in dimensions that
// give no security whatever and keep the real library's computations right.
//
// A bootstrap fails if the rounding of the modulus switch to 2N = 512 and the key
// switch's noise leave a window of ±8. The centered rounding errors of 32 key bits
// have variance 32/48 + 1/12, the key switch adds less than 1/100 of it: 9.2
// standard deviations, 2^-65. Decompression, ±32 at a variance of 10.8 for 256 key
// bits, is 9.7 of them.
func Test() Parameters {
	p := Production()
	p.Name = NameTest
	p.Insecure = true
	p.Log2FailureProbability = -65
	p.LWEDimension = 32
	p.PolynomialSize = 256
	p.PKEDimension = 256
	p.SwitchBits = 14
	p.Compression.PackingKS = Decomposition{BaseLog: 8, Levels: 2}
	p.Compression.GLWEDimension = 2
	p.Compression.PolynomialSize = 128
	p.Compression.LWEsPerGLWE = 64
	p.Squashing.PolynomialSize = 256
	p.Squashing.SwitchBits = 16
	p.SquashingCompression.GLWEDimension = 2
	p.SquashingCompression.PolynomialSize = 256
	p.SquashingCompression.LWEsPerGLWE = 32
	p.SquashingCompression.SwitchBits = 16
	return p
}
