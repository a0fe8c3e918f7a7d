package preproc

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
)

// Rebuild returns a party's shares of sections from its own keys and the values
// that the others opened. The caller has opened from peers of which t+1 sent
// equal digests of it: Rebuild can tell a malformed one only.
func Rebuild(source *prss.Source, sections []Section, opened []byte) (_ []Material, err error) {
	if err := checkSections(sections); err != nil {
		return nil, err
	}
	total := 0
	for _, s := range sections {
		total += s.openedLen()
	}
	if len(opened) != total {
		return nil, fmt.Errorf("%w: opened values have %d bytes, not %d", ErrEncoding, len(opened), total)
	}
	out := make([]Material, len(sections))
	defer func() {
		for i := range out {
			if err != nil {
				out[i].Zero()
			}
		}
	}()
	var vector []byte            // that the party would have sent
	for a, s := range sections { // all of them, before the first is finished: a digit takes bits as they are drawn
		if out[a], vector, err = s.generate(source, out[:a], vector[:0]); err != nil {
			return nil, err
		}
	}
	for a, s := range sections {
		values := make([][]uint64, s.openings())
		size := ring.PackedLen(s.Count, s.K)
		for q := range values {
			values[q] = make([]uint64, s.Count)
			if err := ring.Unpack(values[q], opened[:size], s.K); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
			}
			opened = opened[size:]
		}
		if bad := s.finishLast(out[:a+1], source.Code().Degree(), values); bad >= 0 {
			return nil, fmt.Errorf("%w: opened value %d of section %d is odd", ErrEncoding, bad, a)
		}
	}
	return out, nil
}
