package prss

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
)

// Versions of the encodings.
const (
	contributionVersion = 1
	openingsVersion     = 1
	keysVersion         = 2 // 1 had no transcript
)

// header says whose secrets follow, in every encoding: version, n, t, self, a byte
// each, and the epoch.
func header(version byte, n, t, self int, epoch mpc.Digest) []byte {
	return append([]byte{version, byte(n), byte(t), byte(self)}, epoch[:]...) // #nosec G115 -- below sharing.MaxParties
}

const headerSize = 4 + mpc.DigestSize

// MarshalBinary returns the plain bytes, to be sealed before they are stored: the
// header, the transcript, then a key for each set.
func (k *Keys) MarshalBinary() ([]byte, error) {
	out := append(header(keysVersion, k.n, k.t, k.self, k.epoch), k.transcript[:]...)
	for i := range k.keys {
		out = append(out, k.keys[i][:]...)
	}
	return out, nil
}

// UnmarshalKeys reads what MarshalBinary wrote: exact length, ErrEncoding else.
func UnmarshalKeys(b []byte) (*Keys, error) {
	const keysHeader = headerSize + mpc.DigestSize
	if len(b) < keysHeader || b[0] != keysVersion {
		return nil, fmt.Errorf("%w: keys", ErrEncoding)
	}
	n, t, self := int(b[1]), int(b[2]), int(b[3])
	sets, err := SetsOf(n, t, self)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	k := newKeys(n, t, self, mpc.Digest(b[4:headerSize]), sets)
	k.transcript = mpc.Digest(b[headerSize:keysHeader])
	b = b[keysHeader:]
	if len(b) != KeySize*len(k.keys) {
		return nil, fmt.Errorf("%w: keys have %d bytes, not %d", ErrEncoding, len(b), KeySize*len(k.keys))
	}
	for i := range k.keys {
		copy(k.keys[i][:], b[i*KeySize:])
	}
	return k, nil
}

// MarshalBinary returns the plain bytes, to be sealed before they are stored: a
// party that restarts must open the commitments that it has posted. It is the
// header, then an opening for each set.
func (c *Contribution) MarshalBinary() ([]byte, error) {
	out := header(contributionVersion, c.n, c.t, c.self, c.epoch)
	for i := range c.openings {
		out = append(out, c.openings[i][:]...)
	}
	return out, nil
}

// UnmarshalContribution reads what MarshalBinary wrote: exact length, ErrEncoding
// else.
func UnmarshalContribution(b []byte) (*Contribution, error) {
	if len(b) < headerSize || b[0] != contributionVersion {
		return nil, fmt.Errorf("%w: contribution", ErrEncoding)
	}
	c, err := newContribution(mpc.Digest(b[4:headerSize]), int(b[3]), int(b[1]), int(b[2]))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	b = b[headerSize:]
	if len(b) != OpeningSize*len(c.sets) {
		return nil, fmt.Errorf("%w: contribution has %d bytes, not %d", ErrEncoding, len(b), OpeningSize*len(c.sets))
	}
	for i := range c.openings {
		copy(c.openings[i][:], b[i*OpeningSize:])
	}
	return c, nil
}

// Openings returns all openings that others have shown, to be sealed before they
// are stored: a party that restarts in the middle of a set-up needs those that it
// has, and nobody has to show one twice. They are as secret as Keys.
//
// The encoding is the header of a contribution, then for each other contributor in
// the order of parties and each common set 1 and the opening, or 0.
func (s *Setup) Openings() []byte {
	out := header(openingsVersion, s.own.n, s.own.t, s.own.self, s.own.epoch)
	for i, c := range s.contributors {
		if c == nil || i == s.own.self {
			continue
		}
		for _, opening := range c.openings {
			if opening == nil {
				out = append(out, 0)
				continue
			}
			out = append(append(out, 1), opening[:]...)
		}
	}
	return out
}

// Restore adds what Openings returned, ErrEncoding else. The openings were checked
// when they came, and the bytes are the party's own, so they are not checked again.
func (s *Setup) Restore(raw []byte) error {
	malformed := fmt.Errorf("%w: openings", ErrEncoding)
	if len(raw) < headerSize || raw[0] != openingsVersion ||
		int(raw[1]) != s.own.n || int(raw[2]) != s.own.t || int(raw[3]) != s.own.self || mpc.Digest(raw[4:headerSize]) != s.own.epoch {
		return malformed
	}
	raw = raw[headerSize:]
	type found struct {
		from    *contributor
		at      int
		opening []byte
	}
	var all []found
	for i, c := range s.contributors {
		if c == nil || i == s.own.self {
			continue
		}
		for x := range c.openings {
			switch {
			case len(raw) > 0 && raw[0] == 0:
				raw = raw[1:]
			case len(raw) > OpeningSize && raw[0] == 1:
				all = append(all, found{c, x, raw[1 : 1+OpeningSize]})
				raw = raw[1+OpeningSize:]
			default:
				return malformed
			}
		}
	}
	if len(raw) > 0 {
		return malformed
	}
	for _, f := range all {
		f.from.keep(f.at, f.opening)
	}
	return nil
}
