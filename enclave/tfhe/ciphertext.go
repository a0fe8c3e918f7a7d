package tfhe

import (
	"fmt"
	"math/big"

	"github.com/tkms-network/tkms/enclave/ring/wide"
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

// KeyKinds returns all kinds of keys that ciphertexts may be under.
func KeyKinds() []KeyKind {
	all := make([]KeyKind, keyKinds)
	for i := range all {
		all[i] = KeyKind(i) // #nosec G115 -- a few
	}
	return all
}

// Secret returns the secret key of that kind. It panics on an unknown one.
func (k KeyKind) Secret() Secret {
	return [keyKinds]Secret{SecretCompute, SecretPKE, SecretCompression, SecretSquashing, SecretSquashingCompression}[k]
}

// Wide reports whether ciphertexts under the key are modulo 2^128, not 2^64.
func (k KeyKind) Wide() bool { return k == SquashingKey || k == SquashingCompressionKey }

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

	// source has the LWE ciphertexts, count of them from number first on; it is nil in
	// an outline.
	source       source
	first, count int
	// packing is the digits in an LWE plaintext, skip the digits of another value
	// before the first.
	packing, skip int
	// carries says that a digit may be greater than its base, with what it adds to
	// the next one; clean that none is and no other value's digits are there.
	carries, clean bool
}

// source hands out LWE ciphertexts, 64-bit bodies in the low word.
type source interface {
	lwe(i int) (words []byte, rotation int, body wide.Word)
}

// Decode takes in the bytes of a ciphertext in TFHE-rs' safe_serialize format: a
// FheBool or FheUint, before or after noise squashing, or a list of exactly one value,
// compact or compressed or of noise-squashed values. The kind and the
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
// know, and returns each of its values: several in a list, else one. Only
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
	case nameCompressedList:
		return decodeCompressed(data, p)
	case nameSquashedBool:
		return decodeSquashedBool(data, p)
	case nameSquashedUint:
		return decodeSquashedUint(data, p)
	case nameCompressedSquashedList:
		return decodeCompressedSquashed(data, p)
	}
	return nil, fmt.Errorf("%q is no ciphertext that can be decrypted: %w", name, ErrKind)
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

// Type returns the value's fhEVM type.
func (c *Ciphertext) Type() Type { return c.typ }

// Key returns the secret key that the LWE ciphertexts are under.
func (c *Ciphertext) Key() KeyKind { return c.key }

// Parameters returns the parameter set.
func (c *Ciphertext) Parameters() Parameters { return c.parameters }

// Dimension returns the number of coefficients of an LWE ciphertext's mask.
func (c *Ciphertext) Dimension() int { return c.parameters.Dimension(c.key.Secret()) }

// Polynomial returns N: a mask is polynomials of N coefficients each, that is those of
// the key's GLWE form. It divides Dimension.
func (c *Ciphertext) Polynomial() int {
	_, degree := c.parameters.shape(c.key.Secret())
	return degree
}

// Wide reports whether the LWE ciphertexts are modulo 2^128, not 2^64.
func (c *Ciphertext) Wide() bool { return c.key.Wide() }

// Len returns the number of LWE ciphertexts: as many as the type has blocks, or
// about half of that where two digits are packed in one.
func (c *Ciphertext) Len() int { return c.count }

// Packing returns the digits to base MessageModulus in the plaintext of an LWE
// ciphertext: 2 in a packed list and after noise squashing, else 1.
func (c *Ciphertext) Packing() int { return c.packing }

// CarryClean reports whether, by the ciphertext's own account, opening the LWE
// plaintexts shows the value and nothing else: no carries, and no digits of
// another value that shares an LWE ciphertext of a packed list.
func (c *Ciphertext) CarryClean() bool { return c.clean }

// View returns LWE ciphertext i where it lies: Dimension words modulo 2^64 in their
// wire form and the body. The words are polynomials of Polynomial coefficients, each
// of which times X^rotation, 0 ≤ rotation < Polynomial, modulo X^Polynomial + 1 is a
// part of the mask. It panics if i is out of range, the ciphertext is Wide or it is an
// outline.
func (c *Ciphertext) View(i int) (words []byte, rotation int, body uint64) {
	words, rotation, wideBody := c.view(i, false)
	return words, rotation, wideBody.Lo
}

// ViewWide is View modulo 2^128; it panics if the ciphertext is not Wide.
func (c *Ciphertext) ViewWide(i int) (words []byte, rotation int, body wide.Word) {
	return c.view(i, true)
}

func (c *Ciphertext) view(i int, modulo128 bool) ([]byte, int, wide.Word) {
	if c.source == nil || i < 0 || i >= c.count || c.Wide() != modulo128 {
		panic("tfhe: LWE ciphertext out of range")
	}
	return c.source.lwe(c.first + i)
}

// LWE writes the mask of LWE ciphertext i, Dimension words modulo 2^64, to mask
// and returns its body. Its plaintext is body - <mask, key>.
// It panics as View does, and if the length of mask is not Dimension.
func (c *Ciphertext) LWE(i int, mask []uint64) (body uint64) {
	words, rotation, body := c.View(i)
	if len(mask) != Words(words).Len() {
		panic("tfhe: mask of another dimension")
	}
	n := c.Polynomial()
	for j := range mask {
		v, negative := rotated(j, n, rotation)
		mask[j] = Words(words).At(v)
		if negative {
			mask[j] = -mask[j]
		}
	}
	return body
}

// LWEWide is LWE modulo 2^128.
func (c *Ciphertext) LWEWide(i int, mask []wide.Word) (body wide.Word) {
	words, rotation, body := c.ViewWide(i)
	if len(mask) != WideWords(words).Len() {
		panic("tfhe: mask of another dimension")
	}
	n := c.Polynomial()
	for j := range mask {
		v, negative := rotated(j, n, rotation)
		mask[j] = WideWords(words).At(v)
		if negative {
			mask[j] = mask[j].Neg()
		}
	}
	return body
}

// rotated returns the place of coefficient j of X^rotation times polynomials of n
// coefficients, and whether it comes with the other sign.
func rotated(j, n, rotation int) (from int, negative bool) {
	within := j % n
	if within < rotation {
		return j + n - rotation, true
	}
	return j - rotation, false
}

// Outline returns the ciphertext without its LWE ciphertexts: Recompose works on
// it, while the bytes that c is a view of need not be kept.
func (c *Ciphertext) Outline() *Ciphertext {
	out := *c
	out.source = nil
	return &out
}

// Recompose makes the value from the plaintexts of the LWE ciphertexts in order,
// as TFHE-rs does. Of each, only the bits below the padding bit are used: carries
// of a FheUint are added into the next block, those of a compact list are
// dropped as its expansion drops them, other forms have none, and a boolean is true
// unless its plaintext is zero. A wrong number of plaintexts is [ErrMalformed].
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
	shift := uint(messageBits(c.parameters)) // #nosec G115 -- small
	value := new(big.Int)
	for i := len(digits) - 1; i >= 0; i-- {
		value.Lsh(value, shift)
		value.Add(value, new(big.Int).SetUint64(digits[i]))
	}
	all := new(big.Int).Lsh(big.NewInt(1), uint(c.typ.Bits())) // #nosec G115 -- positive
	return value.And(value, all.Sub(all, big.NewInt(1))), nil
}

// digits returns the value's digits to base MessageModulus, the lowest first;
// they may be greater, with their carries, if the form has carries.
func (c *Ciphertext) digits(plaintexts []uint64) []uint64 {
	base := c.parameters.MessageModulus
	_, window := c.parameters.Switch(c.key)
	digits := make([]uint64, c.typ.Blocks(c.parameters))
	for i := range digits {
		at := c.skip + i
		v := plaintexts[at/c.packing] & (1<<(window-1) - 1)
		if at%c.packing == 1 {
			v /= base
		}
		if !c.carries {
			v %= base
		}
		digits[i] = v
	}
	return digits
}
