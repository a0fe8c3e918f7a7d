package preproc

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
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
		total += s.openedLen()
	}
	if len(opened) != total {
		return nil, nil, fmt.Errorf("%w: opened values have %d bytes, not %d", ErrEncoding, len(opened), total)
	}
	out, memory, _, err := generate(source, sections, nil)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			clear(memory)
		}
	}()
	for a, s := range sections {
		values := make([][]uint64, s.openings())
		size := ring.PackedLen(s.Count, s.K)
		for q := range values {
			values[q] = make([]uint64, s.Count)
			if err := ring.Unpack(values[q], opened[:size], s.K); err != nil {
				return nil, nil, fmt.Errorf("%w: %w", ErrEncoding, err)
			}
			opened = opened[size:]
		}
		if bad := s.finishLast(out[:a+1], source.Code().Degree(), values); bad >= 0 {
			return nil, nil, fmt.Errorf("%w: opened value %d of section %d is odd", ErrEncoding, bad, a)
		}
	}
	return out, memory, nil
}
