package sharing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// Errors of this package.
var (
	// ErrParameters reports n, t and d that do not fit each other.
	ErrParameters = errors.New("sharing: n parties need t ≥ 0, n ≥ 3t+1 and n < 2^d")
	// ErrUndecodable reports points of which too few lie on one polynomial.
	ErrUndecodable = errors.New("sharing: too few points lie on one polynomial")
	// ErrNotInteger reports an opened value outside Z/2^k.
	ErrNotInteger = errors.New("sharing: opened value is not an integer")
)

// Threshold returns ⌊(n−1)/3⌋, the corruptions that n parties tolerate.
func Threshold(n int) int { return (n - 1) / 3 }

// DegreeFor returns the extension degree used for n parties: 4 up to 15, else 5.
func DegreeFor(n int) int {
	if n <= 15 {
		return 4
	}
	return 5
}

// Code is the Reed–Solomon code of one n, t and d. It is safe for concurrent use.
type Code struct {
	ring ring.Ring
	wide wide.Ring
	n, t int

	mu        sync.Mutex
	plans     map[planKey]*plan
	widePlans map[planKey]*widePlan
}

// New returns the code of n parties, t corruptions and extension degree d.
func New(n, t, d int) (*Code, error) {
	r, err := wide.New(d)
	if err != nil {
		return nil, err
	}
	if n < 1 || t < 0 || n < 3*t+1 || n > r.Narrow().Points() {
		return nil, fmt.Errorf("%w: n=%d t=%d d=%d", ErrParameters, n, t, d)
	}
	return &Code{ring: r.Narrow(), wide: r, n: n, t: t, plans: map[planKey]*plan{}, widePlans: map[planKey]*widePlan{}}, nil
}

// N returns the number of parties.
func (c *Code) N() int { return c.n }

// T returns the number of corruptions tolerated.
func (c *Code) T() int { return c.t }

// Ring returns the ring of the shares.
func (c *Code) Ring() ring.Ring { return c.ring }

// Degree returns d, the words of one share.
func (c *Code) Degree() int { return c.ring.Degree() }

// Quorum returns n−t, the points that make an opening of degree t certain.
func (c *Code) Quorum() int { return c.n - c.t }

// Deal shares the integers secrets with polynomials of the given degree whose
// other coefficients are read from random (uniform bytes). Element i−1 of the
// result is party i's vector of len(secrets) shares over R_64.
func (c *Code) Deal(random io.Reader, degree int, secrets []uint64) ([][]uint64, error) {
	d := c.Degree()
	out := make([][]uint64, c.n)
	for i := range out {
		out[i] = make([]uint64, len(secrets)*d)
		for m, s := range secrets {
			out[i][m*d] = s
		}
	}
	coefficients := make([]uint64, len(secrets)*d)
	raw := make([]byte, 8*len(coefficients))
	for j := 1; j <= degree; j++ {
		if _, err := io.ReadFull(random, raw); err != nil {
			return nil, fmt.Errorf("sharing: read randomness: %w", err)
		}
		for m := range coefficients {
			coefficients[m] = binary.LittleEndian.Uint64(raw[8*m:])
		}
		for i := range out {
			power := c.ring.Matrix(c.power(i+1, j).Narrow())
			c.ring.MulAdd(out[i], coefficients, &power)
		}
	}
	clear(raw)
	clear(coefficients)
	return out, nil
}

// power returns α_i^j.
func (c *Code) power(i, j int) wide.Elem {
	x, alpha := wide.Integer(wide.Word{Lo: 1}), c.wide.Point(i)
	for range j {
		x = c.wide.Mul(x, alpha)
	}
	return x
}

// Lagrange returns for each member of from, ascending, the coefficient of its
// point in the value at α_at (0 for the secret) of the polynomial of degree
// len−1 through all of them.
func (c *Code) Lagrange(from Parties, at int) []ring.Elem {
	coefficients := c.LagrangeWide(from, at)
	out := make([]ring.Elem, len(coefficients))
	for a, e := range coefficients {
		out[a] = e.Narrow()
	}
	return out
}

// take returns the count smallest members of s.
func take(s Parties, count int) Parties {
	rest := s
	for ; count > 0; count-- {
		rest &= rest - 1 // without the smallest; no members stay none
	}
	return s.Without(rest)
}

// Integers takes the integers out of a vector of opened values (d words each)
// and returns the index of the first value that is none, or −1.
func (c *Code) Integers(dst, values []uint64) int {
	d := c.Degree()
	bad := -1
	for i := range dst {
		v := values[i*d : (i+1)*d]
		var rest uint64
		for _, x := range v[1:] {
			rest |= x
		}
		if rest != 0 && bad < 0 {
			bad = i
		}
		dst[i] = v[0]
	}
	return bad
}
