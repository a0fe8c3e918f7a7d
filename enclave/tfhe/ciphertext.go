package tfhe

import (
	"fmt"
	"math/big"
)

// KeyKind names the secret key that a ciphertext is under.
type KeyKind uint8

const (
	// ComputeKey is the flattened compute key: FheBool and FheUint.
	ComputeKey KeyKind = iota
	// PublicKeyEncryptionKey is the secret key of the compact public key:
	// compact lists that nothing has been computed on.
	PublicKeyEncryptionKey
	// CompressionKey is the flattened key of compressed ciphertexts.
	CompressionKey
	// SquashingKey is the flattened key of noise-squashed ciphertexts, modulo 2^128.
	SquashingKey
	// SquashingCompressionKey is the flattened key of compressed noise-squashed
	// ciphertexts, modulo 2^128.
	SquashingCompressionKey
	keyKinds
)

// Secret returns the secret key of that kind.
func (k KeyKind) Secret() Secret {
	return [keyKinds]Secret{SecretCompute, SecretPKE, SecretCompression, SecretSquashing, SecretSquashingCompression}[k]
}

// String names the key.
func (k KeyKind) String() string {
	if k < keyKinds {
		return k.Secret().String()
	}
	return fmt.Sprintf("key(%d)", uint8(k))
}

// Ciphertext is one encrypted value as threshold decryption needs it: a number
// of LWE ciphertexts under one key, and how their plaintexts make up the value.
// It is a view of the bytes it was decoded from, and safe for concurrent use as
// long as nobody changes those.
type Ciphertext struct {
	parameters Parameters
	typ        Type
	key        KeyKind
	dimension  int

	// Exactly one of list and blocks is set.
	blocks []Block
	list   *CompactCiphertextList
	// firstBlock is the value's first block in the list.
	firstBlock int
	// firstLWE and count are the list's LWE ciphertexts that hold the value.
	firstLWE, count int
}

// Decode takes in the bytes of a ciphertext: a FheBool or FheUint, or a compact
// list of exactly one value, in TFHE-rs' safe_serialize format. The kind and the
// number of blocks must be those of the type, else the error is [ErrType]. The
// result is a view of data, which must not be changed.
func Decode(data []byte, t Type, p Parameters) (*Ciphertext, error) {
	if !t.Valid() {
		return nil, fmt.Errorf("%v: %w", t, ErrUnknownType)
	}
	all, err := DecodeAny(data, p)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("list of %d values, want one %v: %w", len(all), t, ErrType)
	}
	if all[0].typ != t {
		return nil, fmt.Errorf("ciphertext of %v, want %v: %w", all[0].typ, t, ErrType)
	}
	return all[0], nil
}

// DecodeAny takes in the bytes of a ciphertext whose type the caller does not
// know, and returns each of its values: several in a compact list, else one. Only
// a tool that shows what a file holds wants this; who has a handle wants [Decode].
func DecodeAny(data []byte, p Parameters) ([]*Ciphertext, error) {
	name, err := Name(data)
	if err != nil {
		return nil, err
	}
	switch name {
	case nameFheBool:
		return decodeBool(data, p)
	case nameFheUint:
		return decodeUint(data, p)
	case nameList:
		return decodeList(data, p)
	}
	return nil, fmt.Errorf("%q is no ciphertext that can be decrypted: %w", name, ErrKind)
}

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

func decodeList(data []byte, p Parameters) ([]*Ciphertext, error) {
	l, err := UnmarshalCompactCiphertextList(data, p)
	if err != nil {
		return nil, err
	}
	all := make([]*Ciphertext, len(l.Values))
	first := 0
	for i, v := range l.Values {
		t, err := typeOf(v.Boolean, v.Blocks, p)
		if err != nil {
			return nil, fmt.Errorf("value %d: %w", i, err)
		}
		all[i] = listCiphertext(l, t, first)
		first += v.Blocks
	}
	return all, nil
}

// typeOf returns the type that has exactly this many blocks.
func typeOf(boolean bool, blocks int, p Parameters) (Type, error) {
	if boolean {
		return EBool, nil
	}
	for _, t := range Types() {
		if t != EBool && t.Blocks(p) == blocks {
			return t, nil
		}
	}
	return 0, fmt.Errorf("no fhEVM type has %d blocks: %w", blocks, ErrType)
}

func blockCiphertext(p Parameters, t Type, blocks []Block) *Ciphertext {
	return &Ciphertext{
		parameters: p, typ: t, key: ComputeKey, dimension: p.ComputeDimension(),
		blocks: blocks, count: len(blocks),
	}
}

func listCiphertext(l *CompactCiphertextList, t Type, first int) *Ciphertext {
	p, per := l.parameters, l.blocksPerLWE()
	last := first + t.Blocks(p) - 1
	return &Ciphertext{
		parameters: p, typ: t, key: PublicKeyEncryptionKey, dimension: p.PKEDimension,
		list: l, firstBlock: first, firstLWE: first / per, count: last/per - first/per + 1,
	}
}

// Type returns the value's fhEVM type.
func (c *Ciphertext) Type() Type { return c.typ }

// Key returns the secret key that the LWE ciphertexts are under.
func (c *Ciphertext) Key() KeyKind { return c.key }

// Parameters returns the parameter set.
func (c *Ciphertext) Parameters() Parameters { return c.parameters }

// Dimension returns the number of coefficients of an LWE ciphertext's mask.
func (c *Ciphertext) Dimension() int { return c.dimension }

// Polynomial returns the number of coefficients of a mask, a divisor of Dimension,
// that View rotates together.
func (c *Ciphertext) Polynomial() int { return c.dimension }

// Len returns the number of LWE ciphertexts: as many as the type has blocks, or
// about half of that in a packed list.
func (c *Ciphertext) Len() int { return c.count }

// Packing returns the digits to base MessageModulus in the plaintext of an LWE
// ciphertext: 2 in a packed list, else 1.
func (c *Ciphertext) Packing() int {
	if c.list != nil {
		return c.list.blocksPerLWE()
	}
	return 1
}

// CarryClean reports whether, by the ciphertext's own account, opening the LWE
// plaintexts shows the value and nothing else: no carries, and no digits of
// another value that shares an LWE ciphertext of a packed list.
func (c *Ciphertext) CarryClean() bool {
	if c.list != nil && c.list.Packed {
		end, total := c.firstBlock+c.typ.Blocks(c.parameters), 0
		for _, v := range c.list.Values {
			total += v.Blocks
		}
		return c.firstBlock%2 == 0 && (end%2 == 0 || end == total)
	}
	for _, b := range c.blocks {
		if b.Degree >= c.parameters.MessageModulus {
			return false
		}
	}
	return true
}

// View returns LWE ciphertext i where it lies: Dimension words modulo 2^64 in their
// wire form, of which X^rotation times, 0 ≤ rotation < Dimension, is the mask modulo
// X^Dimension + 1; and the body. It panics if i is out of range.
func (c *Ciphertext) View(i int) (words []byte, rotation int, body uint64) {
	if i < 0 || i >= c.count {
		panic("tfhe: LWE ciphertext out of range")
	}
	if c.list == nil {
		data := c.blocks[i].Data
		return data.Slice(0, c.dimension), 0, data.At(c.dimension)
	}
	i += c.firstLWE
	return c.list.mask(i), i % c.dimension, c.list.body(i)
}

// LWE writes the mask of LWE ciphertext i, Dimension words modulo 2^64, to mask
// and returns its body. Its plaintext is body - <mask, key>.
// It panics if i or the length of mask is out of range.
func (c *Ciphertext) LWE(i int, mask []uint64) (body uint64) {
	words, rotation, body := c.View(i)
	source := Words(words)
	if len(mask) != source.Len() {
		panic("tfhe: mask of another dimension")
	}
	for j := range rotation {
		mask[j] = -source.At(len(mask) - rotation + j)
	}
	for j := rotation; j < len(mask); j++ {
		mask[j] = source.At(j - rotation)
	}
	return body
}

// Outline returns the ciphertext without its LWE ciphertexts: Recompose works on
// it, while the bytes that c is a view of need not be kept.
func (c *Ciphertext) Outline() *Ciphertext {
	out := *c
	out.blocks = nil
	if c.list != nil {
		out.list = &CompactCiphertextList{Packed: c.list.Packed}
	}
	return &out
}

// Recompose makes the value from the plaintexts of the LWE ciphertexts in order,
// as TFHE-rs does. Of each, only the bits below the padding bit are used: carries
// of a FheUint are added into the next block, those of a compact list are
// dropped as its expansion drops them, and a boolean is true unless its
// plaintext is zero. A wrong number of plaintexts is [ErrMalformed].
func (c *Ciphertext) Recompose(plaintexts []uint64) (*big.Int, error) {
	if len(plaintexts) != c.count {
		return nil, fmt.Errorf("%d plaintexts of %d ciphertexts: %w", len(plaintexts), c.count, ErrMalformed)
	}
	digits := c.digits(plaintexts)
	if c.typ == EBool {
		if digits[0] != 0 {
			return big.NewInt(1), nil
		}
		return new(big.Int), nil
	}
	shift := uint(messageBits(c.parameters))
	value := new(big.Int)
	for i := len(digits) - 1; i >= 0; i-- {
		value.Lsh(value, shift)
		value.Add(value, new(big.Int).SetUint64(digits[i]))
	}
	all := new(big.Int).Lsh(big.NewInt(1), uint(c.typ.Bits()))
	return value.And(value, all.Sub(all, big.NewInt(1))), nil
}

// digits returns the value's digits to base MessageModulus, the lowest first;
// those of a FheUint may be greater, with their carries.
func (c *Ciphertext) digits(plaintexts []uint64) []uint64 {
	base := c.parameters.MessageModulus
	full := base*c.parameters.CarryModulus - 1
	digits := make([]uint64, c.typ.Blocks(c.parameters))
	for i := range digits {
		switch {
		case c.list == nil:
			digits[i] = plaintexts[i] & full
		case !c.list.Packed:
			digits[i] = plaintexts[i] % base
		default:
			block := c.firstBlock + i
			v := plaintexts[block/2-c.firstLWE] & full
			if block%2 == 1 {
				v /= base
			}
			digits[i] = v % base
		}
	}
	return digits
}
