package keygen

import (
	"encoding/binary"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
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

// seedAddress is where the two words of the seed are drawn.
var seedAddress = prss.Address{Kind: kind + "/seed", K: 64}

// seedShares returns shares of the seed, two words in an element.
func (a *Attempt) seedShares() (vector, error) {
	two := make([]uint64, SeedSize/8*a.code.Degree())
	err := a.Source.Draw(seedAddress, prss.Vectors{Integers: [][]uint64{two}})
	return vector{narrow: pack(a.code.Ring(), two)}, err
}
