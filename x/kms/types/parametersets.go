package types

import "slices"

// Names of the parameter sets that keys can have.
const (
	// Production is the complete key set of fhEVM.
	Production = "production"
	// ProductionCompute is what computing takes: no compression, no squashing.
	ProductionCompute = "production-compute"
	// ProductionPKE is the compact public key alone.
	ProductionPKE = "production-pke"
	// TestParameters is a small set with all parts. It is insecure.
	TestParameters = "test"
)

// Kinds of files that parties publish beside the public key, as TFHE-rs calls them.
const (
	ObjectXofKeySet = "CompressedXofKeySet"
	ObjectServerKey = "CompressedServerKey"
)

// Forms of ciphertexts that test decryptions cover, as TFHE-rs calls their types.
const (
	FormUint                 = "FheUint"
	FormCompactList          = "CompactCiphertextList"
	FormCompressedList       = "CompressedCiphertextList"
	FormSquashed             = "SquashedNoiseFheUint"
	FormCompressedSquashList = "CompressedSquashedNoiseCiphertextList"
)

// How the noise of the 64-bit components is made.
const (
	// NoiseExact has the distribution of TFHE-rs.
	NoiseExact = "exact"
	// NoisePRSS is a sum of one sample a set of parties.
	NoisePRSS = "prss"
)

// ParameterSet is what x/kms knows of a parameter set.
type ParameterSet struct {
	Name string
	// Objects are the kinds of files that material names, in this order.
	Objects []string
	// Tested are the forms in which test decryptions must come out right, in this order.
	Tested []string
	// Insecure sets are for tests; only the genesis of a chain admits one.
	Insecure bool
}

var parameterSets = func() []ParameterSet {
	files := []string{ObjectXofKeySet, ObjectServerKey}
	every := []string{FormUint, FormCompactList, FormCompressedList, FormSquashed, FormCompressedSquashList}
	return []ParameterSet{
		{Name: Production, Objects: files, Tested: every},
		{Name: ProductionCompute, Objects: files, Tested: []string{FormUint, FormCompactList}},
		{Name: ProductionPKE, Tested: []string{FormCompactList}},
		{Name: TestParameters, Objects: files, Tested: every, Insecure: true},
	}
}()

// ParameterSetByName returns a parameter set that keys can have.
func ParameterSetByName(name string) (ParameterSet, bool) {
	i := slices.IndexFunc(parameterSets, func(s ParameterSet) bool { return s.Name == name })
	if i < 0 {
		return ParameterSet{}, false
	}
	return parameterSets[i], true
}

// NoiseModel returns the binary logarithm, in thousandths and rounded up, of the
// probability that an operation comes out wrong under a key that so many parties
// generated with noise of this kind. There is none if they cannot generate it so.
type NoiseModel func(parameterSet, noise string, parties int) (milli int32, ok bool)

// SecureFailureMilli is the probability of failure that secure parameter sets keep
// to, unless governance accepts more: 2^-128.
const SecureFailureMilli = -128_000
