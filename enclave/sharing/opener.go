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
	settlement
	k       uint
	count   int
	output  output
	vectors [][]uint64
	values  []uint64
	notInt  int // the first value that is no integer, or −1
}

// NewOpener opens count sharings of integers over R_k.
func (c *Code) NewOpener(k uint, count int) *Opener { return c.newOpener(k, count, checked) }

// NewElementOpener opens count sharings of elements of R_k.
func (c *Code) NewElementOpener(k uint, count int) *Opener { return c.newOpener(k, count, elements) }

func (c *Code) newOpener(k uint, count int, o output) *Opener {
	return &Opener{settlement: settlement{code: c}, k: k, count: count, output: o, vectors: make([][]uint64, c.n+1)}
}

// Add takes party's points, count·d words, and keeps the slice. It reports
// whether the opening is done. A second vector of one party is ignored. It panics
// on a length or party that the caller should have refused.
func (o *Opener) Add(party int, points []uint64) bool {
	if party < 1 || party > o.code.n || len(points) != o.count*o.code.Degree() {
		panic("sharing: points of an unknown party or of the wrong length")
	}
	if !o.have.Has(party) {
		o.vectors[party] = points
		o.add(party, o)
	}
	return o.done
}

func (o *Opener) open(basis, rest Parties) int {
	if o.done {
		off, _ := o.code.open(nil, nothing, basis, rest, o.vectors, o.k)
		return off
	}
	if o.values == nil {
		o.values = make([]uint64, o.count*o.width())
	}
	off, notInt := o.code.open(o.values, o.output, basis, rest, o.vectors, o.k)
	o.notInt = notInt
	return off
}

func (o *Opener) liars(index int) (Parties, error) {
	points := make([]ring.Elem, o.code.n+1)
	for _, i := range o.have.List() {
		points[i] = o.code.ring.At(o.vectors[i], index)
	}
	_, liars, err := o.code.Decode(o.have, points, o.k, o.code.Quorum())
	return liars, err
}

// width returns the words of a value.
func (o *Opener) width() int {
	if o.output == elements {
		return o.code.Degree()
	}
	return 1
}

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
