package decrypt

import (
	"github.com/tkms-network/tkms/enclave/ring"
)

// carries are shares over R_W of generate and propagate for each live leaf of the
// tree, d words a block.
type carries struct {
	g, p [][]uint64
}

func (c *carries) zero() {
	for i := range c.g {
		clear(c.g[i])
		clear(c.p[i])
	}
}

// leaves returns g_i = c_i·r_i and p_i = c_i + r_i − 2·c_i·r_i for the low bits.
func (m *Machine) leaves() carries {
	d, low := m.code.Degree(), m.shape.Low()
	out := carries{g: make([][]uint64, low), p: make([][]uint64, low)}
	for i := range low {
		g, p, r := make([]uint64, len(m.bits[i])), make([]uint64, len(m.bits[i])), m.bits[i]
		for b, c := range m.c {
			bit := c >> i & 1
			for x := b * d; x < (b+1)*d; x++ {
				g[x] = bit * r[x]
				p[x] = r[x] - 2*g[x]
			}
			p[b*d] += bit
		}
		out.g[i], out.p[i] = g, p
	}
	return out
}

// pairBefore returns the number of pairs in the levels below.
func (m *Machine) pairBefore(level int) int {
	g := 0
	for _, l := range m.levels[:level] {
		g += len(l)
	}
	return g
}

// differences returns what a level opens: for each pair pHi − x, gLo − y₁ and, if
// it is double, pLo − y₂.
func (m *Machine) differences(level int) []uint64 {
	d := m.code.Degree()
	out := make([]uint64, 0, m.openings(level+1)*d)
	subtract := func(a, b []uint64) {
		b = b[:len(a)]
		for i, x := range a {
			out = append(out, x-b[i])
		}
	}
	g := m.pairBefore(level)
	for i, pair := range m.levels[level] {
		t := &m.products[g+i]
		subtract(m.carry.p[pair.Hi], t.X)
		subtract(m.carry.g[pair.Lo], t.Y[0])
		if pair.Double {
			subtract(m.carry.p[pair.Lo], t.Y[1])
		}
	}
	return out
}

// combine computes the level's nodes from the opened differences.
func (m *Machine) combine(level int, opened []uint64) {
	next := func() []uint64 {
		v := opened[:m.count]
		opened = opened[m.count:]
		return v
	}
	first := m.pairBefore(level)
	for i, pair := range m.levels[level] {
		t := &m.products[first+i]
		epsilon := next()
		m.product(m.carry.g[pair.Lo], epsilon, next(), t.X, t.Y[0], t.Z[0])
		for x, g := range m.carry.g[pair.Hi] {
			m.carry.g[pair.Lo][x] += g
		}
		if pair.Double {
			m.product(m.carry.p[pair.Lo], epsilon, next(), t.X, t.Y[1], t.Z[1])
		}
	}
}

// product writes the share of (ε + x)·(ρ + y) = ερ + εy + ρx + z to dst.
func (m *Machine) product(dst, epsilon, rho, x, y, z []uint64) {
	d := m.code.Degree()
	for b, e := range epsilon {
		r := rho[b]
		for w := b * d; w < (b+1)*d; w++ {
			dst[w] = e*y[w] + r*x[w] + z[w]
		}
		dst[b*d] += e * r
	}
}

// result returns the shares of c_hi + r_hi + carry over R_W.
func (m *Machine) result() []uint64 {
	d, low := m.code.Degree(), m.shape.Low()
	out := append([]uint64(nil), m.carry.g[0]...)
	for b, c := range m.c {
		out[b*d] += c >> low
	}
	r := m.code.Ring()
	for j, bits := range m.bits[low:] {
		r.ScaleAdd(out, bits, 1<<j)
	}
	ring.Reduce(out, m.shape.W)
	return out
}
