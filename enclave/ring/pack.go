package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
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
	size := PackedLen(len(v), k)
	dst = slices.Grow(dst, size)[:len(dst)+size]
	out := dst[len(dst)-size:]
	if k == 64 {
		for i, x := range v {
			binary.LittleEndian.PutUint64(out[8*i:], x)
		}
		return dst
	}
	mask := Mask(k)
	var acc uint64
	var used uint // bits of acc not yet written, below 8
	switch {      // as many coordinates at a time as fit 57 bits
	case k <= 14:
		for ; len(v) >= 4 && len(out) >= 8; v = v[4:] {
			acc |= (v[0]&mask | v[1]&mask<<(k&63) | v[2]&mask<<(2*k&63) | v[3]&mask<<(3*k&63)) << (used & 7)
			used += 4 * k
			binary.LittleEndian.PutUint64(out, acc)
			out = out[used>>3:]
			acc >>= used &^ 7 & 63
			used &= 7
		}
	case k <= 28:
		for ; len(v) >= 2 && len(out) >= 8; v = v[2:] {
			acc |= (v[0]&mask | v[1]&mask<<(k&63)) << (used & 7)
			used += 2 * k
			binary.LittleEndian.PutUint64(out, acc)
			out = out[used>>3:]
			acc >>= used &^ 7 & 63
			used &= 7
		}
	case k%8 == 0: // what a coordinate writes beyond its bytes the next one overwrites
		for ; len(v) > 0 && len(out) >= 8; v = v[1:] {
			binary.LittleEndian.PutUint64(out, v[0]&mask)
			out = out[k>>3:]
		}
	}
	var window [16]byte
	for _, x := range v {
		x &= mask
		lo, hi := acc|x<<(used&7), x>>1>>(63-used&7)
		used += k
		binary.LittleEndian.PutUint64(window[:], lo)
		window[8] = byte(hi)
		out = out[copy(out, window[:used>>3]):]
		acc = lo>>(used&^7) | hi<<(64-used&^7)
		used &= 7
	}
	if used > 0 {
		out[0] = byte(acc)
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
	switch { // one unaligned load holds up to 57 bits whatever their offset is
	case k <= 14:
		for ; i+4 <= len(v) && int(pos>>3)+8 <= len(src); i += 4 {
			x, e := binary.LittleEndian.Uint64(src[pos>>3:])>>(pos&7), v[i:i+4]
			e[0], e[1], e[2], e[3] = x&mask, x>>(k&63)&mask, x>>(2*k&63)&mask, x>>(3*k&63)&mask
			pos += 4 * k
		}
	case k <= 28:
		for ; i+2 <= len(v) && int(pos>>3)+8 <= len(src); i += 2 {
			x, e := binary.LittleEndian.Uint64(src[pos>>3:])>>(pos&7), v[i:i+2]
			e[0], e[1] = x&mask, x>>(k&63)&mask
			pos += 2 * k
		}
	case k <= 57:
		for ; i < len(v) && int(pos>>3)+8 <= len(src); i++ {
			v[i] = binary.LittleEndian.Uint64(src[pos>>3:]) >> (pos & 7) & mask
			pos += k
		}
	case k == 64:
		Widen(v, src, 8)
		return nil
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
