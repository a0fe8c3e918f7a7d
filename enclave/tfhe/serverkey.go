package tfhe

// serverKey lays out the published objects of a key set. Everything in them is
// fixed by parameters and seed but the bodies of the components.
type serverKey struct {
	p    *Parameters
	seed [16]byte
}

// keySet is a CompressedXofKeySet: the public key and the server key as one, under
// one stream of masks.
func (k serverKey) keySet(c *coder) {
	c.header(nameXofKeySet)
	c.version(verXofKeySet)
	c.version(verXofSeedStart)
	c.variant("start of the stream", xofFirstByte)
	c.version(verNewtype)
	seed := KeySetSeed(k.seed).XOF
	c.bytes("extendable seed", &seed, maxXOFSeed)
	k.publicKey(c)
	k.body(c)
}

// server is a CompressedServerKey.
func (k serverKey) server(c *coder) {
	c.header(nameServerKey)
	k.body(c)
}

// publicKey is a CompressedCompactPublicKey without a header.
func (k serverKey) publicKey(c *coder) {
	c.versions(verCompressedKey, verIntegerCompressed)
	k.compactKey(c, ComponentPublicKey)
	c.pkeParameters(k.p)
	c.tag(new([]byte))
}

// compactKey is an integer::CompressedCompactPublicKey up to its parameters.
func (k serverKey) compactKey(c *coder, component Component) {
	c.versions(verIntegerSeededInner, verShortintCompressed, verSeededLwePublicKey, verSeededGlwe)
	part := k.bodies(c, component)
	c.parameter("GLWE size", 2)
	k.masks(c, part)
}

// body is a CompressedServerKey without a header.
func (k serverKey) body(c *coder) {
	c.versions(verServerKey, verIntegerServerKey)
	k.compute(c)
	k.option(c, ComponentCasting, k.casting)
	k.option(c, ComponentCompression, k.compression)
	k.option(c, ComponentDecompression, k.decompression)
	k.option(c, ComponentSquashing, k.squashing)
	k.option(c, ComponentSquashingCompression, k.squashingCompression)
	k.option(c, ComponentReRandomization, k.reRandomization)
	k.option(c, ComponentOPRF, k.oprf)
	c.tag(new([]byte))
}

func (k serverKey) option(c *coder, component Component, layout func(*coder)) {
	has := k.p.Components.Has(component)
	c.present(component.String(), &has)
	if has {
		layout(c)
	}
}

func (k serverKey) compute(c *coder) {
	c.versions(verIntegerServerInner, verShortintServerKey, verAtomicServerKey)
	c.variant("atomic pattern", atomicPatternStandard)
	c.version(verStandardServerKey)
	k.keySwitch(c, ComponentKeySwitch)
	k.shortintBootstrap(c, ComponentBootstrap, modulusSwitchCentered)
	c.enum("bootstrap order", orderKeyswitchBootstrap)
	c.messageAndCarry(k.p)
	// A block can take as many additions of carries as leave its padding bit alone.
	c.parameter("maximal degree", k.p.MessageModulus*k.p.CarryModulus-k.p.MessageModulus)
	c.parameter("maximal noise level", k.p.MaxNoiseLevel)
}

func (k serverKey) casting(c *coder) {
	c.versions(verIntegerCasting, verShortintCasting)
	k.keySwitch(c, ComponentCasting)
	shift := uint8(0)
	c.u8("casting shift", &shift)
	c.enum("casting destination", encryptionKeySmall)
	c.enum("casting pattern", atomicPatternStandard)
}

func (k serverKey) compression(c *coder) {
	c.versions(verIntegerCompressionKey, verShortintCompressionKey)
	k.packing(c, ComponentCompression)
	c.parameter("LWEs per GLWE", k.p.Compression.LWEsPerGLWE)
	c.parameter("storage modulus", k.p.Compression.StorageLog)
}

func (k serverKey) decompression(c *coder) {
	c.versions(verIntegerDecompressionKey, verShortintDecompressionKey)
	k.shortintBootstrap(c, ComponentDecompression, modulusSwitchStandard)
	c.parameter("LWEs per GLWE", k.p.Compression.LWEsPerGLWE)
}

func (k serverKey) squashing(c *coder) {
	c.versions(verIntegerSquashingKey, verShortintSquashingKey, verAtomicSquashingKey)
	c.variant("atomic pattern", atomicPatternStandard)
	c.versions(verStandardSquashingKey, verBootstrap128)
	c.variant("bootstrapping key", 0)
	k.bootstrap(c, ComponentSquashing)
	c.enum("modulus switch", modulusSwitchCentered)
	c.messageAndCarry(k.p)
	c.modulus(128)
}

func (k serverKey) squashingCompression(c *coder) {
	c.versions(verIntegerSquashingPacking, verShortintSquashingPacking)
	k.packing(c, ComponentSquashingCompression)
	c.parameter("LWEs per GLWE", k.p.SquashingCompression.LWEsPerGLWE)
}

func (k serverKey) reRandomization(c *coder) {
	c.version(verReRandomizationKey)
	c.variant("re-randomization", reRandDerivedKey)
	k.compactKey(c, ComponentReRandomization)
	c.derivedKeyParameters(k.p)
}

func (k serverKey) oprf(c *coder) {
	c.versions(verIntegerOPRFKey, verShortintOPRFKey, verOPRFBootstrap)
	c.variant("atomic pattern", atomicPatternStandard)
	k.bootstrap(c, ComponentOPRF)
}

// keySwitch is a SeededLweKeyswitchKey.
func (k serverKey) keySwitch(c *coder, component Component) {
	c.version(verSeededKeySwitch)
	part := k.bodies(c, component)
	c.decompositionBaseFirst(component.String(), part.Decomposition)
	c.parameter("LWE size", uint64(part.Polynomials)+1) // #nosec G115 -- positive
	k.masks(c, part)
}

// shortintBootstrap is a ShortintCompressedBootstrappingKey of the classic kind.
func (k serverKey) shortintBootstrap(c *coder, component Component, modulusSwitch uint32) {
	c.version(verShortintBootstrap)
	c.variant("bootstrapping key", 0)
	k.bootstrap(c, component)
	c.enum("modulus switch", modulusSwitch)
}

// bootstrap is a SeededLweBootstrapKey.
func (k serverKey) bootstrap(c *coder, component Component) {
	c.versions(verSeededBootstrap, verSeededGgswList)
	part := k.bodies(c, component)
	c.glweShape(part)
	c.decompositionBaseFirst(component.String(), part.Decomposition)
	k.masks(c, part)
}

// packing is a SeededLwePackingKeyswitchKey.
func (k serverKey) packing(c *coder, component Component) {
	c.version(verSeededPacking)
	part := k.bodies(c, component)
	c.decompositionBaseFirst(component.String(), part.Decomposition)
	c.glweShape(part)
	k.masks(c, part)
}

func (c *coder) glweShape(part Part) {
	c.parameter("GLWE size", uint64(part.Polynomials)+1) // #nosec G115 -- positive
	c.parameter("polynomial size", uint64(part.Degree))  // #nosec G115 -- positive
}

// bodies leaves room for a component's bodies, a vector of words.
func (k serverKey) bodies(c *coder, component Component) Part {
	part, ok := k.p.Part(component)
	if !ok {
		c.fail(ErrParameters, "the set %q has no %v", k.p.Name, component)
		return part
	}
	words := uint64(part.Rows()) * uint64(part.BodyWords()) // #nosec G115 -- positive
	c.u64(component.String(), &words)
	c.leave(component, part.bodyBytes())
	return part
}

// masks is the place of a component's masks in the stream and their modulus.
func (k serverKey) masks(c *coder, part Part) {
	seed := KeySetSeed(k.seed).forward(k.p.maskOffset(part.Component))
	seed.layout(c)
	c.noteSeed()
	c.modulus(uint64(part.Width))
}
