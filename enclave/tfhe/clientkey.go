package tfhe

import "fmt"

// ClientKey is a TFHE-rs client key: every secret of one key set, each bit one
// word that is 0 or 1. Threshold parties never hold one; it exists for tests,
// for the debugging command that deals a known key, and for key escrow imports.
// A part that the key does not have is nil.
type ClientKey struct {
	parameters Parameters

	// GLWE is the compute key, GLWEDimension*PolynomialSize bits; flattened as it
	// is here, it is the LWE key of FheBool and FheUint blocks.
	GLWE []uint64
	// LWE is the small key.
	LWE []uint64
	// PKE is the secret key of the compact public key.
	PKE []uint64
	// Compression is the key of compressed ciphertexts.
	Compression []uint64
	// Squashing is the key of noise-squashed ciphertexts.
	Squashing []uint64
	// SquashingCompression is the key of compressed noise-squashed ciphertexts.
	SquashingCompression []uint64
	// ReRandomization says that the key set re-randomizes under a public key
	// derived from the compute key.
	ReRandomization bool
	// OPRF is the key of oblivious pseudo-random generation.
	OPRF []uint64
	// Tag is the key set's tag, normally empty.
	Tag []byte
}

// NewClientKey returns a client key without any bits, for p.
func NewClientKey(p Parameters) *ClientKey { return &ClientKey{parameters: p} }

// UnmarshalClientKey reads a safe_serialize ClientKey made with the parameters p.
func UnmarshalClientKey(data []byte, p Parameters) (*ClientKey, error) {
	k := NewClientKey(p)
	if err := unmarshal(data, k); err != nil {
		k.Zero()
		return nil, fmt.Errorf("client key: %w", err)
	}
	k.Tag = append([]byte(nil), k.Tag...)
	return k, nil
}

// MarshalBinary writes the key as TFHE-rs' safe_serialize does.
func (k *ClientKey) MarshalBinary() ([]byte, error) {
	const production = 220_526
	b, err := marshal(k, production)
	if err != nil {
		return nil, fmt.Errorf("client key: %w", err)
	}
	return b, nil
}

// Parameters returns the parameter set of the key.
func (k *ClientKey) Parameters() Parameters { return k.parameters }

// String hides the key.
func (k *ClientKey) String() string { return "tfhe.ClientKey(redacted)" }

// GoString hides the key.
func (k *ClientKey) GoString() string { return k.String() }

// MarshalJSON hides the key.
func (k *ClientKey) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }

// Zero erases all secret bits.
func (k *ClientKey) Zero() {
	for s := range secretCount {
		clear(*k.Secret(s))
	}
}

// Secret returns where the bits of a secret are, nil for a part that the key does
// not have.
func (k *ClientKey) Secret(s Secret) *[]uint64 {
	return [secretCount]*[]uint64{
		&k.PKE, &k.GLWE, &k.LWE, &k.Compression, &k.Squashing, &k.SquashingCompression, &k.OPRF,
	}[s]
}

func (k *ClientKey) layout(c *coder) {
	c.header(nameClientKey)
	c.versions(verClientKey, verIntegerClientKey)
	k.computePart(c)
	k.pkePart(c)
	k.compressionPart(c)
	k.squashingPart(c)
	k.squashingCompressionPart(c)
	c.present("re-randomization", &k.ReRandomization)
	if k.ReRandomization {
		c.version(verReRandomization)
		c.variant("re-randomization", reRandDerivedKey)
	}
	k.oprfPart(c)
	c.tag(&k.Tag)
}

func (k *ClientKey) computePart(c *coder) {
	p := &k.parameters
	c.versions(verIntegerClientInner, verGenericClientKey, verAtomicClientKey)
	c.variant("atomic pattern", atomicPatternStandard)
	c.version(verStandardClientKey)
	c.version(verGlweSecretKey)
	c.bits("compute key", &k.GLWE, p.ComputeDimension(), 8)
	c.parameter("compute polynomial size", uint64(p.PolynomialSize))
	c.version(verLweSecretKey)
	c.bits("small key", &k.LWE, p.LWEDimension, 8)
	k.pbsParameters(c)
	wopbs := false
	c.present("wopbs parameters", &wopbs)
	if wopbs {
		c.fail(ErrParameters, "wopbs parameters are not supported")
	}
}

func (k *ClientKey) pbsParameters(c *coder) {
	p := &k.parameters
	c.version(verPBSParameters)
	c.variant("PBS parameters", 0)
	c.version(verClassicPBS)
	c.parameter("LWE dimension", uint64(p.LWEDimension))
	c.parameter("GLWE dimension", uint64(p.GLWEDimension))
	c.parameter("polynomial size", uint64(p.PolynomialSize))
	c.noise("LWE noise", p.LWENoise)
	c.noise("GLWE noise", p.GLWENoise)
	c.decompositionBaseFirst("bootstrap", p.PBS)
	c.decompositionBaseFirst("key switch", p.KS)
	c.messageAndCarry(p)
	c.parameter("maximal noise level", p.MaxNoiseLevel)
	c.float("log2 of failure probability", p.Log2FailureProbability)
	c.modulus(64)
	c.enum("encryption key", encryptionKeyBig)
	c.version(verModulusSwitch)
	c.variant("modulus switch", modulusSwitchCentered)
}

func (k *ClientKey) pkePart(c *coder) {
	p := &k.parameters
	has := k.PKE != nil
	c.present("public-key encryption key", &has)
	if !has {
		return
	}
	c.versions(verIntegerCompactKey, verShortintCompactKey, verLweSecretKey)
	c.bits("public-key encryption key", &k.PKE, p.PKEDimension, 8)
	c.pkeParameters(p)
	c.version(verKeySwitching)
	c.decompositionBaseFirst("casting", p.PKEKS)
	c.enum("casting destination", encryptionKeySmall)
}

func (k *ClientKey) compressionPart(c *coder) {
	p := &k.parameters.Compression
	has := k.Compression != nil
	c.present("compression key", &has)
	if !has {
		return
	}
	c.versions(verIntegerCompression, verShortintCompression, verGlweSecretKey)
	c.bits("compression key", &k.Compression, p.GLWEDimension*p.PolynomialSize, 8)
	c.parameter("compression polynomial size", uint64(p.PolynomialSize))
	c.version(verCompression)
	c.variant("compression parameters", 0)
	c.version(verClassicCompression)
	c.decompositionLevelsFirst("decompression", p.BlindRotation)
	c.decompositionLevelsFirst("compression packing", p.PackingKS)
	c.parameter("compression polynomial size", uint64(p.PolynomialSize))
	c.parameter("compression GLWE dimension", uint64(p.GLWEDimension))
	c.parameter("LWEs per GLWE", p.LWEsPerGLWE)
	c.parameter("storage modulus", p.StorageLog)
	c.noise("compression noise", p.Noise)
}

func (k *ClientKey) squashingPart(c *coder) {
	p := &k.parameters.Squashing
	has := k.Squashing != nil
	c.present("noise-squashing key", &has)
	if !has {
		return
	}
	c.versions(verIntegerSquashing, verShortintSquashing, verGlweSecretKey)
	c.bits("noise-squashing key", &k.Squashing, p.GLWEDimension*p.PolynomialSize, 16)
	c.parameter("squashing polynomial size", uint64(p.PolynomialSize))
	c.version(verSquashing)
	c.variant("squashing parameters", 0)
	c.version(verClassicSquashing)
	c.parameter("squashing GLWE dimension", uint64(p.GLWEDimension))
	c.parameter("squashing polynomial size", uint64(p.PolynomialSize))
	c.noise("squashing noise", p.Noise)
	c.decompositionBaseFirst("squashing", p.PBS)
	c.version(verModulusSwitch)
	c.variant("modulus switch", modulusSwitchCentered)
	c.messageAndCarry(&k.parameters)
	c.modulus(128)
}

func (k *ClientKey) squashingCompressionPart(c *coder) {
	p := &k.parameters.SquashingCompression
	has := k.SquashingCompression != nil
	c.present("squashing compression key", &has)
	if !has {
		return
	}
	c.versions(verIntegerSquashComp, verShortintSquashComp, verGlweSecretKey)
	c.bits("squashing compression key", &k.SquashingCompression, p.GLWEDimension*p.PolynomialSize, 16)
	c.parameter("squashing compression polynomial size", uint64(p.PolynomialSize))
	c.version(verSquashComp)
	c.decompositionLevelsFirst("squashing packing", p.PackingKS)
	c.parameter("squashing compression polynomial size", uint64(p.PolynomialSize))
	c.parameter("squashing compression GLWE dimension", uint64(p.GLWEDimension))
	c.parameter("LWEs per GLWE", p.LWEsPerGLWE)
	c.noise("squashing compression noise", p.Noise)
	c.messageAndCarry(&k.parameters)
	c.modulus(128)
}

func (k *ClientKey) oprfPart(c *coder) {
	has := k.OPRF != nil
	c.present("OPRF key", &has)
	if !has {
		return
	}
	c.versions(verIntegerOPRF, verShortintOPRF, verAtomicOPRF)
	c.variant("atomic pattern", atomicPatternStandard)
	c.version(verLweSecretKey)
	c.bits("OPRF key", &k.OPRF, k.parameters.LWEDimension, 8)
}
