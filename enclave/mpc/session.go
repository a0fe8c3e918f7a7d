package mpc

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tkms-network/tkms/enclave/sharing"
)

// DigestSize is the length of every digest and session id.
const DigestSize = sha256.Size

// Digest is a SHA-256 digest.
type Digest = [DigestSize]byte

// Hash returns the SHA-256 of the domain tag and the fields, each preceded by its
// length as a 64-bit big-endian number, so that no two lists collide by moving a
// border.
func Hash(domain string, fields ...[]byte) Digest {
	h := sha256.New()
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(domain)))
	h.Write(length[:])
	h.Write([]byte(domain))
	for _, f := range fields {
		binary.BigEndian.PutUint64(length[:], uint64(len(f)))
		h.Write(length[:])
		h.Write(f)
	}
	var out Digest
	h.Sum(out[:0])
	return out
}

// Uint64 returns the big-endian bytes of x, as fields of Hash take numbers.
func Uint64(x uint64) []byte { return binary.BigEndian.AppendUint64(nil, x) }

// Session is everything that distinguishes one run of a protocol from another.
// All of it comes from verified chain state, so that honest parties agree on it.
type Session struct {
	// ChainID is the id of the chain that ordered the run.
	ChainID string
	// Subject is the id of the request or key that the run is for.
	Subject []byte
	// Ciphertexts are the digests of the inputs, in the request's order.
	Ciphertexts []Digest
	// Parameters names the key's parameter set.
	Parameters string
	// Epoch is the epoch whose shares are used.
	Epoch uint64
	// Attempt counts the runs for one subject from 0.
	Attempt uint32
	// Protocol names the protocol.
	Protocol string
	// Parties are the participants, T the corruptions tolerated among them.
	Parties sharing.Parties
	T       int
	// Items names the offline material that the run uses, zero if none: a run with
	// other masks is another session.
	Items Digest
}

// ID returns the session id.
func (s Session) ID() Digest {
	var ciphertexts []byte
	for _, c := range s.Ciphertexts {
		ciphertexts = append(ciphertexts, c[:]...)
	}
	var parties []byte
	for _, i := range s.Parties.List() {
		parties = append(parties, byte(i))
	}
	return Hash("tkms/v1/session", []byte(s.ChainID), s.Subject, ciphertexts, []byte(s.Parameters),
		Uint64(s.Epoch), Uint64(uint64(s.Attempt)), []byte(s.Protocol), parties, Uint64(uint64(s.T)),
		s.Items[:])
}

// SupportedParties are the numbers of parties that protocols accept.
var SupportedParties = []int{1, 4, 7, 10, 13, 16}

// ErrParties reports a number of parties that the protocols do not run with.
var ErrParties = errors.New("mpc: the protocols run with 1, 4, 7, 10, 13 or 16 parties")

// CheckParties returns ErrParties unless n is supported, t is ⌊(n−1)/3⌋ or less, but
// not 0 for several parties, and self is one of 1..n.
func CheckParties(n, t, self int) error {
	if !slices.Contains(SupportedParties, n) || t > sharing.Threshold(n) || t < min(1, n-1) || self < 1 || self > n {
		return fmt.Errorf("%w: n=%d t=%d, party %d", ErrParties, n, t, self)
	}
	return nil
}

// CulpritError is an error that certain parties caused.
type CulpritError struct {
	Culprits sharing.Parties
	Err      error
}

// Error names the culprits.
func (e *CulpritError) Error() string { return fmt.Sprintf("%v (caused by %v)", e.Err, e.Culprits) }

// Unwrap returns what went wrong.
func (e *CulpritError) Unwrap() error { return e.Err }

// Culprits returns the parties that err names, the empty set if none.
func Culprits(err error) sharing.Parties {
	if e, ok := errors.AsType[*CulpritError](err); ok {
		return e.Culprits
	}
	return 0
}
