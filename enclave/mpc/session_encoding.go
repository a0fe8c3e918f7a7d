package mpc

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc/wire"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Bounds of a session's encoding.
const (
	maxText        = 64
	maxSubject     = 64
	maxCiphertexts = 1024
)

// ErrSession reports a session outside the bounds of its encoding, or bytes that
// are none.
var ErrSession = errors.New("mpc: malformed session")

// MarshalBinary returns the one encoding of a session: chain id, subject,
// parameters and protocol, each behind its length (1); the number of ciphertexts
// (2) and their digests; epoch (8), attempt (4), the set of parties as a mask (4),
// t (1) and the digest of the items, big-endian. Texts are printable ASCII of at most 64 bytes.
func (s Session) MarshalBinary() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	var out []byte
	for _, field := range [][]byte{[]byte(s.ChainID), s.Subject, []byte(s.Parameters), []byte(s.Protocol)} {
		out = append(out, byte(len(field)))
		out = append(out, field...)
	}
	out = binary.BigEndian.AppendUint16(out, uint16(len(s.Ciphertexts))) // #nosec G115 -- at most maxCiphertexts
	for _, c := range s.Ciphertexts {
		out = append(out, c[:]...)
	}
	out = binary.BigEndian.AppendUint64(out, s.Epoch)
	out = binary.BigEndian.AppendUint32(out, s.Attempt)
	out = binary.BigEndian.AppendUint32(out, uint32(s.Parties))
	out = append(out, byte(s.T))
	return append(out, s.Items[:]...), nil
}

// UnmarshalSession reads what MarshalBinary wrote, ErrSession else.
func UnmarshalSession(raw []byte) (Session, error) {
	r := wire.NewReader(raw)
	field := func() []byte { return r.Bytes(int(r.Uint8())) }
	s := Session{ChainID: string(field())}
	s.Subject = append([]byte(nil), field()...)
	s.Parameters, s.Protocol = string(field()), string(field())
	digests := r.Bytes(DigestSize * int(r.Uint16()))
	s.Epoch, s.Attempt = r.Uint64(), r.Uint32()
	s.Parties, s.T = sharing.Parties(r.Uint32()), int(r.Uint8())
	s.Items = r.Digest()
	if err := r.Close(); err != nil {
		return Session{}, fmt.Errorf("%w: %w", ErrSession, err)
	}
	for ; len(digests) > 0; digests = digests[DigestSize:] {
		s.Ciphertexts = append(s.Ciphertexts, Digest(digests))
	}
	return s, s.check()
}

func (s Session) check() error {
	for _, text := range []string{s.ChainID, s.Parameters, s.Protocol} {
		if len(text) > maxText || !printable(text) {
			return fmt.Errorf("%w: a text of %d bytes", ErrSession, len(text))
		}
	}
	switch {
	case len(s.Subject) > maxSubject:
		return fmt.Errorf("%w: subject of %d bytes", ErrSession, len(s.Subject))
	case len(s.Ciphertexts) > maxCiphertexts:
		return fmt.Errorf("%w: %d ciphertexts", ErrSession, len(s.Ciphertexts))
	case s.Parties == 0 || !s.Parties.Within(sharing.MaxParties) || s.T < 0 || s.T > sharing.MaxParties:
		return fmt.Errorf("%w: parties %v, t = %d", ErrSession, s.Parties, s.T)
	}
	return nil
}

func printable(text string) bool {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
