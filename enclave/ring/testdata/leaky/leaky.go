// Package leaky does what code that handles shares must not. Each line that must be
// found ends in a comment.
package leaky

type elem [5]uint64

type ring struct{ d int }

func (r ring) branch(v []uint64, i int) int {
	if v[i] == 0 { // found: if
		return 1
	}
	return 0
}

func loop(v []uint64) (n int) {
	for x := v[0]; x > 0; x >>= 1 { // found: for
		n++
	}
	for range v[1] { // found: range
		n++
	}
	return n
}

func choose(a elem) uint64 {
	switch a[0] & 1 { // found: switch
	case 1:
		return 2
	}
	var carried uint64
	for _, x := range a {
		carried += x
	}
	later := carried > 7
	if later { // found: if
		return 3
	}
	switch {
	case carried == 3: // found: case
		return 4
	}
	return 0
}

func index(table []uint64, seen map[uint64]int, v []uint64) uint64 {
	i := v[0] & 15
	x := table[i]           // found: index
	x += uint64(seen[v[1]]) // found: index
	rest := table[:i]       // found: slice
	return x + rest[0]
}

func arithmetic(v []uint64, raw []byte) (bool, uint64) {
	lazy := v[0] == 1 && v[1] == 1 // found: &&
	q := v[2] / 3                  // found: /
	q %= v[3]                      // found: %
	q <<= raw[0]                   // found: shift
	q += min(q, 9)                 // found: min
	return lazy, q
}

type state struct{ sum uint64 }

func (s *state) through(v []uint64, f func([]uint64) uint64) {
	s.sum = f(v)
	func() {
		if s.sum == 0 { // found: if
			s.sum = 1
		}
	}()
}

func scalar(x uint64) int {
	if x > 1 { // found: if
		return 1
	}
	return 0
}

type wide struct{ lo, hi uint64 }

func (w wide) method() int {
	if w.lo == 0 { // found: if
		return 1
	}
	return 0
}

func (w *wide) pointer() {
	if w.hi == 0 { // found: if
		w.hi = 1
	}
}

func halves(v []wide, x uint64) uint64 {
	if v[0].hi == 1 { // found: if
		return 1
	}
	w := wide{lo: x}
	if w != (wide{}) { // found: if
		return 2
	}
	return v[1].lo / 3 // found: /
}

// fine depends on lengths and sizes only.
func fine(dst, src []uint64, k uint, d int) uint64 {
	var bad uint64
	for i := range dst {
		if i%d == 0 && k > 3 {
			dst[i] += src[i] >> k
		}
	}
	for len(src) > d {
		bad |= src[0]
		src = src[d:]
	}
	return bad &^ dst[len(dst)/2]
}
