package keygen

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// factors are what was opened for the products of a part: ε of each input bit and ρ,
// packed, of the key that they are encrypted under.
type factors struct {
	epsilon, rho vector
}

// factorShares returns shares of ε = s − x, or of ρ = S − y, of a part.
func (a *Attempt) factorShares(q tfhe.Part, rho bool) (vector, error) {
	section, secret := productSection(q, 0, 1), q.In
	if rho {
		secret = q.Out
	}
	if section.K > 64 {
		x, y, err := section.WideFactors(a.Source)
		if err != nil {
			return vector{}, err
		}
		if rho {
			x, y = y, x
		}
		clear(y)
		for i, s := range a.wideSecret(secret) {
			x[i] = s.Sub(x[i])
		}
		out := packWide(a.code.WideRing(), x)
		clear(x)
		wide.Reduce(out, section.K)
		return vector{wide: out}, nil
	}
	x, y, err := section.Factors(a.Source)
	if err != nil {
		return vector{}, err
	}
	if rho {
		x, y = y, x
	}
	clear(y)
	for i, s := range a.Share().Part(secret) {
		x[i] = s - x[i]
	}
	out := pack(a.code.Ring(), x)
	clear(x)
	ring.Reduce(out, section.K)
	return vector{narrow: out}, nil
}

// takeFactors reads what takeOpened returned of the factors: ErrStore if it is not
// of their length.
func (a *Attempt) takeFactors(data []byte) error {
	d := a.code.Degree()
	for _, i := range a.factored() {
		q := a.parts[i]
		k, bits, columns := productBits(q), packing*elements(q.Inputs), packing*elements(q.Polynomials*q.Degree)
		word := 8
		if k > 64 {
			word = wide.Size
		}
		if len(data) < word*(bits+columns) {
			return fmt.Errorf("%w: the factors", ErrStore)
		}
		f := &factors{}
		if k > 64 {
			f.epsilon.wide = readWide(data, bits)
			f.rho.wide = spread(readWide(data[word*bits:], columns), d)
		} else {
			f.epsilon.narrow = readWords(data, bits)
			f.rho.narrow = spread(readWords(data[word*bits:], columns), d)
		}
		a.public[i], data = f, data[word*(bits+columns):]
	}
	if len(data) != 0 {
		return fmt.Errorf("%w: the factors", ErrStore)
	}
	return nil
}

// spread makes elements of d words of packed integers.
func spread[W any](v []W, d int) []W {
	if d == packing {
		return v
	}
	out := make([]W, len(v)/packing*d)
	for i := 0; i*packing < len(v); i++ {
		copy(out[i*d:], v[i*packing:(i+1)*packing])
	}
	return out
}

// pack returns Σ_p Y^p·(element 4i+p of v), element by element.
func pack(r ring.Ring, v []uint64) []uint64 {
	d := r.Degree()
	whole := make([]uint64, packing*d*elements(len(v)/d))
	copy(whole, v)
	out := make([]uint64, len(whole)/packing)
	r.PackAdd(out, whole)
	clear(whole)
	return out
}

// packWide is pack over R_128.
func packWide(r wide.Ring, v []wide.Word) []wide.Word {
	d := r.Degree()
	out := make([]wide.Word, d*elements(len(v)/d))
	for i := len(v)/d - 1; i >= 0; i-- {
		at := i / packing
		r.Set(out, at, r.Add(r.Shift(r.At(out, at)), r.At(v, i)))
	}
	return out
}

// wideSecret returns the party's share of a secret over R_128. A secret that is shared
// over R_64 is not to be had there.
func (a *Attempt) wideSecret(s tfhe.Secret) []wide.Word { return a.Share().PartWide(s) }
