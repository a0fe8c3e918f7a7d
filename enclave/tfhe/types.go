package tfhe

import (
	"fmt"
	"math/big"
)

// Type is an fhEVM type, numbered as in byte 30 of a handle.
type Type uint8

// The supported types.
const (
	EBool     Type = 0
	EUint4    Type = 1
	EUint8    Type = 2
	EUint16   Type = 3
	EUint32   Type = 4
	EUint64   Type = 5
	EUint128  Type = 6
	EUint160  Type = 7 // also an address
	EUint256  Type = 8
	EUint512  Type = 9
	EUint1024 Type = 10
	EUint2048 Type = 11
)

// typeBits is indexed by Type. It is the one table of supported types.
var typeBits = [...]int{1, 4, 8, 16, 32, 64, 128, 160, 256, 512, 1024, 2048}

// Types returns all supported types in ascending order.
func Types() []Type {
	all := make([]Type, len(typeBits))
	for i := range all {
		all[i] = Type(i)
	}
	return all
}

// TypeByName returns the type called ebool, euint4, …, or [ErrUnknownType].
func TypeByName(name string) (Type, error) {
	for _, t := range Types() {
		if t.String() == name {
			return t, nil
		}
	}
	return 0, fmt.Errorf("%q: %w", name, ErrUnknownType)
}

// Valid reports whether t is a supported type.
func (t Type) Valid() bool { return int(t) < len(typeBits) }

// Bits returns the bits of a value, 1 for ebool, or 0 for an unknown type.
func (t Type) Bits() int {
	if !t.Valid() {
		return 0
	}
	return typeBits[t]
}

// Blocks returns the number of blocks of a value under p: one for ebool, else
// one for every log2(p.MessageModulus) bits. It is 0 for an unknown type.
func (t Type) Blocks(p Parameters) int {
	if t == EBool {
		return 1
	}
	return t.Bits() / messageBits(p)
}

// String returns the name in Solidity: ebool, euint4, …
func (t Type) String() string {
	switch {
	case t == EBool:
		return "ebool"
	case t.Valid():
		return fmt.Sprintf("euint%d", t.Bits())
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// Fits reports whether v is a value of the type.
func (t Type) Fits(v *big.Int) bool {
	return t.Valid() && v.Sign() >= 0 && v.BitLen() <= t.Bits()
}

func messageBits(p Parameters) int {
	n := 0
	for m := p.MessageModulus; m > 1; m >>= 1 {
		n++
	}
	return n
}
