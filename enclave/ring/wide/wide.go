package wide

import (
	"encoding/binary"
	"math/bits"
)

// Word is an integer mod 2^128.
type Word struct{ Lo, Hi uint64 }

// Size is the bytes of a Word: little endian, as TFHE-rs writes them.
const Size = 16

// Add returns a + b.
func (a Word) Add(b Word) Word {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, _ := bits.Add64(a.Hi, b.Hi, carry)
	return Word{lo, hi}
}

// Sub returns a − b.
func (a Word) Sub(b Word) Word {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	hi, _ := bits.Sub64(a.Hi, b.Hi, borrow)
	return Word{lo, hi}
}

// Neg returns −a.
func (a Word) Neg() Word { return Word{}.Sub(a) }

// Mul returns a·b.
func (a Word) Mul(b Word) Word {
	hi, lo := bits.Mul64(a.Lo, b.Lo)
	return Word{lo, hi + a.Lo*b.Hi + a.Hi*b.Lo}
}

// Shl returns a·2^n, 0 for n ≥ 128.
func (a Word) Shl(n uint) Word {
	if n >= 64 {
		return Word{0, a.Lo << (n - 64)}
	}
	return Word{a.Lo << n, a.Hi<<n | a.Lo>>(64-n)}
}

// Shr returns ⌊a/2^n⌋, 0 for n ≥ 128.
func (a Word) Shr(n uint) Word {
	if n >= 64 {
		return Word{a.Hi >> (n - 64), 0}
	}
	return Word{a.Lo>>n | a.Hi<<(64-n), a.Hi >> n}
}

// Read reads a Word.
func Read(b []byte) Word {
	return Word{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

// Append appends the Size bytes of a.
func (a Word) Append(b []byte) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, a.Lo), a.Hi)
}
