package tfhe

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// blocksPerSquashed is how many blocks noise squashing puts in one LWE ciphertext.
const blocksPerSquashed = 2

// WideWords is a vector of 128-bit words in their wire form, 16 little-endian bytes
// each, as [Words] is of 64-bit ones.
type WideWords []byte

// NewWideWords returns the wire form of values.
func NewWideWords(values []wide.Word) WideWords {
	w := make(WideWords, 0, wide.Size*len(values))
	for _, v := range values {
		w = v.Append(w)
	}
	return w
}

// Len returns the number of words.
func (w WideWords) Len() int { return len(w) / wide.Size }

// At returns word i.
func (w WideWords) At(i int) wide.Word { return wide.Read(w[wide.Size*i:]) }

// Slice returns the view of words from..to-1.
func (w WideWords) Slice(from, to int) WideWords { return w[wide.Size*from : wide.Size*to] }

// SquashedBlock is one LWE ciphertext modulo 2^128 of a noise-squashed value.
type SquashedBlock struct {
	// Data is the mask, as many words as the key has bits, and the body.
	Data WideWords
	// Degree bounds the plaintext.
	Degree uint64
}

// squashedKey is the key that noise-squashed blocks are under: that of noise squashing
// or, once they were in a compressed list, that of the list.
func squashedKey(unpacked bool) KeyKind {
	if unpacked {
		return SquashingCompressionKey
	}
	return SquashingKey
}

func (b *SquashedBlock) layout(c *coder, p *Parameters, maxDegree uint64) {
	if p.Dimension(SecretSquashing) == 0 {
		c.fail(ErrParameters, "the parameter set has no noise squashing")
	}
	c.versions(verSquashedBlock, verLweCiphertext)
	// Which of the two keys it is comes after the blocks and is compared then.
	n := c.length("squashed block", b.Data.Len(), wide.Size)
	if c.err == nil && n != p.Dimension(SecretSquashing)+1 && n != p.Dimension(SecretSquashingCompression)+1 {
		c.fail(ErrParameters, "squashed block has %d words", n)
	}
	if d := c.next(wide.Size*n, "squashed block"); d != nil {
		if c.writing {
			copy(d, b.Data)
		} else {
			b.Data = d
		}
	}
	c.modulus(128)
	c.newtype("degree", &b.Degree)
	if b.Degree > maxDegree {
		c.fail(ErrMalformed, "degree %d, at most %d is possible", b.Degree, maxDegree)
	}
	c.messageAndCarry(p)
}

// squashedState tells by which key the blocks are encrypted, and compares it with them.
func (c *coder) squashedState(p *Parameters, unpacked *bool, blocks ...SquashedBlock) {
	state := uint32(0)
	if *unpacked {
		state = 1
	}
	c.version(verNewtype)
	c.u32("state", &state)
	if state > 1 {
		c.fail(ErrMalformed, "state %d", state)
	}
	*unpacked = state == 1
	want := p.Dimension(squashedKey(*unpacked).Secret()) + 1
	for i := range blocks {
		if blocks[i].Data.Len() != want && c.err == nil {
			c.fail(ErrParameters, "squashed block has %d words, want %d", blocks[i].Data.Len(), want)
		}
	}
}

// squashedBlockSize is the least encoded length of a block.
func squashedBlockSize(p *Parameters) int {
	return wide.Size*(1+min(p.Dimension(SecretSquashing), p.Dimension(SecretSquashingCompression))) + 80
}

// SquashedNoiseFheBool is a TFHE-rs SquashedNoiseFheBool.
type SquashedNoiseFheBool struct {
	parameters Parameters
	Block      SquashedBlock
	// Unpacked says that the block comes out of a compressed list and is under the key
	// of those.
	Unpacked bool
	// Tag is the key set's tag, normally empty.
	Tag []byte
}

// NewSquashedNoiseFheBool returns the boolean of that block.
func NewSquashedNoiseFheBool(p Parameters, b SquashedBlock) *SquashedNoiseFheBool {
	return &SquashedNoiseFheBool{parameters: p, Block: b}
}

// UnmarshalSquashedNoiseFheBool reads a safe_serialize SquashedNoiseFheBool under the
// parameters p. The ciphertext is a view of data, which must not be changed.
func UnmarshalSquashedNoiseFheBool(data []byte, p Parameters) (*SquashedNoiseFheBool, error) {
	f := &SquashedNoiseFheBool{parameters: p}
	if err := unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("SquashedNoiseFheBool: %w", err)
	}
	return f, nil
}

// MarshalBinary writes the ciphertext as TFHE-rs' safe_serialize does.
func (f *SquashedNoiseFheBool) MarshalBinary() ([]byte, error) {
	b, err := marshal(f, len(f.Block.Data)+512)
	if err != nil {
		return nil, fmt.Errorf("SquashedNoiseFheBool: %w", err)
	}
	return b, nil
}

func (f *SquashedNoiseFheBool) layout(c *coder) {
	p := &f.parameters
	c.header(nameSquashedBool)
	c.versions(verSquashedBool, verInnerCiphertext, verSquashedBooleanBlock)
	f.Block.layout(c, p, p.maxDegree())
	c.squashedState(p, &f.Unpacked, f.Block)
	c.tag(&f.Tag)
}

// maxDegree is the greatest plaintext that leaves the padding bit alone.
func (p *Parameters) maxDegree() uint64 { return p.MessageModulus*p.CarryModulus - 1 }

// SquashedNoiseFheUint is a TFHE-rs SquashedNoiseFheUintN.
type SquashedNoiseFheUint struct {
	parameters Parameters
	// Blocks hold two digits to base MessageModulus each, the lowest first.
	Blocks []SquashedBlock
	// Digits is the number of digits, the blocks before noise squashing.
	Digits int
	// Unpacked says that the blocks come out of a compressed list and are under the
	// key of those.
	Unpacked bool
	// Tag is the key set's tag, normally empty.
	Tag []byte
}

// NewSquashedNoiseFheUint returns the integer of so many digits in those blocks.
func NewSquashedNoiseFheUint(p Parameters, blocks []SquashedBlock, digits int) *SquashedNoiseFheUint {
	return &SquashedNoiseFheUint{parameters: p, Blocks: blocks, Digits: digits}
}

// UnmarshalSquashedNoiseFheUint reads a safe_serialize SquashedNoiseFheUintN of any N
// under the parameters p. The ciphertext is a view of data, which must not be changed.
func UnmarshalSquashedNoiseFheUint(data []byte, p Parameters) (*SquashedNoiseFheUint, error) {
	f := &SquashedNoiseFheUint{parameters: p}
	if err := unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("SquashedNoiseFheUint: %w", err)
	}
	return f, nil
}

// MarshalBinary writes the ciphertext as TFHE-rs' safe_serialize does.
func (f *SquashedNoiseFheUint) MarshalBinary() ([]byte, error) {
	size := 512
	for _, b := range f.Blocks {
		size += len(b.Data) + 128
	}
	b, err := marshal(f, size)
	if err != nil {
		return nil, fmt.Errorf("SquashedNoiseFheUint: %w", err)
	}
	return b, nil
}

func (f *SquashedNoiseFheUint) layout(c *coder) {
	p := &f.parameters
	c.header(nameSquashedUint)
	c.versions(verSquashedUint, verInnerCiphertext, verSquashedRadix)
	n := c.length("blocks", len(f.Blocks), squashedBlockSize(p))
	if !c.writing && c.err == nil {
		f.Blocks = make([]SquashedBlock, n)
	}
	for i := range f.Blocks {
		f.Blocks[i].layout(c, p, p.maxDegree())
	}
	digits := uint64(f.Digits) // #nosec G115 -- compared
	c.u64("digits", &digits)
	if c.err == nil && (digits == 0 || digits > uint64(2*n) || digits < uint64(2*n-1)) { // #nosec G115 -- positive
		c.fail(ErrMalformed, "%d digits in %d blocks", digits, n)
		return
	}
	f.Digits = int(digits) // #nosec G115 -- at most twice the blocks
	c.squashedState(p, &f.Unpacked, f.Blocks...)
	c.tag(&f.Tag)
}
