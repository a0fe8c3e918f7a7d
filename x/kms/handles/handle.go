package handles

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// Size is the length of a handle in bytes.
const Size = 32

const (
	chainOffset   = 22
	typeOffset    = 30
	versionOffset = 31
)

var (
	// ErrLength says that a handle has not exactly 32 bytes.
	ErrLength = errors.New("a handle has 32 bytes")
	// ErrType says that the type byte names no supported type.
	ErrType = errors.New("unsupported type")
	// ErrVersion says that the version byte is not 0.
	ErrVersion = errors.New("unsupported handle version")
	// ErrChain says that the handle belongs to another host chain.
	ErrChain = errors.New("the handle belongs to another host chain")
	// ErrDuplicate says that a batch names one handle twice.
	ErrDuplicate = errors.New("a handle is named twice")
	// ErrEmpty says that a batch names no handle.
	ErrEmpty = errors.New("no handle")
	// ErrPlaintextLength says that a plaintext has not exactly the words of its types.
	ErrPlaintextLength = errors.New("the plaintext has not the words of its types")
	// ErrPlaintextRange says that a value exceeds the range of its type.
	ErrPlaintextRange = errors.New("a plaintext exceeds the range of its type")
)

// Handle names one ciphertext of a host chain.
type Handle [Size]byte

// Parse returns the handle in b, exactly 32 bytes with version 0 and a
// supported type, else ErrLength, ErrVersion or ErrType.
func Parse(b []byte) (Handle, error) {
	if len(b) != Size {
		return Handle{}, fmt.Errorf("%w, not %d", ErrLength, len(b))
	}
	h := Handle(b)
	if h[versionOffset] != 0 {
		return Handle{}, fmt.Errorf("%w %d", ErrVersion, h[versionOffset])
	}
	if !h.Type().Supported() {
		return Handle{}, fmt.Errorf("%w %d", ErrType, h[typeOffset])
	}
	return h, nil
}

// Type returns the type in byte 30.
func (h Handle) Type() Type { return Type(h[typeOffset]) }

// ChainID returns the host chain id in bytes 22..29.
func (h Handle) ChainID() uint64 { return binary.BigEndian.Uint64(h[chainOffset:typeOffset]) }

// String returns the handle in hex with 0x.
func (h Handle) String() string { return "0x" + hex.EncodeToString(h[:]) }

// ParseBatch returns the handles of one request in the order given. All must be
// distinct, of the host chain given, and none but supported. It does not bound
// their number: the caller's limits do.
func ParseBatch(hostChainID uint64, batch [][]byte) ([]Handle, error) {
	if len(batch) == 0 {
		return nil, ErrEmpty
	}
	parsed := make([]Handle, len(batch))
	for i, b := range batch {
		h, err := Parse(b)
		if err != nil {
			return nil, fmt.Errorf("handle %d: %w", i, err)
		}
		if h.ChainID() != hostChainID {
			return nil, fmt.Errorf("handle %d: %w (%d)", i, ErrChain, h.ChainID())
		}
		parsed[i] = h
	}
	sorted := slices.Clone(parsed)
	slices.SortFunc(sorted, func(a, b Handle) int { return bytes.Compare(a[:], b[:]) })
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return nil, fmt.Errorf("%w: %s", ErrDuplicate, sorted[i])
		}
	}
	return parsed, nil
}

// Blocks returns the number of LWE blocks of all handles together.
func Blocks(batch []Handle) uint64 {
	var sum uint64
	for _, h := range batch {
		sum += uint64(h.Type().Blocks())
	}
	return sum
}

// Bits returns the number of message bits of the values of all handles together.
func Bits(batch []Handle) uint64 {
	var sum uint64
	for _, h := range batch {
		sum += uint64(h.Type().Bits())
	}
	return sum
}
