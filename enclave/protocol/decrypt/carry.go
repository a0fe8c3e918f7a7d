package decrypt

// A carrier joins the carries of the digits: it computes the carry of c + r out of
// the low bits, on shares over R_W, once c is opened. It opens values in levels, one
// a round.
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

// digits reads the tables of the stock with the opened c: the carry G out of a digit
// and whether it passes a carry on, P, are entries of its table. The index is
// public: it is a digit of c.
type digits struct {
	m    *Machine
	size []int // bits of each digit
	c    []uint64
}

func newDigits(m *Machine) digits { return digits{m: m, size: m.shape.DigitBits()} }

func (g *digits) start(c []uint64) { g.c = c }

// of returns where a digit of c begins, and its values.
func (g *digits) of(digit int) (shift, values int) {
	for _, b := range g.size[:digit] {
		shift += b
	}
	return shift, 1 << g.size[digit]
}

// addGenerate adds G of a digit to out, d words a block of the segment.
func (g *digits) addGenerate(out []uint64, s segment, digit int) {
	d, table := g.m.d, s.batch.Digit(digit)
	shift, values := g.of(digit)
	for b, c := range g.c[s.first : s.first+s.count] {
		// [r + c ≥ 2^b]: no carry if c is 0
		if v := int(c>>shift) & (values - 1); v > 0 { // #nosec G115 -- at most 32 bits
			add(out[b*d:(b+1)*d], table.At(values - v - 1)[b*d:])
		}
	}
}

// addPropagate adds P of a digit to out.
func (g *digits) addPropagate(out []uint64, s segment, digit int) {
	d, table := g.m.d, s.batch.Digit(digit)
	shift, values := g.of(digit)
	for b, c := range g.c[s.first : s.first+s.count] {
		// [r + c ≥ 2^b − 1] − [r + c ≥ 2^b]; the first is 1 if c is 2^b − 1
		to := out[b*d : (b+1)*d]
		v := int(c>>shift) & (values - 1) // #nosec G115 -- at most 32 bits
		if v < values-1 {
			add(to, table.At(values - v - 2)[b*d:])
		} else {
			to[0]++
		}
		if v > 0 {
			subtract(to, table.At(values - v - 1)[b*d:])
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

func addScaled(dst, src []uint64, x uint64) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] += src[i] * x
	}
}
