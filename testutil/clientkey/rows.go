package clientkey

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// Rows computes what the rows of a component of a key set are without their noise.
// It is safe for concurrent use.
type Rows struct {
	part  tfhe.Part
	masks *tfhe.Masks
	in    []uint64
	// out is the secret key, in reverse order for a public key.
	out []uint64
}

// NewRows returns the rows of a component under k for the seed of a key set.
func NewRows(k *tfhe.ClientKey, seed [16]byte, c tfhe.Component) (*Rows, error) {
	part, ok := k.Parameters().Part(c)
	if !ok {
		return nil, fmt.Errorf("%v: %w", c, tfhe.ErrParameters)
	}
	r := &Rows{part: part, in: *k.Secret(part.In), out: *k.Secret(part.Out)}
	if r.in == nil || r.out == nil {
		return nil, fmt.Errorf("%v: %w", c, ErrNoKey)
	}
	if part.Kind == tfhe.PartPublicKey {
		r.out = reversed(r.out)
	}
	var err error
	r.masks, err = k.Parameters().Masks(seed, c)
	return r, err
}

// Part describes the component.
func (r *Rows) Part() tfhe.Part { return r.part }

// Clean returns the body of a row modulo 2^64 without noise.
func (r *Rows) Clean(row int) []uint64 {
	mask := make([]uint64, r.part.MaskWords())
	r.masks.Row(row, mask)
	n := r.part.Degree
	body := make([]uint64, n)
	for q := range r.part.Polynomials {
		addProduct(body, mask[q*n:(q+1)*n], r.out[q*n:(q+1)*n])
	}
	r.message(row, func(i int, negative bool, exponent uint) {
		if negative {
			body[i] -= 1 << exponent
		} else {
			body[i] += 1 << exponent
		}
	})
	return body
}

// CleanWide is Clean modulo 2^128.
func (r *Rows) CleanWide(row int) []wide.Word {
	mask := make([]wide.Word, r.part.MaskWords())
	r.masks.RowWide(row, mask)
	n := r.part.Degree
	body := make([]wide.Word, n)
	for q := range r.part.Polynomials {
		addWideProduct(body, mask[q*n:(q+1)*n], r.out[q*n:(q+1)*n])
	}
	r.message(row, func(i int, negative bool, exponent uint) {
		power := wide.Word{Lo: 1}.Shl(exponent)
		if negative {
			power = power.Neg()
		}
		body[i] = body[i].Add(power)
	})
	return body
}

// message calls add for each power of two that makes up the message of a row.
func (r *Rows) message(row int, add func(coefficient int, negative bool, exponent uint)) {
	bit, level, poly := r.part.Row(row)
	if r.part.Kind == tfhe.PartPublicKey || r.in[bit] == 0 {
		return
	}
	exponent := r.part.Exponent(level)
	if r.part.Kind != tfhe.PartGGSW || poly == r.part.Polynomials {
		add(0, false, exponent)
		return
	}
	n := r.part.Degree
	for i, s := range r.out[poly*n : (poly+1)*n] {
		if s == 1 {
			add(i, true, exponent)
		}
	}
}

// addProduct adds a*s modulo 2^64 and X^n + 1 to dst for a polynomial s of bits.
func addProduct(dst, a, s []uint64) {
	for j, bit := range s {
		if bit == 0 {
			continue
		}
		head, tail := dst[j:], dst[:j]
		for i, v := range a[:len(head)] {
			head[i] += v
		}
		for i, v := range a[len(head):] {
			tail[i] -= v
		}
	}
}

// addWideProduct is addProduct modulo 2^128.
func addWideProduct(dst, a []wide.Word, s []uint64) {
	for j, bit := range s {
		if bit == 0 {
			continue
		}
		head, tail := dst[j:], dst[:j]
		for i, v := range a[:len(head)] {
			head[i] = head[i].Add(v)
		}
		for i, v := range a[len(head):] {
			tail[i] = tail[i].Sub(v)
		}
	}
}

// RowNoise returns the noise of a row of a key set of k.
func RowNoise(k *tfhe.ClientKey, set *tfhe.KeySet, c tfhe.Component, row int) ([]int64, error) {
	r, err := NewRows(k, set.Seed(), c)
	if err != nil {
		return nil, err
	}
	return r.Noise(set, row)
}

// Noise returns the noise of a row of a key set: what its body is more than the clean
// one, which must be below 2^63 in size.
func (r *Rows) Noise(set *tfhe.KeySet, row int) ([]int64, error) {
	noise := make([]int64, r.part.BodyWords())
	if r.part.Width == 64 {
		body := make([]uint64, len(noise))
		if err := set.Body(r.part.Component, row, body); err != nil {
			return nil, err
		}
		for i, clean := range r.Clean(row) {
			noise[i] = int64(body[i] - clean) // #nosec G115 -- two's complement
		}
		return noise, nil
	}
	body := make([]wide.Word, len(noise))
	if err := set.BodyWide(r.part.Component, row, body); err != nil {
		return nil, err
	}
	for i, clean := range r.CleanWide(row) {
		e := body[i].Sub(clean)
		noise[i] = int64(e.Lo) // #nosec G115 -- two's complement
		if e != signExtend(e.Lo) {
			return nil, fmt.Errorf("%v row %d is not of this client key: %w", r.part.Component, row, tfhe.ErrRange)
		}
	}
	return noise, nil
}

// signExtend is the integer modulo 2^128 that e is modulo 2^64 in two's complement.
func signExtend(e uint64) wide.Word {
	return wide.Word{Lo: e, Hi: uint64(int64(e) >> 63)} // #nosec G115 -- two's complement
}
