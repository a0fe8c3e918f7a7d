package keygen

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// NoiseSections returns the sections of the shared bits behind count samples of
// TUniform(bound): bound+2 bits a sample. Bit i counts 2^(i−1) times, so that the
// top bits of a word do not matter.
func NoiseSections(kind string, bound uint, first uint64, count int) []preproc.Section {
	out := make([]preproc.Section, bound+2)
	for i := range out {
		out[i] = preproc.Section{
			Kind: fmt.Sprintf("%s/noise/%d", kind, bound), Sub: uint16(i), K: 64 - uint(max(i-1, 0)), // #nosec G115 -- at most 62 bits
			First: first, Count: count,
		}
	}
	return out
}

// Noise returns shares over R_64 of samples of TUniform(bound) from the material
// of NoiseSections: −2^b + (r >> 1) + (r & 1) for the number r of the b+2 bits, so
// that ±2^b have probability 2^−(b+2) each and all integers between 2^−(b+1).
func Noise(code *sharing.Code, bound uint, material []preproc.Material) ([]uint64, error) {
	if len(material) != int(bound)+2 {
		return nil, fmt.Errorf("%w: %d noise bits", ErrMaterial, len(material))
	}
	r, d := code.Ring(), code.Degree()
	out := make([]uint64, len(material[0].Bits))
	for i, m := range material {
		if len(m.Bits) != len(out) {
			return nil, fmt.Errorf("%w: noise bits of different lengths", ErrMaterial)
		}
		r.ScaleAdd(out, m.Bits, 1<<max(i-1, 0))
	}
	for j := 0; j < len(out); j += d {
		out[j] -= 1 << bound
	}
	return out, nil
}
