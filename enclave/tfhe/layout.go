package tfhe

import "math/bits"

// Layouts of the parts that several objects share.

// Counter is an unsigned 128-bit integer: a position in a public stream.
type Counter struct{ Lo, Hi uint64 }

func (c Counter) add(n uint64) Counter {
	low, carry := bits.Add64(c.Lo, n, 0)
	return Counter{Lo: low, Hi: c.Hi + carry}
}

// Variants that the parameter sets of this package prescribe.
const (
	distributionTUniform    = 1
	atomicPatternStandard   = 0
	orderKeyswitchBootstrap = 0
	encryptionKeyBig        = 0
	encryptionKeySmall      = 1
	modulusSwitchStandard   = 0
	modulusSwitchCentered   = 2
	expansionCasting        = 0
	expansionNoCasting      = 1
	schemeNone              = 0
	xofFirstByte            = 0
	reRandDerivedKey        = 1
)

// noise is a DynamicDistribution that must be TUniform(want).
func (c *coder) noise(what string, want Noise) {
	c.version(verDistribution)
	c.variant(what, distributionTUniform)
	c.version(verTUniform)
	bound := uint32(want)
	c.u32(what, &bound)
	if bound != uint32(want) {
		c.fail(ErrParameters, "%s is TUniform(%d), want TUniform(%d)", what, bound, want)
	}
}

// modulus is a ciphertext modulus that must be the native one of so many bits.
func (c *coder) modulus(bits uint64) {
	c.version(verModulus)
	var m Counter
	c.u128("ciphertext modulus", &m)
	got := bits
	c.u64("ciphertext scalar bits", &got)
	if (m != Counter{}) || got != bits {
		c.fail(ErrParameters, "ciphertext modulus is not 2^%d", bits)
	}
}

func (c *coder) decompositionBaseFirst(what string, d Decomposition) {
	c.parameter(what+" base log", d.BaseLog)
	c.parameter(what+" levels", d.Levels)
}

func (c *coder) decompositionLevelsFirst(what string, d Decomposition) {
	c.parameter(what+" levels", d.Levels)
	c.parameter(what+" base log", d.BaseLog)
}

func (c *coder) messageAndCarry(p *Parameters) {
	c.parameter("message modulus", p.MessageModulus)
	c.parameter("carry modulus", p.CarryModulus)
}

// expansionKind: lists under a dedicated key are cast to the compute key.
func (c *coder) expansionKind() {
	c.releaseVersion(verExpansionKind)
	c.variant("expansion kind", expansionCasting)
}

// pkeParameters is CompactPublicKeyEncryptionParameters.
func (c *coder) pkeParameters(p *Parameters) {
	c.version(verPKEParameters)
	c.parameter("PKE dimension", uint64(p.PKEDimension))
	c.noise("PKE noise", p.PKENoise)
	c.messageAndCarry(p)
	c.modulus(64)
	c.expansionKind()
	c.enum("zero-knowledge scheme", p.ZKScheme)
}

// derivedKeyParameters is CompactPublicKeyEncryptionParameters of the public key under
// the compute key: what it encrypts needs no casting.
func (c *coder) derivedKeyParameters(p *Parameters) {
	c.version(verPKEParameters)
	c.parameter("re-randomization dimension", uint64(p.ComputeDimension()))
	c.noise("re-randomization noise", p.GLWENoise)
	c.messageAndCarry(p)
	c.modulus(64)
	c.releaseVersion(verExpansionKind)
	c.variant("expansion kind", expansionNoCasting)
	c.enum("atomic pattern", atomicPatternStandard)
	c.enum("bootstrap order", orderKeyswitchBootstrap)
	c.enum("zero-knowledge scheme", schemeNone)
}

func (c *coder) tag(v *[]byte) {
	c.version(verTag)
	c.opaque("tag", v)
}

func (c *coder) reRandMetadata(v *[]byte) {
	c.version(verReRandMetadata)
	c.opaque("re-randomization metadata", v)
}
