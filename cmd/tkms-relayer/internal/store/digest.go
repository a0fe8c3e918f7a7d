package store

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// DigestSize is the length of a digest in bytes.
const DigestSize = 32

// ErrName reports a text that names no digest.
var ErrName = errors.New("a digest is 64 lower-case hexadecimal digits")

// Digest is keccak256 of an object.
type Digest [DigestSize]byte

// String returns the digest's 64 hexadecimal digits, without 0x.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads exactly what String writes; anything else is ErrName.
func ParseDigest(text string) (Digest, error) {
	var d Digest
	if len(text) != 2*DigestSize {
		return d, fmt.Errorf("%w, not %d characters", ErrName, len(text))
	}
	if _, err := hex.Decode(d[:], []byte(text)); err != nil || d.String() != text {
		return Digest{}, ErrName
	}
	return d, nil
}
