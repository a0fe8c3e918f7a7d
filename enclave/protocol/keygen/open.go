package keygen

import (
	"encoding/binary"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// opening returns the machine of a step that is not offline.
func (a *Attempt) opening(number int) (*Opening, error) {
	switch s := a.steps[number]; s.Stage {
	case StageSeed:
		return a.newOpening(number, []transcript.Run{{K: 64, Count: 1}}, func(int) (vector, error) { return a.seedShares() })
	case StageFactors:
		var runs []transcript.Run
		for _, i := range a.factored() {
			q := a.parts[i]
			runs = append(runs, transcript.Run{K: productBits(q), Count: elements(q.Inputs)},
				transcript.Run{K: productBits(q), Count: elements(q.Polynomials * q.Degree)})
		}
		return a.newOpening(number, runs, func(run int) (vector, error) {
			return a.factorShares(a.parts[a.factored()[run/2]], run%2 == 1)
		})
	default:
		var runs []transcript.Run
		for _, c := range s.chunks {
			q := a.parts[c.part]
			runs = append(runs, transcript.Run{K: q.Width, Count: elements(c.count * q.BodyWords())})
		}
		return a.newOpening(number, runs, func(run int) (vector, error) { return a.rowShares(s.chunks[run]) })
	}
}

// factored returns the indices of the parts that are made of products.
func (a *Attempt) factored() []int { return factored(a.parts) }

// takeOpened returns what is kept of an opening: the seed, the factors, or nothing of
// rows, whose bodies it writes.
func (a *Attempt) takeOpened(s step, o *Opening) ([]byte, error) {
	var data []byte
	for i, r := range o.runs {
		v, err := r.values()
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrInconsistent, s.Name, err)
		}
		words := littleEndian(v, a.code.Degree(), r.k)
		if words == nil {
			return nil, fmt.Errorf("%w: %s", ErrInconsistent, s.Name)
		}
		if s.Stage != StageRows {
			data = append(data, words...)
			continue
		}
		c := s.chunks[i]
		q := a.parts[c.part]
		size := c.count * q.BodyWords() * int(q.Width) / 8
		if err := a.Bodies.WriteBodies(q.Component, int64(c.first)*int64(q.BodyWords()), words[:size]); err != nil {
			return nil, fmt.Errorf("keygen: write the bodies of %s: %w", s.Name, err)
		}
	}
	if s.Stage == StageSeed {
		return data[:SeedSize], nil
	}
	return data, nil
}

// littleEndian returns the integers that packed elements show, 8 bytes each for k up
// to 64, else 16; nil if there is something in another coordinate.
func littleEndian(v vector, d int, k uint) []byte {
	var out []byte
	if k > 64 {
		out = make([]byte, 0, len(v.wide)/d*packing*wide.Size)
		for e := v.wide; len(e) > 0; e = e[d:] {
			for c, x := range e[:d] {
				if c < packing {
					out = x.Append(out)
				} else if x != (wide.Word{}) {
					return nil
				}
			}
		}
		return out
	}
	out = make([]byte, 0, len(v.narrow)/d*packing*8)
	for e := v.narrow; len(e) > 0; e = e[d:] {
		for c, x := range e[:d] {
			if c < packing {
				out = binary.LittleEndian.AppendUint64(out, x)
			} else if x != 0 {
				return nil
			}
		}
	}
	return out
}

// seedShares returns shares of the seed, two words in an element.
func (a *Attempt) seedShares() (vector, error) {
	two := make([]uint64, SeedSize/8*a.code.Degree())
	err := a.Source.Draw(prss.Address{Kind: kind + "/seed", K: 64}, prss.Vectors{Integers: [][]uint64{two}})
	return vector{narrow: pack(a.code.Ring(), two)}, err
}

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
