package tfhe

// version is the tag that tfhe-versionable writes in front of a versioned type:
// the index of the newest variant in the type's dispatch enum.
type version struct {
	name string
	tag  uint32
}

// The version tags of TFHE-rs 1.6 and 1.7 (they are equal for all of these).
// Types that are only a newtype over an integer all have tag 0 and share
// verNewtype; so do the enums without a payload.
var (
	verNewtype = version{"newtype", 0}

	verClientKey           = version{"high_level_api::ClientKey", 1}
	verIntegerClientKey    = version{"IntegerClientKey", 8}
	verIntegerClientInner  = version{"integer::ClientKey", 0}
	verGenericClientKey    = version{"shortint::GenericClientKey", 1}
	verAtomicClientKey     = version{"AtomicPatternClientKey", 0}
	verStandardClientKey   = version{"StandardAtomicPatternClientKey", 0}
	verGlweSecretKey       = version{"GlweSecretKey", 0}
	verLweSecretKey        = version{"LweSecretKey", 0}
	verPBSParameters       = version{"PBSParameters", 0}
	verClassicPBS          = version{"ClassicPBSParameters", 2}
	verIntegerCompactKey   = version{"integer::CompactPrivateKey", 0}
	verShortintCompactKey  = version{"shortint::CompactPrivateKey", 0}
	verKeySwitching        = version{"ShortintKeySwitchingParameters", 0}
	verIntegerCompression  = version{"integer::CompressionPrivateKeys", 0}
	verShortintCompression = version{"shortint::CompressionPrivateKeys", 0}
	verCompression         = version{"CompressionParameters", 1}
	verClassicCompression  = version{"ClassicCompressionParameters", 0}
	verIntegerSquashing    = version{"integer::NoiseSquashingPrivateKey", 0}
	verShortintSquashing   = version{"shortint::NoiseSquashingPrivateKey", 0}
	verSquashing           = version{"NoiseSquashingParameters", 2}
	verClassicSquashing    = version{"NoiseSquashingClassicParameters", 0}
	verIntegerSquashComp   = version{"integer::NoiseSquashingCompressionPrivateKey", 0}
	verShortintSquashComp  = version{"shortint::NoiseSquashingCompressionPrivateKey", 0}
	verSquashComp          = version{"NoiseSquashingCompressionParameters", 0}
	verReRandomization     = version{"ReRandomizationParameters", 0}
	verIntegerOPRF         = version{"integer::OprfPrivateKey", 0}
	verShortintOPRF        = version{"shortint::OprfPrivateKey", 0}
	verAtomicOPRF          = version{"AtomicPatternOprfPrivateKey", 0}

	verDistribution   = version{"DynamicDistribution", 0}
	verTUniform       = version{"TUniform", 0}
	verModulus        = version{"SerializableCiphertextModulus", 0}
	verModulusSwitch  = version{"ModulusSwitchType", 0}
	verPKEParameters  = version{"CompactPublicKeyEncryptionParameters", 1}
	verTag            = version{"Tag", 0}
	verReRandMetadata = version{"ReRandomizationMetadata", 0}

	verPublicKey           = version{"high_level_api::CompactPublicKey", 1}
	verIntegerPublicKey    = version{"IntegerCompactPublicKey", 0}
	verIntegerPublicInner  = version{"integer::CompactPublicKey", 0}
	verShortintPublicKey   = version{"shortint::CompactPublicKey", 1}
	verLwePublicKey        = version{"LweCompactPublicKey", 0}
	verGlweCiphertext      = version{"GlweCiphertext", 0}
	verCompressedKey       = version{"high_level_api::CompressedCompactPublicKey", 1}
	verIntegerCompressed   = version{"IntegerCompressedCompactPublicKey", 0}
	verIntegerSeededInner  = version{"integer::CompressedCompactPublicKey", 0}
	verShortintCompressed  = version{"shortint::CompressedCompactPublicKey", 1}
	verSeededLwePublicKey  = version{"SeededLweCompactPublicKey", 0}
	verSeededGlwe          = version{"SeededGlweCiphertext", 0}
	verCompressionSeed     = version{"CompressionSeed", 1}
	verAesCtrParams        = version{"AesCtrParams", 0}
	verSeedKind            = version{"SeedKind", 0}
	verTableIndex          = version{"TableIndex", 0}
	verFheBool             = version{"FheBool", 2}
	verFheUint             = version{"FheUint", 2}
	verInnerCiphertext     = version{"inner ciphertext", 0}
	verBooleanBlock        = version{"BooleanBlock", 0}
	verBaseRadixCiphertext = version{"BaseRadixCiphertext", 0}
	verShortintCiphertext  = version{"shortint::Ciphertext", 1}
	verLweCiphertext       = version{"LweCiphertext", 0}
	verList                = version{"high_level_api::CompactCiphertextList", 1}
	verIntegerList         = version{"integer::CompactCiphertextList", 1}
	verShortintList        = version{"shortint::CompactCiphertextList", 2}
	verLweList             = version{"LweCompactCiphertextList", 0}
	verDataKind            = version{"DataKind", 1}
	verProvenList          = version{"high_level_api::ProvenCompactCiphertextList", 0}
	verIntegerProvenList   = version{"integer::ProvenCompactCiphertextList", 0}
	verShortintProvenList  = version{"shortint::ProvenCompactCiphertextList", 0}
	verProof               = version{"CompactPkeProof", 2}
	verAffine              = version{"SerializableAffine", 0}
	verQuadraticExtension  = version{"SerializableQuadExtField", 0}
	verPrimeField          = version{"SerializableFp", 0}

	verXofKeySet                = version{"CompressedXofKeySet", 1}
	verXofSeedStart             = version{"XofSeedStart", 0}
	verServerKey                = version{"high_level_api::CompressedServerKey", 2}
	verIntegerServerKey         = version{"IntegerCompressedServerKey", 7}
	verIntegerServerInner       = version{"integer::CompressedServerKey", 2}
	verShortintServerKey        = version{"shortint::CompressedServerKey", 3}
	verAtomicServerKey          = version{"CompressedAtomicPatternServerKey", 0}
	verStandardServerKey        = version{"CompressedStandardAtomicPatternServerKey", 0}
	verSeededKeySwitch          = version{"SeededLweKeyswitchKey", 2}
	verShortintBootstrap        = version{"ShortintCompressedBootstrappingKey", 3}
	verSeededBootstrap          = version{"SeededLweBootstrapKey", 1}
	verSeededGgswList           = version{"SeededGgswCiphertextList", 1}
	verSeededPacking            = version{"SeededLwePackingKeyswitchKey", 2}
	verIntegerCasting           = version{"integer::CompressedKeySwitchingKeyMaterial", 2}
	verShortintCasting          = version{"shortint::CompressedKeySwitchingKeyMaterial", 2}
	verIntegerCompressionKey    = version{"integer::CompressedCompressionKey", 2}
	verShortintCompressionKey   = version{"shortint::CompressedCompressionKey", 2}
	verIntegerDecompressionKey  = version{"integer::CompressedDecompressionKey", 1}
	verShortintDecompressionKey = version{"shortint::CompressedDecompressionKey", 2}
	verIntegerSquashingKey      = version{"integer::CompressedNoiseSquashingKey", 0}
	verShortintSquashingKey     = version{"shortint::CompressedNoiseSquashingKey", 3}
	verAtomicSquashingKey       = version{"CompressedAtomicPatternNoiseSquashingKey", 0}
	verStandardSquashingKey     = version{"CompressedStandardAtomicPatternNoiseSquashingKey", 0}
	verBootstrap128             = version{"CompressedShortint128BootstrappingKey", 1}
	verIntegerSquashingPacking  = version{"integer::CompressedNoiseSquashingCompressionKey", 0}
	verShortintSquashingPacking = version{"shortint::CompressedNoiseSquashingCompressionKey", 0}
	verReRandomizationKey       = version{"CompressedReRandomizationKey", 0}
	verIntegerOPRFKey           = version{"integer::CompressedOprfServerKey", 0}
	verShortintOPRFKey          = version{"shortint::CompressedOprfServerKey", 0}
	verOPRFBootstrap            = version{"CompressedOprfBootstrappingKey", 0}

	verCompressedGlwe                 = version{"CompressedModulusSwitchedGlweCiphertext", 0}
	verPackedIntegers                 = version{"PackedIntegers", 0}
	verCompressedList                 = version{"high_level_api::CompressedCiphertextList", 3}
	verIntegerCompressedList          = version{"integer::CompressedCiphertextList", 0}
	verShortintCompressedList         = version{"shortint::CompressedCiphertextList", 2}
	verCompressedListMeta             = version{"CompressedCiphertextListMeta", 0}
	verSquashedBlock                  = version{"SquashedNoiseCiphertext", 0}
	verSquashedBool                   = version{"SquashedNoiseFheBool", 1}
	verSquashedBooleanBlock           = version{"SquashedNoiseBooleanBlock", 0}
	verSquashedUint                   = version{"SquashedNoiseFheUint", 1}
	verSquashedRadix                  = version{"SquashedNoiseRadixCiphertext", 0}
	verCompressedSquashedList         = version{"high_level_api::CompressedSquashedNoiseCiphertextList", 0}
	verIntegerCompressedSquashedList  = version{"integer::CompressedSquashedNoiseCiphertextList", 0}
	verShortintCompressedSquashedList = version{"shortint::CompressedSquashedNoiseCiphertextList", 0}
	verCompressedSquashedListMeta     = version{"CompressedSquashedNoiseCiphertextListMeta", 0}
)

// Release is a release of TFHE-rs as far as version tags differ. Later releases
// read what earlier ones write, and not the other way round.
type Release uint8

const (
	// Release1_7 is what releases 1.6 and 1.7 write, and what every decoder reads.
	Release1_7 Release = iota
	// Release1_4 is what release 1.4 writes, which fhEVM's published client library
	// of 2025 has. The layout is the same.
	Release1_4
)

// releaseVersion is a version tag that changed, indexed by [Release].
type releaseVersion struct {
	name string
	tags [2]uint32
}

var (
	verExpansionKind = releaseVersion{"CompactCiphertextListExpansionKind", [2]uint32{1, 0}}
	verProofV2       = releaseVersion{"pke_v2::Proof", [2]uint32{3, 2}}
)

// Type names in the safe_serialize header.
const (
	nameClientKey              = "high_level_api::ClientKey"
	namePublicKey              = "high_level_api::CompactPublicKey"
	nameCompressedPublicKey    = "high_level_api::CompressedCompactPublicKey"
	nameList                   = "high_level_api::CompactCiphertextList"
	nameProvenList             = "high_level_api::ProvenCompactCiphertextList"
	nameFheBool                = "high_level_api::FheBool"
	nameFheUint                = "high_level_api::FheUint"
	nameXofKeySet              = "high_level_api::CompressedXofKeySet"
	nameCompressedList         = "high_level_api::CompressedCiphertextList"
	nameCompressedSquashedList = "high_level_api::CompressedSquashedNoiseCiphertextList"
	nameSquashedBool           = "high_level_api::SquashedNoiseFheBool"
	nameSquashedUint           = "high_level_api::SquashedNoiseFheUint"
	nameServerKey              = "high_level_api::CompressedServerKey"
)
