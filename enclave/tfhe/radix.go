package tfhe

import "fmt"

// Block is one LWE ciphertext of a FheBool or FheUint, under the flattened
// compute key, with what TFHE-rs tracks about it.
type Block struct {
	// Data is the mask, ComputeDimension words, and the body.
	Data Words
	// Degree bounds the plaintext: less than MessageModulus means that the
	// carries are clean, and it is less than MessageModulus*CarryModulus always.
	Degree uint64
	// NoiseLevel counts fresh bootstraps whose noise adds up, at most
	// MaxNoiseLevel; 0 for a trivial (unencrypted) block.
	NoiseLevel uint64
}

func (b *Block) layout(c *coder, p *Parameters, maxDegree uint64) {
	c.versions(verShortintCiphertext, verLweCiphertext)
	c.words("block", &b.Data, p.ComputeDimension()+1)
	c.modulus(64)
	c.newtype("degree", &b.Degree)
	if b.Degree > maxDegree {
		c.fail(ErrMalformed, "degree %d, at most %d is possible", b.Degree, maxDegree)
	}
	c.newtype("noise level", &b.NoiseLevel)
	if b.NoiseLevel > p.MaxNoiseLevel {
		c.fail(ErrMalformed, "noise level %d, at most %d can be decrypted", b.NoiseLevel, p.MaxNoiseLevel)
	}
	c.messageAndCarry(p)
	c.enum("atomic pattern", atomicPatternStandard)
	c.enum("bootstrap order", orderKeyswitchBootstrap)
}

// blockSize is the encoded length of a block.
func blockSize(p *Parameters) int { return 8*(p.ComputeDimension()+1) + 108 }

// FheBool is a TFHE-rs FheBool.
type FheBool struct {
	parameters Parameters
	Block      Block
	// Tag is the key set's tag, Metadata belongs to re-randomization. Both are
	// normally empty.
	Tag, Metadata []byte
}

// NewFheBool returns the FheBool of that block.
func NewFheBool(p Parameters, b Block) *FheBool { return &FheBool{parameters: p, Block: b} }

// UnmarshalFheBool reads a safe_serialize FheBool under the parameters p. The
// ciphertext is a view of data, which must not be changed.
func UnmarshalFheBool(data []byte, p Parameters) (*FheBool, error) {
	f := &FheBool{parameters: p}
	if err := unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("FheBool: %w", err)
	}
	return f, nil
}

// MarshalBinary writes the ciphertext as TFHE-rs' safe_serialize does.
func (f *FheBool) MarshalBinary() ([]byte, error) {
	b, err := marshal(f, blockSize(&f.parameters)+256)
	if err != nil {
		return nil, fmt.Errorf("FheBool: %w", err)
	}
	return b, nil
}

func (f *FheBool) layout(c *coder) {
	c.header(nameFheBool)
	c.versions(verFheBool, verInnerCiphertext, verBooleanBlock)
	f.Block.layout(c, &f.parameters, 1)
	c.tag(&f.Tag)
	c.reRandMetadata(&f.Metadata)
}

// FheUint is a TFHE-rs FheUintN. N is not in the bytes but for the number of
// blocks.
type FheUint struct {
	parameters Parameters
	// Blocks are the digits to base MessageModulus, the lowest first.
	Blocks []Block
	// Tag is the key set's tag, Metadata belongs to re-randomization. Both are
	// normally empty.
	Tag, Metadata []byte
}

// NewFheUint returns the FheUint of those blocks, the lowest first.
func NewFheUint(p Parameters, blocks []Block) *FheUint {
	return &FheUint{parameters: p, Blocks: blocks}
}

// UnmarshalFheUint reads a safe_serialize FheUintN of any N under the parameters
// p. The ciphertext is a view of data, which must not be changed.
func UnmarshalFheUint(data []byte, p Parameters) (*FheUint, error) {
	f := &FheUint{parameters: p}
	if err := unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("FheUint: %w", err)
	}
	return f, nil
}

// MarshalBinary writes the ciphertext as TFHE-rs' safe_serialize does.
func (f *FheUint) MarshalBinary() ([]byte, error) {
	b, err := marshal(f, len(f.Blocks)*blockSize(&f.parameters)+256)
	if err != nil {
		return nil, fmt.Errorf("FheUint: %w", err)
	}
	return b, nil
}

func (f *FheUint) layout(c *coder) {
	p := &f.parameters
	c.header(nameFheUint)
	c.versions(verFheUint, verInnerCiphertext, verBaseRadixCiphertext)
	n := c.length("blocks", len(f.Blocks), blockSize(p))
	if c.err != nil {
		return
	}
	if !c.writing {
		f.Blocks = make([]Block, n)
	}
	for i := range f.Blocks {
		f.Blocks[i].layout(c, p, p.maxDegree())
	}
	c.tag(&f.Tag)
	c.reRandMetadata(&f.Metadata)
}
