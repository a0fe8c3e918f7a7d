package decrypt

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/protocol/preproc"
)

// lifter takes shares of values m < 2^W over R_W to shares of the same integers over
// the ring of another shape, of which it has an item for each value: with ρ < 2^W the
// lowest digit of the item it opens e = m − ρ mod 2^W, which is uniform. Then
//
//	m = e + ρ − 2^W·[e + ρ ≥ 2^W],
//
// in which [ρ ≥ 2^W − e] is an entry of the digit's table.
type lifter struct {
	m        *Machine
	segments []segment
	opened   []uint64
}

// newLifter returns ErrConfig unless the batches have the digit, and an item for each
// block.
func newLifter(m *Machine, lift []*preproc.Batch) (*lifter, error) {
	shape := lift[0].Shape()
	if m.keeper == nil || shape.W <= m.shape.W || shape.DigitBits()[0] != int(m.shape.W) { // #nosec G115 -- at most 30
		return nil, fmt.Errorf("%w: shape %v does not lift what %v gives", ErrConfig, shape, m.shape)
	}
	l := &lifter{m: m}
	var err error
	l.segments, err = m.assign(lift, shape)
	m.keeper.w = shape.W
	return l, err
}

// addDigit adds x·ρ to out, d words a block.
func (l *lifter) addDigit(out []uint64, x uint64) {
	d := l.m.d
	for _, s := range l.segments {
		part := out[s.first*d:][:s.count*d]
		for j := range int(l.m.shape.W) { // #nosec G115 -- at most 30
			l.m.code.Ring().ScaleAdd(part, s.batch.Bits(j), x<<j)
		}
	}
}

// mask takes the digits from the shares of the values.
func (l *lifter) mask(values []uint64) { l.addDigit(values, ^uint64(0)) }

// lift adds the shares of the values over the greater ring to out.
func (l *lifter) lift(out []uint64) {
	d, size := l.m.d, uint64(1)<<l.m.shape.W
	l.addDigit(out, 1)
	for _, s := range l.segments {
		table := s.batch.Digit(0)
		for b, e := range l.opened[s.first : s.first+s.count] {
			to := out[(s.first+b)*d:][:d]
			to[0] += e
			if e > 0 {
				addScaled(to, table.At(int(size - e - 1))[b*d:], -size) // #nosec G115 -- below 2^W
			}
		}
	}
}

func (l *lifter) erase() {
	for _, s := range l.segments {
		s.batch.Zero()
	}
	l.segments = nil
}
