package sharing

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring"
)

// Opener opens a vector of degree-t sharings of integers, or of elements, over R_k from
// vectors that come one by one, in any order. It is done as soon as the vectors of n−t parties lie, at
// every index, on polynomials of degree t; whoever differs from these is wrong,
// whether the vector came before or comes later. It is not safe for concurrent use.
type Opener struct {
	code    *Code
	k       uint
	count   int
	output  output
	vectors [][]uint64
	have    Parties
	wrong   Parties
	basis   Parties
	values  []uint64
	notInt  int // the first value that is no integer, or −1
	done    bool
}

// NewOpener opens count sharings of integers over R_k.
func (c *Code) NewOpener(k uint, count int) *Opener {
	return &Opener{code: c, k: k, count: count, output: checked, vectors: make([][]uint64, c.n+1)}
}

// NewElementOpener opens count sharings of elements of R_k.
func (c *Code) NewElementOpener(k uint, count int) *Opener {
	return &Opener{code: c, k: k, count: count, output: elements, vectors: make([][]uint64, c.n+1)}
}

// Add takes party's points, count·d words, and keeps the slice. It reports
// whether the opening is done. A second vector of one party is ignored. It panics
// on a length or party that the caller should have refused.
func (o *Opener) Add(party int, points []uint64) bool {
	if party < 1 || party > o.code.n || len(points) != o.count*o.code.Degree() {
		panic("sharing: points of an unknown party or of the wrong length")
	}
	if o.have.Has(party) {
		return o.Done()
	}
	o.have = o.have.With(party)
	o.vectors[party] = points
	if o.Done() {
		if off, _ := o.code.open(nil, nothing, o.basis, PartiesOf(party), o.vectors, o.k); off >= 0 {
			o.wrong = o.wrong.With(party)
		}
		return true
	}
	o.settle()
	return o.Done()
}

// settle looks for n−t consistent vectors, naming wrong parties index by index.
func (o *Opener) settle() {
	c := o.code
	wrong := o.wrong
	for {
		good := o.have.Without(wrong)
		if good.Count() < c.Quorum() {
			return
		}
		basis := take(good, c.t+1)
		if o.values == nil {
			o.values = make([]uint64, o.count*o.width())
		}
		off, notInt := c.open(o.values, o.output, basis, good.Without(basis), o.vectors, o.k)
		if off < 0 {
			o.wrong, o.basis, o.notInt, o.done = wrong, basis, notInt, true
			return
		}
		points := make([]ring.Elem, c.n+1)
		for _, i := range o.have.List() {
			points[i] = c.ring.At(o.vectors[i], off)
		}
		_, liars, err := c.Decode(o.have, points, o.k, c.Quorum())
		if err != nil {
			return // more points may settle it
		}
		wrong |= liars
	}
}

// width returns the words of a value.
func (o *Opener) width() int {
	if o.output == elements {
		return o.code.Degree()
	}
	return 1
}

// Done reports whether the values are known.
func (o *Opener) Done() bool { return o.done }

// Values returns what was opened mod 2^k, a word for an integer and d for an element;
// nil before Done, and ErrNotInteger if the parties share something else than the
// integers that were to be opened.
func (o *Opener) Values() ([]uint64, error) {
	if !o.done {
		return nil, nil
	}
	if o.notInt >= 0 {
		return nil, fmt.Errorf("%w: index %d", ErrNotInteger, o.notInt)
	}
	return o.values, nil
}

// Wrong returns the parties known to have sent a wrong vector.
func (o *Opener) Wrong() Parties { return o.wrong }

// Have returns the parties whose vectors were taken.
func (o *Opener) Have() Parties { return o.have }
