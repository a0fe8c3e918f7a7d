package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors of the wire form.
var (
	// ErrLength reports packed bytes that are not exactly as long as the vector.
	ErrLength = errors.New("ring: packed vector has the wrong length")
	// ErrPadding reports bits after the last coordinate that are not zero.
	ErrPadding = errors.New("ring: packed vector has non-zero padding")
)

// PackedLen returns the bytes of words coordinates of k bits each.
func PackedLen(words int, k uint) int { return (words*int(k) + 7) / 8 }

// AppendPacked appends the low k bits (1..64) of each coordinate of v, least
// significant bit first, the whole rounded up to a byte with zero bits.
func AppendPacked(dst []byte, v []uint64, k uint) []byte {
	if k == 64 {
		for _, x := range v {
			dst = binary.LittleEndian.AppendUint64(dst, x)
		}
		return dst
	}
	mask := Mask(k)
	var acc uint64
	var used uint
	for _, x := range v {
		x &= mask
		acc |= x << used
		used += k
		if used >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			used -= 64
			acc = x >> (k - used)
		}
	}
	for ; used > 0; used -= min(used, 8) {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// Unpack reads len(v) coordinates of k bits (1..64) from src, which must be
// exactly PackedLen(len(v), k) bytes with zero padding.
func Unpack(v []uint64, src []byte, k uint) error {
	if want := PackedLen(len(v), k); len(src) != want {
		return fmt.Errorf("%w: %d bytes, not %d", ErrLength, len(src), want)
	}
	if pad := uint(8*len(src) - len(v)*int(k)); pad > 0 && src[len(src)-1]>>(8-pad) != 0 {
		return ErrPadding
	}
	mask := Mask(k)
	i, pos := 0, uint(0)
	// One unaligned load holds a coordinate of up to 57 bits whatever its offset.
	if k <= 57 {
		for ; i < len(v) && int(pos>>3)+8 <= len(src); i++ {
			v[i] = binary.LittleEndian.Uint64(src[pos>>3:]) >> (pos & 7) & mask
			pos += k
		}
	}
	var window [16]byte
	for ; i < len(v); i++ {
		clear(window[:])
		copy(window[:], src[pos>>3:])
		lo := binary.LittleEndian.Uint64(window[:])
		hi := binary.LittleEndian.Uint64(window[8:])
		v[i] = (lo>>(pos&7) | hi<<1<<(63-pos&7)) & mask
		pos += k
	}
	return nil
}
