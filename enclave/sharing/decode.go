package sharing

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// Decode finds the polynomial of degree t on which at least agree of the given
// points lie mod 2^k and returns its value at 0 and the parties whose points
// miss it, or ErrUndecodable. points is indexed by party and read for the members
// of from; agree is at least n−t, so that the polynomial is unique.
func (c *Code) Decode(from Parties, points []ring.Elem, k uint, agree int) (ring.Elem, Parties, error) {
	widened := make([]wide.Elem, len(points))
	for i, e := range points {
		widened[i] = wide.Widen(e)
	}
	value, wrong, err := c.DecodeWide(from, widened, k, agree)
	return value.Narrow(), wrong, err
}

// DecodeWide is Decode for k up to 128.
//
// eprint 2025/699, section 3 (robust opening): decode mod 2 over GF(2^d), lift
// the polynomial found, subtract it, halve, and go on with the next bit. A party
// found wrong at one bit is left out of the next.
func (c *Code) DecodeWide(from Parties, points []wide.Elem, k uint, agree int) (wide.Elem, Parties, error) {
	r := c.wide
	residue := make([]wide.Elem, c.n+1)
	for _, i := range from.List() {
		residue[i] = r.ReduceElem(points[i], k)
	}
	var value wide.Elem
	var wrong Parties
	f := newField(c.Degree())
	for bit := range k {
		active := from.Without(wrong)
		if active.Count() < agree {
			return wide.Elem{}, 0, fmt.Errorf("%w: %d of %v", ErrUndecodable, agree, from)
		}
		poly, off, ok := f.decode(c.t, active, residue, active.Count()-agree)
		if !ok {
			return wide.Elem{}, 0, fmt.Errorf("%w: %d of %v", ErrUndecodable, agree, from)
		}
		wrong |= off
		lifted := make([]wide.Elem, len(poly))
		for j, x := range poly {
			lifted[j] = r.Point(int(x))
		}
		value = r.Add(value, r.Scale(lifted[0], wide.Word{Lo: 1}.Shl(bit)))
		for _, i := range active.Without(off).List() {
			rest := r.Sub(residue[i], c.evaluate(lifted, i))
			for j := range rest {
				rest[j] = rest[j].Shr(1)
			}
			residue[i] = r.ReduceElem(rest, max(k-bit-1, 1))
		}
	}
	return r.ReduceElem(value, k), wrong, nil
}

// evaluate returns the value at α_i.
func (c *Code) evaluate(poly []wide.Elem, i int) wide.Elem {
	var y wide.Elem
	alpha := c.wide.Point(i)
	for j := len(poly) - 1; j >= 0; j-- {
		y = c.wide.Add(c.wide.Mul(y, alpha), poly[j])
	}
	return y
}

// field is GF(2^d); elements are the integers whose bits are the coordinates.
type field struct {
	d, modulus uint
}

func newField(d int) field {
	if d == 5 {
		return field{5, 0b100101}
	}
	return field{4, 0b10011}
}

func (f field) mul(a, b uint8) uint8 {
	var x uint
	for i := range f.d {
		x ^= uint(a) << i * (uint(b) >> i & 1)
	}
	for i := 2*f.d - 2; i >= f.d; i-- {
		x ^= f.modulus << (i - f.d) * (x >> i & 1)
	}
	return uint8(x)
}

func (f field) inverse(a uint8) uint8 {
	x := uint8(1)
	for range uint(1)<<f.d - 2 {
		x = f.mul(x, a)
	}
	return x
}

func (f field) evaluate(poly []uint8, at uint8) uint8 {
	var y uint8
	for j := len(poly) - 1; j >= 0; j-- {
		y = f.mul(y, at) ^ poly[j]
	}
	return y
}

// decode finds the polynomial of degree t that all but at most errors of the
// points (their residues mod 2) lie on, and who misses it: Berlekamp–Welch, that
// is Q(α_i) = y_i·E(α_i) with E monic of degree errors and deg Q ≤ errors + t.
func (f field) decode(t int, active Parties, residue []wide.Elem, errors int) ([]uint8, Parties, bool) {
	list := active.List()
	y := make([]uint8, len(list))
	for a, i := range list {
		for c := range f.d {
			y[a] |= uint8(residue[i][c].Lo&1) << c
		}
	}
	unknowns := 2*errors + t + 1
	rows := make([][]uint8, len(list))
	for a, i := range list {
		row := make([]uint8, unknowns+1)
		x := uint8(1)
		for j := range errors + t + 1 {
			row[j] = x
			if j < errors {
				row[errors+t+1+j] = f.mul(y[a], x)
			}
			if j == errors {
				row[unknowns] = f.mul(y[a], x)
			}
			x = f.mul(x, uint8(i))
		}
		rows[a] = row
	}
	solution, ok := f.solve(rows, unknowns)
	if !ok {
		return nil, 0, false
	}
	locator := append(append([]uint8(nil), solution[errors+t+1:]...), 1)
	poly, ok := f.divide(solution[:errors+t+1], locator)
	if !ok {
		return nil, 0, false
	}
	var off Parties
	for a, i := range list {
		if f.evaluate(poly, uint8(i)) != y[a] {
			off = off.With(i)
		}
	}
	return poly, off, off.Count() <= errors
}

// solve returns a solution of the augmented linear system, free unknowns 0.
func (f field) solve(rows [][]uint8, unknowns int) ([]uint8, bool) {
	pivots := make([]int, 0, unknowns)
	rank := 0
	for col := 0; col < unknowns && rank < len(rows); col++ {
		p := rank
		for p < len(rows) && rows[p][col] == 0 {
			p++
		}
		if p == len(rows) {
			continue
		}
		rows[rank], rows[p] = rows[p], rows[rank]
		scale := f.inverse(rows[rank][col])
		for j := range rows[rank] {
			rows[rank][j] = f.mul(rows[rank][j], scale)
		}
		for q := range rows {
			if q != rank && rows[q][col] != 0 {
				factor := rows[q][col]
				for j := range rows[q] {
					rows[q][j] ^= f.mul(factor, rows[rank][j])
				}
			}
		}
		pivots = append(pivots, col)
		rank++
	}
	for _, row := range rows[rank:] {
		if row[unknowns] != 0 {
			return nil, false
		}
	}
	x := make([]uint8, unknowns)
	for q, col := range pivots {
		x[col] = rows[q][unknowns]
	}
	return x, true
}

// divide returns num/den for a monic den, false if it does not divide.
func (f field) divide(num, den []uint8) ([]uint8, bool) {
	rest := append([]uint8(nil), num...)
	out := make([]uint8, len(num)-len(den)+1)
	for i := len(out) - 1; i >= 0; i-- {
		q := rest[i+len(den)-1]
		out[i] = q
		for j, x := range den {
			rest[i+j] ^= f.mul(q, x)
		}
	}
	for _, x := range rest {
		if x != 0 {
			return nil, false
		}
	}
	return out, true
}
