package decrypt

import "github.com/tkms-network/tkms/enclave/protocol/preproc"

// A carrier computes the carry of c + r out of the low bits, on shares over R_W,
// once c is opened. It opens values in levels, one a round.
type carrier interface {
	// levels returns the number of levels, openings the vectors that one opens.
	levels() int
	openings(level int) int
	// words is the working memory that it takes of the arena.
	words() int
	// start takes the opened c.
	start(c []uint64)
	// shares writes what a level opens to out, vector by vector, one share a block.
	shares(level int, out []uint64)
	// combine takes what a level opened, in the same order.
	combine(level int, opened []uint64)
	// add adds the carry of every block to out.
	add(out []uint64)
}

// segment is the part of the blocks that takes its items from one batch.
type segment struct {
	batch *preproc.Batch
	// first and count are blocks of the session.
	first, count int
}

// tree is the carrier without digits: generate and propagate of the bits are
// combined in pairs, a level a round.
type tree struct {
	m     *Machine
	pairs [][]preproc.Pair
	g, p  [][]uint64 // by leaf
}

func newTree(m *Machine) *tree {
	return &tree{m: m, pairs: m.shape.Tree(), g: make([][]uint64, m.shape.Low()), p: make([][]uint64, m.shape.Low())}
}

func (t *tree) levels() int { return len(t.pairs) }

func (t *tree) openings(level int) int {
	total := 0
	for _, p := range t.pairs[level] {
		total += 1 + p.Products()
	}
	return total
}

func (t *tree) words() int { return 2 * t.m.shape.Low() * t.m.count * t.m.d }

// start sets g_i = c_i·r_i and p_i = c_i + r_i − 2·c_i·r_i for the low bits.
func (t *tree) start(opened []uint64) {
	m, d := t.m, t.m.d
	for i := range t.g {
		g, p := m.memory.take(m.count*d), m.memory.take(m.count*d)
		for _, s := range m.segments {
			r := s.batch.Bits(i)
			for b, c := range opened[s.first : s.first+s.count] {
				bit, at := c>>i&1, (s.first+b)*d
				for x, share := range r[b*d : (b+1)*d] {
					g[at+x] = bit * share
					p[at+x] = share - 2*bit*share
				}
				p[at] += bit
			}
		}
		t.g[i], t.p[i] = g, p
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
	subtract := func(a []uint64, part func(*preproc.Material) []uint64, pair int) {
		for _, s := range m.segments {
			b := part(s.batch.Product(pair))
			at := s.first * m.d
			for i, x := range b {
				out[at+i] = a[at+i] - x
			}
		}
		out = out[m.count*m.d:]
	}
	for i, pair := range t.pairs[level] {
		subtract(t.p[pair.Hi], func(x *preproc.Material) []uint64 { return x.X }, first+i)
		subtract(t.g[pair.Lo], func(x *preproc.Material) []uint64 { return x.Y[0] }, first+i)
		if pair.Double {
			subtract(t.p[pair.Lo], func(x *preproc.Material) []uint64 { return x.Y[1] }, first+i)
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
		x, y, z := p.X, p.Y[q], p.Z[q]
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
