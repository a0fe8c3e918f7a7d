package wide

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tkms-network/tkms/enclave/ring"
)

// AppendPacked appends the low k bits (1..128) of each coordinate of v, least
// significant bit first, the whole rounded up to a byte with zero bits:
// ring.PackedLen(len(v), k) bytes. For k ≤ 64 it is the form of ring.AppendPacked.
func AppendPacked(dst []byte, v []Word, k uint) []byte {
	size := ring.PackedLen(len(v), k)
	dst = slices.Grow(dst, size)[:len(dst)+size]
	out := dst[len(dst)-size:]
	if k%8 == 0 { // whole bytes: what a word writes too much the next one overwrites
		step := int(k / 8)
		for ; len(out) >= Size; v, out = v[1:], out[step:] {
			binary.LittleEndian.PutUint64(out, v[0].Lo)
			binary.LittleEndian.PutUint64(out[8:], v[0].Hi)
		}
	}
	mask := Mask(k)
	var rest uint64 // bits not yet written
	var used uint   // their number, below 8
	var window [Size + 8]byte
	for _, x := range v {
		x = x.and(mask)
		low, spill := x.Shl(used), x.Hi>>1>>(63-used)
		binary.LittleEndian.PutUint64(window[:], low.Lo|rest)
		binary.LittleEndian.PutUint64(window[8:], low.Hi)
		binary.LittleEndian.PutUint64(window[16:], spill)
		used += k
		out = out[copy(out, window[:used/8]):]
		rest, used = uint64(window[used/8]), used%8
	}
	if used > 0 {
		out[0] = byte(rest)
	}
	return dst
}

// Unpack reads len(v) coordinates of k bits (1..128) from src, which must be exactly
// as long as AppendPacked makes it (ring.ErrLength), with zero padding
// (ring.ErrPadding).
func Unpack(v []Word, src []byte, k uint) error {
	if want := ring.PackedLen(len(v), k); len(src) != want {
		return fmt.Errorf("%w: %d bytes, not %d", ring.ErrLength, len(src), want)
	}
	if pad := uint(8*len(src) - len(v)*int(k)); pad > 0 && src[len(src)-1]>>(8-pad) != 0 { // #nosec G115 -- the length was checked
		return ring.ErrPadding
	}
	mask := Mask(k)
	i, pos := 0, uint(0)
	if k <= Size*8-7 || k%8 == 0 { // a coordinate lies within Size bytes
		for ; i < len(v) && int(pos/8)+Size <= len(src); i++ {
			v[i] = Read(src[pos/8:]).Shr(pos % 8).and(mask)
			pos += k
		}
	}
	var window [Size + 1]byte
	for ; i < len(v); i++ {
		clear(window[:])
		copy(window[:], src[pos/8:])
		x := Read(window[:]).Shr(pos % 8)
		x.Hi |= uint64(window[Size]) << 1 << (63 - pos%8)
		v[i] = x.and(mask)
		pos += k
	}
	return nil
}
