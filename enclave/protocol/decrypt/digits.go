package decrypt

import "github.com/tkms-network/tkms/enclave/protocol/preproc"

// digits is the carrier of a shape with digits. With the opened c the carry G_i out
// of digit i and whether it passes one on, P_i, are entries of its table. One level
// opens P_k − p_k and G_i − g_i for the masks p and g of the chain; the carry
//
//	Σ_i G_i·Π_(k>i) P_k
//
// is then linear in the products of masks that the chain has.
type digits struct {
	m      *Machine
	size   []int // bits of each digit
	c      []uint64
	opened []uint64
}

func newDigits(m *Machine) *digits { return &digits{m: m, size: m.shape.DigitBits()} }

func (g *digits) levels() int { return 1 }

// openings: p_(D−1) … p_1, which are the chain's members 0 … D−2, then g_0 … g_(D−2).
func (g *digits) openings(int) int { return 2 * (len(g.size) - 1) }

func (g *digits) words() int { return 0 }

func (g *digits) start(c []uint64) { g.c = c }

// below returns the number of bits below a digit.
func (g *digits) below(digit int) int {
	n := 0
	for _, b := range g.size[:digit] {
		n += b
	}
	return n
}

// addGenerate adds sign·G of a digit to out, d words a block of the segment. The
// index is public: it is a digit of c.
func (g *digits) addGenerate(out []uint64, s segment, digit int) {
	d, shift, range_ := g.m.d, g.below(digit), uint64(1)<<g.size[digit]
	table := s.batch.Digit(digit)
	for b, c := range g.c[s.first : s.first+s.count] {
		// [r + c ≥ 2^b]: no carry if c is 0
		if c = c >> shift & (range_ - 1); c > 0 {
			add(out[b*d:(b+1)*d], table[range_-c-1][b*d:])
		}
	}
}

// addPropagate adds P of a digit to out.
func (g *digits) addPropagate(out []uint64, s segment, digit int) {
	d, shift, range_ := g.m.d, g.below(digit), uint64(1)<<g.size[digit]
	table := s.batch.Digit(digit)
	for b, c := range g.c[s.first : s.first+s.count] {
		// [r + c ≥ 2^b − 1] − [r + c ≥ 2^b]; the first is 1 if c is 2^b − 1
		to := out[b*d : (b+1)*d]
		c = c >> shift & (range_ - 1)
		if c < range_-1 {
			add(to, table[range_-c-2][b*d:])
		} else {
			to[0]++
		}
		if c > 0 {
			subtract(to, table[range_-c-1][b*d:])
		}
	}
}

func add(dst, src []uint64) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] += src[i]
	}
}

func subtract(dst, src []uint64) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] -= src[i]
	}
}

func (g *digits) shares(_ int, out []uint64) {
	m, top := g.m, len(g.size)-1
	for _, s := range m.segments {
		chain := s.batch.Chain()
		part := func(opening int) []uint64 {
			return out[(opening*m.count+s.first)*m.d:][:s.count*m.d]
		}
		for member := range top {
			v := part(member)
			g.addPropagate(v, s, top-member)
			subtract(v, chain[1<<member-1])
		}
		for i := range top {
			v := part(top + i)
			g.addGenerate(v, s, i)
			subtract(v, chain[preproc.ChainGenerate(len(g.size), i)-1])
		}
	}
}

func (g *digits) combine(_ int, opened []uint64) { g.opened = opened }

// add multiplies out, for each i, (γ_i + g_i)·Π_(k>i)(ε_k + p_k): the coefficient of
// a set of masks p is the product of the ε of the others.
func (g *digits) add(out []uint64) {
	m, top := g.m, len(g.size)-1
	var coefficients [1 << (maxDigits - 1)]uint64
	for _, s := range m.segments {
		g.addGenerate(out[s.first*m.d:], s, top)
		chain := s.batch.Chain()
		for b := range s.count {
			at := b * m.d
			to := out[(s.first+b)*m.d:][:m.d]
			value := func(opening int) uint64 { return g.opened[opening*m.count+s.first+b] }
			clear(coefficients[:])
			for i := range top {
				members := top - i
				gamma := value(top + i)
				generate := chain[preproc.ChainGenerate(len(g.size), i)-1:]
				for set := range 1 << members {
					e := uint64(1)
					for k := range members {
						if set>>k&1 == 0 {
							e *= value(k)
						}
					}
					coefficients[set] += gamma * e
					addScaled(to, generate[set][at:], e)
				}
			}
			to[0] += coefficients[0]
			for set := 1; set < 1<<top; set++ {
				addScaled(to, chain[set-1][at:], coefficients[set])
			}
		}
	}
}

// maxDigits is the most that a shape has.
const maxDigits = 4

func addScaled(dst, src []uint64, x uint64) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] += src[i] * x
	}
}
