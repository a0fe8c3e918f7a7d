package handles

import "fmt"

// Type is an fhEVM type as the host contracts' enum FheType numbers it.
type Type uint8

// The types that the parties decrypt.
const (
	Bool     Type = 0
	Uint4    Type = 1
	Uint8    Type = 2
	Uint16   Type = 3
	Uint32   Type = 4
	Uint64   Type = 5
	Uint128  Type = 6
	Uint160  Type = 7
	Uint256  Type = 8
	Uint2048 Type = 11
)

const (
	// BitsPerBlock is the number of message bits in one LWE block.
	BitsPerBlock = 2
	// WordBytes is the length of one ABI word.
	WordBytes = 32
	wordBits  = 8 * WordBytes
)

// Types lists the supported types in ascending order.
func Types() []Type {
	return []Type{Bool, Uint4, Uint8, Uint16, Uint32, Uint64, Uint128, Uint160, Uint256, Uint2048}
}

// Bits returns the width of the type's values: 1 for Bool, 0 for an
// unsupported type.
func (t Type) Bits() int {
	switch t {
	case Bool:
		return 1
	case Uint4:
		return 4
	case Uint8:
		return 8
	case Uint16:
		return 16
	case Uint32:
		return 32
	case Uint64:
		return 64
	case Uint128:
		return 128
	case Uint160:
		return 160
	case Uint256:
		return 256
	case Uint2048:
		return 2048
	}
	return 0
}

// Supported reports whether the parties decrypt the type.
func (t Type) Supported() bool { return t.Bits() != 0 }

// Blocks returns the number of LWE blocks of a ciphertext of the type, which is
// also the number of offline items that its decryption takes. A Bool is one.
func (t Type) Blocks() int { return (t.Bits() + BitsPerBlock - 1) / BitsPerBlock }

// Words returns the number of ABI words of a plaintext of the type: one up to
// 256 bits, else consecutive big-endian words, most significant first.
func (t Type) Words() int { return (t.Bits() + wordBits - 1) / wordBits }

// String returns the name that contracts use, e.g. "euint64".
func (t Type) String() string {
	switch {
	case t == Bool:
		return "ebool"
	case t.Supported():
		return fmt.Sprintf("euint%d", t.Bits())
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// ParseType returns the supported type with the given name. The names "bool",
// "uint8" … and "eaddress" (euint160) are understood too.
func ParseType(name string) (Type, error) {
	if name == "eaddress" || name == "address" {
		return Uint160, nil
	}
	for _, t := range Types() {
		if s := t.String(); name == s || name == s[1:] {
			return t, nil
		}
	}
	return 0, fmt.Errorf("%w: %q", ErrType, name)
}
