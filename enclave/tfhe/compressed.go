package tfhe

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// CompressedCiphertextList is a TFHE-rs CompressedCiphertextList: values as a
// coprocessor stores them, blocks packed in GLWE ciphertexts under the compression
// key, with coefficients of StorageLog bits. A block's message is at the place of its
// carries, which it has not.
type CompressedCiphertextList struct {
	parameters Parameters
	// GLWEs are the packed blocks, LWEsPerGLWE to each but the last.
	GLWEs []CompressedGLWE
	// Values are what is in the list, in order.
	Values []ListValue
	// Tag is the key set's tag, normally empty.
	Tag []byte
	// Metadata belongs to re-randomization, one for each value, normally empty.
	Metadata [][]byte
}

// NewCompressedCiphertextList compresses GLWE ciphertexts modulo 2^64, each its mask
// polynomials and as many body coefficients as blocks are packed in it. A GLWE of
// another size than the parameters' is [ErrParameters].
func NewCompressedCiphertextList(p Parameters, values []ListValue, glwes [][]uint64) (*CompressedCiphertextList, error) {
	l := &CompressedCiphertextList{parameters: p, Values: values, Metadata: make([][]byte, len(values))}
	for _, words := range glwes {
		g, err := p.compressedForm().pack(widen(words))
		if err != nil {
			return nil, fmt.Errorf("compressed list: %w", err)
		}
		l.GLWEs = append(l.GLWEs, g)
	}
	return l, nil
}

func widen(words []uint64) []wide.Word {
	out := make([]wide.Word, len(words))
	for i, w := range words {
		out[i].Lo = w
	}
	return out
}

// UnmarshalCompressedCiphertextList reads a safe_serialize CompressedCiphertextList
// under the parameters p. The list is a view of data, which must not be changed.
func UnmarshalCompressedCiphertextList(data []byte, p Parameters) (*CompressedCiphertextList, error) {
	l := &CompressedCiphertextList{parameters: p}
	if err := unmarshal(data, l); err != nil {
		return nil, fmt.Errorf("compressed list: %w", err)
	}
	return l, nil
}

// MarshalBinary writes the list as TFHE-rs' safe_serialize does.
func (l *CompressedCiphertextList) MarshalBinary() ([]byte, error) {
	b, err := marshal(l, glweSize(l.GLWEs)+32*len(l.Values)+512)
	if err != nil {
		return nil, fmt.Errorf("compressed list: %w", err)
	}
	return b, nil
}

func glweSize(glwes []CompressedGLWE) int {
	size := 0
	for _, g := range glwes {
		size += len(g.Packed) + 128
	}
	return size
}

func (l *CompressedCiphertextList) layout(c *coder) {
	p := &l.parameters
	c.header(nameCompressedList)
	c.versions(verCompressedList, verIntegerCompressedList, verShortintCompressedList)
	c.glwes(&l.GLWEs, p.compressedForm())
	c.always("metadata of the list")
	c.version(verCompressedListMeta)
	c.modulus(64)
	c.messageAndCarry(p)
	c.enum("atomic pattern", atomicPatternStandard)
	c.enum("bootstrap order", orderKeyswitchBootstrap)
	c.parameter("LWEs per GLWE", p.Compression.LWEsPerGLWE)
	c.packedValues(&l.Values, l.GLWEs, 1)
	c.tag(&l.Tag)
	l.metadata(c)
}

func (l *CompressedCiphertextList) metadata(c *coder) {
	const size = 4 + 8 // tag and length
	n := c.length("re-randomization metadata", len(l.Metadata), size)
	if c.err == nil && n != len(l.Values) {
		c.fail(ErrMalformed, "re-randomization metadata of %d values, the list has %d", n, len(l.Values))
	}
	if !c.writing && c.err == nil {
		l.Metadata = make([][]byte, n)
	}
	for i := range l.Metadata {
		c.reRandMetadata(&l.Metadata[i])
	}
}

// always is an Option that must be there.
func (c *coder) always(what string) {
	has := true
	c.present(what, &has)
	if !has {
		c.fail(ErrMalformed, "%s is missing", what)
	}
}

// packedValues is a Vec<DataKind> of what is packed in GLWE ciphertexts, each value in
// LWE ciphertexts of its own, so many blocks to each.
func (c *coder) packedValues(values *[]ListValue, glwes []CompressedGLWE, perLWE int) {
	total := 0
	for _, g := range glwes {
		total += g.Bodies
	}
	c.values(values, total*perLWE)
	if c.err != nil {
		return
	}
	used := 0
	for _, v := range *values {
		used += lwesOf(v, perLWE)
	}
	if used == 0 || used != total {
		c.fail(ErrMalformed, "values in %d ciphertexts of %d", used, total)
	}
}

// lwesOf is the number of LWE ciphertexts that a value has to itself.
func lwesOf(v ListValue, perLWE int) int { return (v.Blocks + perLWE - 1) / perLWE }

// CompressedSquashedNoiseCiphertextList is a TFHE-rs object of that name: values after
// noise squashing, two blocks to an LWE ciphertext, packed in GLWE ciphertexts modulo
// 2^128 under the squashing compression key.
type CompressedSquashedNoiseCiphertextList struct {
	parameters Parameters
	// GLWEs are the packed LWE ciphertexts, LWEsPerGLWE to each but the last.
	GLWEs []CompressedGLWE
	// Values are what is in the list, in order.
	Values []ListValue
	// Tag is the key set's tag, normally empty.
	Tag []byte
}

// NewCompressedSquashedNoiseCiphertextList packs GLWE ciphertexts modulo 2^128, each
// its mask polynomials and as many body coefficients as LWE ciphertexts are packed in
// it. A GLWE of another size than the parameters' is [ErrParameters].
func NewCompressedSquashedNoiseCiphertextList(p Parameters, values []ListValue, glwes [][]wide.Word) (*CompressedSquashedNoiseCiphertextList, error) {
	l := &CompressedSquashedNoiseCiphertextList{parameters: p, Values: values}
	for _, words := range glwes {
		g, err := p.squashedForm().pack(words)
		if err != nil {
			return nil, fmt.Errorf("compressed squashed list: %w", err)
		}
		l.GLWEs = append(l.GLWEs, g)
	}
	return l, nil
}

// UnmarshalCompressedSquashedNoiseCiphertextList reads a safe_serialize
// CompressedSquashedNoiseCiphertextList under the parameters p. The list is a view of
// data, which must not be changed.
func UnmarshalCompressedSquashedNoiseCiphertextList(data []byte, p Parameters) (*CompressedSquashedNoiseCiphertextList, error) {
	l := &CompressedSquashedNoiseCiphertextList{parameters: p}
	if err := unmarshal(data, l); err != nil {
		return nil, fmt.Errorf("compressed squashed list: %w", err)
	}
	return l, nil
}

// MarshalBinary writes the list as TFHE-rs' safe_serialize does.
func (l *CompressedSquashedNoiseCiphertextList) MarshalBinary() ([]byte, error) {
	b, err := marshal(l, glweSize(l.GLWEs)+16*len(l.Values)+512)
	if err != nil {
		return nil, fmt.Errorf("compressed squashed list: %w", err)
	}
	return b, nil
}

func (l *CompressedSquashedNoiseCiphertextList) layout(c *coder) {
	p := &l.parameters
	c.header(nameCompressedSquashedList)
	c.versions(verCompressedSquashedList, verIntegerCompressedSquashedList, verShortintCompressedSquashedList)
	c.glwes(&l.GLWEs, p.squashedForm())
	c.always("metadata of the list")
	c.version(verCompressedSquashedListMeta)
	c.messageAndCarry(p)
	c.parameter("LWEs per GLWE", p.SquashingCompression.LWEsPerGLWE)
	c.packedValues(&l.Values, l.GLWEs, blocksPerSquashed)
	c.tag(&l.Tag)
}
