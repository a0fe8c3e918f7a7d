package keygen_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"

	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// noiseOf returns the noise of the first rows of a component, all if there are fewer:
// bodies less ⟨mask, key⟩ and the messages that Part.Row prescribes, by schoolbook.
func (w *world) noiseOf(q tfhe.Part, rows int, secrets map[tfhe.Secret][]uint64) []wide.Word {
	w.t.Helper()
	masks, err := w.parameters.Masks(w.first().Seed(), q.Component)
	if err != nil {
		w.t.Fatal(err)
	}
	n, key, bodies := q.Degree, secrets[q.Out], w.memories[w.from.List()[0]].bodies[q.Component]
	if len(bodies) != q.Rows()*n*int(q.Width)/8 {
		w.t.Fatalf("%v has %d bytes", q.Component, len(bodies))
	}
	var out []wide.Word
	for r := range min(rows, q.Rows()) {
		mask, body := make([]wide.Word, q.MaskWords()), make([]wide.Word, n)
		if q.Width == 128 {
			masks.RowWide(r, mask)
			for i := range body {
				body[i] = wide.Read(bodies[(r*n+i)*wide.Size:])
			}
		} else {
			narrow := make([]uint64, len(mask))
			masks.Row(r, narrow)
			for i, x := range narrow {
				mask[i].Lo = x
			}
			for i := range body {
				body[i].Lo = binary.LittleEndian.Uint64(bodies[(r*n+i)*8:])
			}
		}
		for j, bit := range key {
			if q.Kind == tfhe.PartPublicKey {
				bit = key[len(key)-1-j]
			}
			if bit == 1 {
				rotateSub(body, mask[j/n*n:][:n], j%n)
			}
		}
		bit, level, poly := q.Row(r)
		switch {
		case q.Kind == tfhe.PartPublicKey || secrets[q.In][bit] == 0:
		case q.Kind == tfhe.PartGGSW && poly < q.Polynomials:
			for j, s := range key[poly*n : (poly+1)*n] {
				body[j] = body[j].Add(wide.Word{Lo: s}.Shl(q.Exponent(level)))
			}
		default:
			body[0] = body[0].Sub(wide.Word{Lo: 1}.Shl(q.Exponent(level)))
		}
		for i := range body { // sign-extended
			if q.Width == 64 {
				body[i].Hi = uint64(int64(body[i].Lo) >> 63)
			}
		}
		out = append(out, body...)
	}
	return out
}

// rotateSub subtracts a·X^j from b mod X^N+1.
func rotateSub(b, a []wide.Word, j int) {
	n := len(a)
	for i, x := range a[:n-j] {
		b[i+j] = b[i+j].Sub(x)
	}
	for i, x := range a[n-j:] {
		b[i] = b[i].Add(x)
	}
}

// number returns a sign-extended word as a number.
func number(x wide.Word) float64 {
	negative := int64(x.Hi) < 0
	if negative {
		x = x.Neg()
	}
	v := new(big.Int).Lsh(new(big.Int).SetUint64(x.Hi), 64)
	f, _ := new(big.Float).SetInt(v.Or(v, new(big.Int).SetUint64(x.Lo))).Float64()
	if negative {
		return -f
	}
	return f
}

// checkNoise tests samples against a sum of terms of TUniform(b): support, mean and
// variance, each within 6 standard deviations.
func checkNoise(samples []wide.Word, b uint, terms int) error {
	n, top := float64(len(samples)), math.Exp2(float64(b))*float64(terms)
	var sum, squares float64
	for _, x := range samples {
		e := number(x)
		if math.Abs(e) > top {
			return fmt.Errorf("%g is outside ±%d·2^%d", e, terms, b)
		}
		sum += e
		squares += e * e
	}
	// The variance of TUniform is (2^(2b+1)+1)/6. That of e² is below its square times 2.
	variance := (math.Exp2(float64(2*b+1)) + 1) / 6 * float64(terms)
	if math.Abs(sum/n) > 6*math.Sqrt(variance/n) {
		return fmt.Errorf("mean %g of %g", sum/n, math.Sqrt(variance))
	}
	if math.Abs(squares/n-variance) > 6*math.Sqrt2*variance/math.Sqrt(n) {
		return fmt.Errorf("variance %g, not %g", squares/n, variance)
	}
	return nil
}
