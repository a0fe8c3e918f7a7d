package decrypt

import "github.com/tkms-network/tkms/enclave/protocol/preproc"

// tree is the carrier that combines G and P of the digits in pairs, a level a round.
type tree struct {
	digits
	pairs [][]preproc.Pair
	g, p  [][]uint64 // by digit
}

func newTree(m *Machine) *tree {
	t := &tree{digits: newDigits(m), pairs: m.shape.Tree()}
	t.g, t.p = make([][]uint64, len(t.size)), make([][]uint64, len(t.size))
	return t
}

func (t *tree) levels() int { return len(t.pairs) }

func (t *tree) openings(level int) int {
	total := 0
	for _, p := range t.pairs[level] {
		total += 1 + p.Products()
	}
	return total
}

func (t *tree) words() int { return 2 * len(t.size) * t.m.count * t.m.d }

func (t *tree) start(c []uint64) {
	t.digits.start(c)
	m := t.m
	for i := range t.g {
		t.g[i], t.p[i] = m.memory.take(m.count*m.d), m.memory.take(m.count*m.d)
		for _, s := range m.segments {
			t.addGenerate(t.g[i][s.first*m.d:], s, i)
			if i > 0 {
				t.addPropagate(t.p[i][s.first*m.d:], s, i)
			}
		}
	}
}

// pairBefore returns the number of pairs in the levels below.
func (t *tree) pairBefore(level int) int {
	n := 0
	for _, l := range t.pairs[:level] {
		n += len(l)
	}
	return n
}

// shares are for each pair pHi − x, gLo − y₁ and, if it is double, pLo − y₂.
func (t *tree) shares(level int, out []uint64) {
	m := t.m
	first := t.pairBefore(level)
	subtract := func(a []uint64, vector, pair int) {
		for _, s := range m.segments {
			b := s.batch.Product(pair).At(vector)
			at := s.first * m.d
			for i, x := range b {
				out[at+i] = a[at+i] - x
			}
		}
		out = out[m.count*m.d:]
	}
	for i, pair := range t.pairs[level] {
		subtract(t.p[pair.Hi], 0, first+i)
		subtract(t.g[pair.Lo], 1, first+i)
		if pair.Double {
			subtract(t.p[pair.Lo], 3, first+i)
		}
	}
}

func (t *tree) combine(level int, opened []uint64) {
	next := func() (v []uint64) { v, opened = opened[:t.m.count], opened[t.m.count:]; return v }
	first := t.pairBefore(level)
	for i, pair := range t.pairs[level] {
		epsilon := next()
		t.product(t.g[pair.Lo], epsilon, next(), first+i, 0)
		for x, g := range t.g[pair.Hi] {
			t.g[pair.Lo][x] += g
		}
		if pair.Double {
			t.product(t.p[pair.Lo], epsilon, next(), first+i, 1)
		}
	}
}

// product writes the share of (ε + x)·(ρ + y) = ερ + εy + ρx + z to dst.
func (t *tree) product(dst, epsilon, rho []uint64, pair, q int) {
	d := t.m.d
	for _, s := range t.m.segments {
		p := s.batch.Product(pair)
		x, y, z := p.At(0), p.At(1+2*q), p.At(2+2*q)
		to := dst[s.first*d:]
		for b, e := range epsilon[s.first : s.first+s.count] {
			r := rho[s.first+b]
			for w := b * d; w < (b+1)*d; w++ {
				to[w] = e*y[w] + r*x[w] + z[w]
			}
			to[b*d] += e * r
		}
	}
}

func (t *tree) add(out []uint64) {
	for x, g := range t.g[0] {
		out[x] += g
	}
}
