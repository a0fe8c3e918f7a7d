package fhevm

import (
	"errors"
	"fmt"
	"math/big"
)

// Type is an FHE type as byte 30 of a handle carries it (enum FheType of @fhevm/solidity).
type Type uint8

// The types that TKMS decrypts.
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
	Uint512  Type = 9
	Uint1024 Type = 10
	Uint2048 Type = 11
)

// Errors of this package.
var (
	ErrUnknownType = errors.New("fhevm: unknown FHE type")
	ErrOutOfRange  = errors.New("fhevm: value does not fit its type")
	ErrWordCount   = errors.New("fhevm: cleartext length does not match the types of the handles")
)

var typeTable = [...]struct {
	name string
	bits int
}{
	Bool:     {"ebool", 1},
	Uint4:    {"euint4", 4},
	Uint8:    {"euint8", 8},
	Uint16:   {"euint16", 16},
	Uint32:   {"euint32", 32},
	Uint64:   {"euint64", 64},
	Uint128:  {"euint128", 128},
	Uint160:  {"euint160", 160},
	Uint256:  {"euint256", 256},
	Uint512:  {"euint512", 512},
	Uint1024: {"euint1024", 1024},
	Uint2048: {"euint2048", 2048},
}

// AllTypes returns every known type in the order of their numbers.
func AllTypes() []Type {
	all := make([]Type, len(typeTable))
	for i := range all {
		all[i] = Type(i)
	}
	return all
}

// ParseType returns the type of a name such as "euint64"; "eaddress" is euint160.
func ParseType(name string) (Type, error) {
	if name == "eaddress" {
		return Uint160, nil
	}
	for i, t := range typeTable {
		if t.name == name {
			return Type(i), nil
		}
	}
	return 0, fmt.Errorf("%w: %q", ErrUnknownType, name)
}

// Valid reports whether t is one of the known types.
func (t Type) Valid() bool { return int(t) < len(typeTable) }

// String returns the Solidity name, "ebool" or "euintN".
func (t Type) String() string {
	if !t.Valid() {
		return fmt.Sprintf("type(%d)", uint8(t))
	}
	return typeTable[t].name
}

// Bits returns the width of a value in bits, 0 for an unknown type.
func (t Type) Bits() int {
	if !t.Valid() {
		return 0
	}
	return typeTable[t].bits
}

// Words returns how many 32-byte words a plaintext of t takes: 1, or 2, 4, 8 for the types over
// 256 bits, 0 for an unknown type.
func (t Type) Words() int {
	return (t.Bits() + 255) / 256
}

// EncodeCleartext returns value as t.Words() big-endian 32-byte words, the most significant first.
// It returns ErrOutOfRange for a negative value or one wider than t.
func EncodeCleartext(t Type, value *big.Int) ([]byte, error) {
	if !t.Valid() {
		return nil, fmt.Errorf("%w: %d", ErrUnknownType, uint8(t))
	}
	if value.Sign() < 0 || value.BitLen() > t.Bits() {
		return nil, fmt.Errorf("%w: %d bits in %s", ErrOutOfRange, value.BitLen(), t)
	}
	return value.FillBytes(make([]byte, 32*t.Words())), nil
}

// DecodeCleartexts splits concatenated cleartexts by the types of the handles they belong to. The
// length must be exact and every value within its type.
func DecodeCleartexts(handles []Handle, cleartexts []byte) ([]*big.Int, error) {
	want := 0
	for _, h := range handles {
		if !h.Type().Valid() {
			return nil, fmt.Errorf("%w: %d", ErrUnknownType, uint8(h.Type()))
		}
		want += 32 * h.Type().Words()
	}
	if len(cleartexts) != want {
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrWordCount, len(cleartexts), want)
	}
	values := make([]*big.Int, len(handles))
	for i, h := range handles {
		n := 32 * h.Type().Words()
		values[i] = new(big.Int).SetBytes(cleartexts[:n])
		if values[i].BitLen() > h.Type().Bits() {
			return nil, fmt.Errorf("%w: %d bits in %s", ErrOutOfRange, values[i].BitLen(), h.Type())
		}
		cleartexts = cleartexts[n:]
	}
	return values, nil
}
