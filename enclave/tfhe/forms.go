package tfhe

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

func decodeBool(data []byte, p Parameters) ([]*Ciphertext, error) {
	f, err := UnmarshalFheBool(data, p)
	if err != nil {
		return nil, err
	}
	return []*Ciphertext{blockCiphertext(p, EBool, []Block{f.Block})}, nil
}

func decodeUint(data []byte, p Parameters) ([]*Ciphertext, error) {
	f, err := UnmarshalFheUint(data, p)
	if err != nil {
		return nil, err
	}
	t, err := typeOf(false, len(f.Blocks), p)
	if err != nil {
		return nil, err
	}
	return []*Ciphertext{blockCiphertext(p, t, f.Blocks)}, nil
}

// blockSource has one LWE ciphertext a block.
type blockSource struct {
	blocks    []Block
	dimension int
}

func (s blockSource) lwe(i int) (words []byte, rotation int, body wide.Word) {
	data := s.blocks[i].Data
	return data.Slice(0, s.dimension), 0, wide.Word{Lo: data.At(s.dimension)}
}

func blockCiphertext(p Parameters, t Type, blocks []Block) *Ciphertext {
	c := &Ciphertext{
		parameters: p, typ: t, key: ComputeKey, source: blockSource{blocks, p.ComputeDimension()},
		count: len(blocks), packing: 1, carries: true, clean: true,
	}
	for _, b := range blocks {
		c.clean = c.clean && b.Degree < p.MessageModulus
	}
	return c
}

func decodeList(data []byte, p Parameters) ([]*Ciphertext, error) {
	l, err := UnmarshalCompactCiphertextList(data, p)
	if err != nil {
		return nil, err
	}
	first, total := 0, blocksOf(l.Values)
	return decodeValues(l.Values, p, func(t Type) *Ciphertext {
		c := listCiphertext(l, t, first, total)
		first += t.Blocks(p)
		return c
	})
}

// decodeValues returns the ciphertexts of a list's values, made one after the other.
func decodeValues(values []ListValue, p Parameters, next func(t Type) *Ciphertext) ([]*Ciphertext, error) {
	all := make([]*Ciphertext, len(values))
	for i, v := range values {
		t, err := typeOf(v.Boolean, v.Blocks, p)
		if err != nil {
			return nil, fmt.Errorf("value %d: %w", i, err)
		}
		all[i] = next(t)
	}
	return all, nil
}

func (l *CompactCiphertextList) lwe(i int) (words []byte, rotation int, body wide.Word) {
	return l.mask(i), i % l.parameters.PKEDimension, wide.Word{Lo: l.body(i)}
}

// listCiphertext is the value that starts at block first of a list of total blocks.
func listCiphertext(l *CompactCiphertextList, t Type, first, total int) *Ciphertext {
	p, per := l.parameters, l.blocksPerLWE()
	end := first + t.Blocks(p)
	return &Ciphertext{
		parameters: p, typ: t, key: PublicKeyEncryptionKey, source: l,
		first: first / per, count: (end-1)/per - first/per + 1,
		packing: per, skip: first % per,
		clean: first%per == 0 && (end%per == 0 || end == total),
	}
}

func decodeCompressed(data []byte, p Parameters) ([]*Ciphertext, error) {
	l, err := UnmarshalCompressedCiphertextList(data, p)
	if err != nil {
		return nil, err
	}
	return decodePacked(l.Values, p, CompressionKey, 1, newGLWESource(p.compressedForm(), l.GLWEs))
}

func decodeCompressedSquashed(data []byte, p Parameters) ([]*Ciphertext, error) {
	l, err := UnmarshalCompressedSquashedNoiseCiphertextList(data, p)
	if err != nil {
		return nil, err
	}
	return decodePacked(l.Values, p, SquashingCompressionKey, blocksPerSquashed, newGLWESource(p.squashedForm(), l.GLWEs))
}

// decodePacked returns the values of a list in which each has LWE ciphertexts of its
// own.
func decodePacked(values []ListValue, p Parameters, key KeyKind, packing int, s source) ([]*Ciphertext, error) {
	first := 0
	return decodeValues(values, p, func(t Type) *Ciphertext {
		c := packedCiphertext(p, t, key, packing, s)
		c.first = first
		first += c.count
		return c
	})
}

// packedCiphertext is a value with LWE ciphertexts of its own, whose digits have no
// carries: TFHE-rs makes sure of that before it compresses or squashes, and a list does
// not say anything else. A boolean is alone in its LWE ciphertext.
func packedCiphertext(p Parameters, t Type, key KeyKind, packing int, s source) *Ciphertext {
	if t == EBool {
		packing = 1
	}
	return &Ciphertext{
		parameters: p, typ: t, key: key, source: s, packing: packing,
		count: (t.Blocks(p) + packing - 1) / packing, carries: t == EBool, clean: true,
	}
}

// squashedSource has LWE ciphertexts of noise-squashed blocks.
type squashedSource []SquashedBlock

func (s squashedSource) lwe(i int) (words []byte, rotation int, body wide.Word) {
	data := s[i].Data
	return data.Slice(0, data.Len()-1), 0, data.At(data.Len() - 1)
}

func decodeSquashedBool(data []byte, p Parameters) ([]*Ciphertext, error) {
	f, err := UnmarshalSquashedNoiseFheBool(data, p)
	if err != nil {
		return nil, err
	}
	c := packedCiphertext(p, EBool, squashedKey(f.Unpacked), blocksPerSquashed, squashedSource{f.Block})
	// A list does not keep degrees: what comes out of one has the greatest.
	c.clean = f.Unpacked || f.Block.Degree < p.MessageModulus
	return []*Ciphertext{c}, nil
}

func decodeSquashedUint(data []byte, p Parameters) ([]*Ciphertext, error) {
	f, err := UnmarshalSquashedNoiseFheUint(data, p)
	if err != nil {
		return nil, err
	}
	t, err := typeOf(false, f.Digits, p)
	if err != nil {
		return nil, err
	}
	return []*Ciphertext{packedCiphertext(p, t, squashedKey(f.Unpacked), blocksPerSquashed, squashedSource(f.Blocks))}, nil
}
