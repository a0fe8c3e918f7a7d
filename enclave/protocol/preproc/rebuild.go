package preproc

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Rebuild returns a party's shares of sections from its own keys and the values
// that the others opened. The caller has opened from peers of which t+1 sent
// equal digests of it: Rebuild can tell a malformed one only.
func Rebuild(source *prss.Source, sections []Section, opened []byte) ([]Material, error) {
	material, _, err := rebuild(source, sections, opened)
	return material, err
}

// rebuild also returns the memory that the material lies in.
func rebuild(source *prss.Source, sections []Section, opened []byte) (_ []Material, _ []uint64, err error) {
	if err := checkSections(sections); err != nil {
		return nil, nil, err
	}
	total := 0
	for _, s := range sections {
		if s.bulk() && !s.Packed {
			return nil, nil, fmt.Errorf("%w: %+v is not rebuilt", ErrSection, s)
		}
		total += s.openedLen()
	}
	if len(opened) != total {
		return nil, nil, fmt.Errorf("%w: opened values have %d bytes, not %d", ErrEncoding, len(opened), total)
	}
	made, memory, _, err := generate(source, sections, nil, serial)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			clear(memory)
			for i := range made {
				made[i].Zero()
			}
		}
	}()
	for a, s := range sections {
		if s.Packed {
			if opened, err = s.rebuildBits(&made[a], source.Code(), opened); err != nil {
				return nil, nil, err
			}
			continue
		}
		values := make([][]uint64, s.openings())
		size := ring.PackedLen(s.Count, s.K)
		for q := range values {
			values[q] = make([]uint64, s.Count)
			if err := ring.Unpack(values[q], opened[:size], s.K); err != nil {
				return nil, nil, fmt.Errorf("%w: %w", ErrEncoding, err)
			}
			opened = opened[size:]
		}
		if bad := s.finishLast(made[:a+1], source.Code().Degree(), values); bad >= 0 {
			return nil, nil, fmt.Errorf("%w: opened value %d of section %d is odd", ErrEncoding, bad, a)
		}
	}
	return made, memory, nil
}

// rebuildBits finishes packed bits with the opened values, the first bytes of opened,
// and returns the rest.
func (s Section) rebuildBits(m *Material, code *sharing.Code, opened []byte) ([]byte, error) {
	d, k, elements := code.Degree(), s.K, s.elements()
	size := s.openedLen()
	kept, rest := opened[:size], opened[size:]
	words := make([]wide.Word, Pack*elements)
	if err := wide.Unpack(words, kept, k); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	values := make([]wide.Word, elements*d)
	for e := range elements {
		copy(values[e*d:], words[Pack*e:Pack*(e+1)])
	}
	again := make([]byte, size)
	s.allocate(m, d)
	scratch := make([]uint64, 2*Pack*step)
	for at := 0; at < elements; at += step {
		part := values[at*d : min(at+step, elements)*d]
		if s.wide() {
			if i := firstOddWide(part, d, -1); i >= 0 {
				return nil, fmt.Errorf("%w: an opened value of bits %d is odd", ErrEncoding, Pack*(at+i))
			}
			s.finishWide(m, d, part, again, at)
			continue
		}
		narrow := make([]uint64, len(part))
		for i, x := range part {
			narrow[i] = x.Lo
		}
		if i := firstOdd(narrow, d, -1); i >= 0 {
			return nil, fmt.Errorf("%w: an opened value of bits %d is odd", ErrEncoding, Pack*(at+i))
		}
		s.finishNarrow(m, code.Ring(), narrow, again, 0, at, scratch)
	}
	m.forget()
	return rest, nil
}
