package preproc

import "github.com/tkms-network/tkms/enclave/ring"

// place is an index of the agreed vectors; item is the element's in its opening.
type place struct{ section, opening, item int }

// in returns the place in a section, nil for nil.
func (p *place) in(section int) *place {
	if p != nil {
		p.section = section
	}
	return p
}

// verdict opens every index of the agreed vectors and finishes the material, or
// returns the lowest one that does not open to what it can be: by section, then by
// opening; in an opening the first item that is no codeword, if there is none the
// first that is no integer, then the first odd one; in a packed opening the first that
// is any of these. It is the same for everybody who holds the agreed vectors.
func (m *Machine) verdict() (*place, error) {
	d, offset := m.code.Degree(), 0
	vectors, members := make([][]byte, m.code.N()+1), m.From.List()
	most, words, kept, total := 0, 0, 0, 0
	for _, s := range m.Sections {
		if total += s.openedLen(); s.bulk() {
			continue
		}
		most, words = max(most, s.openings()), max(words, s.openings()*s.Count)
		if s.Factor {
			kept += s.Count
		}
	}
	memory, factors := make([]uint64, words), make([]uint64, kept)
	list, all := make([][]uint64, most), make([]byte, 0, total)
	for a, s := range m.Sections {
		if s.bulk() {
			size := s.VectorBytes(d)
			for _, i := range members {
				vectors[i] = m.agreement.Vector(i)[offset : offset+size]
			}
			offset += size
			kept, bad, err := s.openBulk(&m.material[a], m.code, m.From, vectors, m.Workers)
			if err != nil || bad != nil {
				return bad.in(a), err
			}
			all = append(all, kept...)
			continue
		}
		size, values, opened := ring.PackedLen(s.Count*d, s.K), memory, list[:s.openings()]
		if s.Factor {
			values, factors = factors[:s.Count], factors[s.Count:]
		}
		for q := range opened {
			for _, i := range members {
				vectors[i] = m.agreement.Vector(i)[offset : offset+size]
			}
			offset += size
			opened[q] = values[q*s.Count : (q+1)*s.Count]
			bad, err := s.open(opened[q], m.code, m.From, vectors)
			if err != nil {
				return nil, err
			}
			if bad >= 0 {
				return &place{a, q, bad}, nil
			}
			all = ring.AppendPacked(all, opened[q], s.K)
		}
		if bad := s.finishLast(m.material[:a+1], d, opened); bad >= 0 {
			return &place{a, 0, bad}, nil // only bits can fail here
		}
	}
	m.opened = all
	return nil, nil
}
