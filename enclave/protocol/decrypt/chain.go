package decrypt

import "github.com/tkms-network/tkms/enclave/protocol/preproc"

// chain is the carrier that joins all digits in one level. It opens P_k − p_k and
// G_i − g_i for the masks p and g of the stock's chain; the carry
//
//	Σ_i G_i·Π_(k>i) P_k
//
// is then linear in the products of masks that the chain has.
type chain struct {
	digits
	opened []uint64
}

func (g *chain) levels() int { return 1 }

// openings: p_(D−1) … p_1, which are the chain's members 0 … D−2, then g_0 … g_(D−2).
func (g *chain) openings(int) int { return 2 * (len(g.size) - 1) }

func (g *chain) words() int { return 0 }

func (g *chain) shares(_ int, out []uint64) {
	m, top := g.m, len(g.size)-1
	for _, s := range m.segments {
		table := s.batch.Chain()
		part := func(opening int) []uint64 {
			return out[(opening*m.count+s.first)*m.d:][:s.count*m.d]
		}
		for member := range top {
			v := part(member)
			g.addPropagate(v, s, top-member)
			subtract(v, table.At(1<<member-1))
		}
		for i := range top {
			v := part(top + i)
			g.addGenerate(v, s, i)
			subtract(v, table.At(preproc.ChainGenerate(len(g.size), i)-1))
		}
	}
}

func (g *chain) combine(_ int, opened []uint64) { g.opened = opened }

// add multiplies out, for each i, (γ_i + g_i)·Π_(k>i)(ε_k + p_k): the coefficient of
// a set of masks p is the product of the ε of the others.
func (g *chain) add(out []uint64) {
	m, top := g.m, len(g.size)-1
	var coefficients [1 << (maxDigits - 1)]uint64
	for _, s := range m.segments {
		g.addGenerate(out[s.first*m.d:], s, top)
		table := s.batch.Chain()
		for b := range s.count {
			at := b * m.d
			to := out[(s.first+b)*m.d:][:m.d]
			value := func(opening int) uint64 { return g.opened[opening*m.count+s.first+b] }
			clear(coefficients[:])
			for i := range top {
				members := top - i
				gamma := value(top + i)
				generate := preproc.ChainGenerate(len(g.size), i) - 1
				for set := range 1 << members {
					e := uint64(1)
					for k := range members {
						if set>>k&1 == 0 {
							e *= value(k)
						}
					}
					coefficients[set] += gamma * e
					addScaled(to, table.At(generate + set)[at:], e)
				}
			}
			to[0] += coefficients[0]
			for set := 1; set < 1<<top; set++ {
				addScaled(to, table.At(set - 1)[at:], coefficients[set])
			}
		}
	}
}

// maxDigits is the most that a shape with a chain has.
const maxDigits = 4
