package keygen

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/negacyclic"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// rowShares returns the party's shares of the bodies of a part's rows, packed.
func (a *Attempt) rowShares(c chunk) (vector, error) {
	q := a.parts[c.part]
	masks, err := a.Parameters.Masks(a.Seed(), q.Component)
	if err != nil {
		return vector{}, err
	}
	if q.Width > 64 {
		out, err := a.wideRows(c, masks)
		return vector{wide: out}, err
	}
	out, err := a.noise(c)
	if err != nil {
		return vector{}, err
	}
	switch q.Kind {
	case tfhe.PartLWE:
		a.keySwitchRows(out, c, masks)
		return vector{narrow: out}, nil
	case tfhe.PartGGSW:
		err = a.productRows(out, c)
	case tfhe.PartGLWE:
		a.bitRows(out, c)
	}
	if err != nil {
		return vector{}, err
	}
	key, err := a.keys.narrow(a.code.Ring(), a.Share(), q)
	if err != nil {
		return vector{}, err
	}
	mask, row := make([]uint64, q.MaskWords()), len(out)/c.count
	for r := range c.count {
		masks.Row(c.first+r, mask)
		key.MulAdd(out[r*row:(r+1)*row], mask)
	}
	return vector{narrow: out}, nil
}

// noiseAddress is where the noise of mode PRSS of a chunk of rows is drawn.
func noiseAddress(q tfhe.Part, c chunk) prss.Address {
	return prss.Address{
		Kind: kind + "/noise/" + q.Component.String(), K: q.Width,
		First: uint64(elements(c.first * q.BodyWords())), // #nosec G115 -- an index
	}
}

// noise returns shares of the noise of a chunk of rows over R_64.
func (a *Attempt) noise(c chunk) ([]uint64, error) {
	q := a.parts[c.part]
	d, n := a.code.Degree(), q.BodyWords()
	out := make([]uint64, elements(c.count*n)*d)
	if !exactNoise(q, a.Mode) {
		return out, a.Source.DrawNoise(noiseAddress(q, c), uint(q.Noise), out)
	}
	first, filled := c.first*n, 0
	err := a.gather(StageNoise, c.part, first, c.count*n, func(s chunk, data []byte) error {
		// Both begin with a whole element.
		if from := first + filled/d*packing - s.first; from >= 0 {
			data = data[from/packing*d*8:]
		}
		for ; len(data) > 0 && filled < len(out); data, filled = data[8:], filled+1 {
			out[filled] = binary.LittleEndian.Uint64(data)
		}
		return nil
	})
	if err == nil && filled != len(out) {
		err = fmt.Errorf("%w: noise of %v", ErrStore, q.Component)
	}
	return out, err
}

// keySwitchRows adds ⟨mask, key⟩ and the messages to the rows of a key-switching key:
// row r is coordinate r mod 4 of element r/4.
func (a *Attempt) keySwitchRows(out []uint64, c chunk, masks *tfhe.Masks) {
	q, r, share := a.parts[c.part], a.code.Ring(), a.Share()
	key, bits := share.Part(q.Out), share.Part(q.In)
	d, n := r.Degree(), q.MaskWords()
	mask := make([]uint64, packing*n)
	for lo := 0; lo < c.count; lo += packing {
		rows := min(packing, c.count-lo)
		masks.Row(c.first+lo, mask[:rows*n])
		var sum ring.Elem
		for p := range rows {
			bit, level, _ := q.Row(c.first + lo + p)
			body := r.Scale(r.At(bits, bit), 1<<q.Exponent(level))
			for j, x := range mask[p*n : (p+1)*n] {
				for i, y := range key[j*d : (j+1)*d] {
					body[i] += x * y
				}
			}
			sum = r.Add(sum, r.Mul(r.Point(1<<p), body)) // Y^p
		}
		i := lo / packing
		r.Set(out, i, r.Add(r.At(out, i), sum))
	}
}

// bitRows adds the messages of a packing key: a bit, scaled, at coefficient 0 of each
// row.
func (a *Attempt) bitRows(out []uint64, c chunk) {
	q, r := a.parts[c.part], a.code.Ring()
	bits, d, row := a.Share().Part(q.In), r.Degree(), len(out)/c.count
	for i := range c.count {
		bit, level, _ := q.Row(c.first + i)
		r.ScaleAdd(out[i*row:i*row+d], bits[bit*d:(bit+1)*d], 1<<q.Exponent(level))
	}
}

// productRows adds the messages of GGSW ciphertexts: for each input bit and level the
// products with the polynomials of the key, negative, then the bit itself.
func (a *Attempt) productRows(out []uint64, c chunk) error {
	q, r, share := a.parts[c.part], a.code.Ring(), a.Share()
	bits, d, row := share.Part(q.In), r.Degree(), len(out)/c.count
	products, err := a.products(c)
	if err != nil {
		return err
	}
	defer clear(products)
	width := a.productWords(q)
	firstBit, _, _ := q.Row(c.first)
	for i := range c.count {
		bit, level, poly := q.Row(c.first + i)
		body, scale := out[i*row:(i+1)*row], uint64(1)<<q.Exponent(level)
		if poly < q.Polynomials {
			of := products[(bit-firstBit)*width:][:width]
			r.ScaleAdd(body, of[poly*row:(poly+1)*row], -scale)
		} else {
			r.ScaleAdd(body[:d], bits[bit*d:(bit+1)*d], scale)
		}
	}
	return nil
}

// products returns, packed and right modulo 2^K at least, shares of the products of the
// input bits that a chunk of whole bits encrypts with all coefficients of the key:
// δ + z + ε·S + ρ·(s − ε).
func (a *Attempt) products(c chunk) ([]uint64, error) {
	q, r, share := a.parts[c.part], a.code.Ring(), a.Share()
	d, width, k := r.Degree(), a.productWords(q), productBits(q)
	first, count := c.first/rowsPerBit(q), c.count/rowsPerBit(q)
	out := make([]uint64, count*width)
	err := a.gather(StageProducts, c.part, first, count, func(s chunk, data []byte) error {
		size := a.rowBytes(q)
		for i := max(first, s.first); i < min(first+count, s.first+s.count); i++ {
			if err := ring.Unpack(out[(i-first)*width:][:width], data[(i-s.first)*size:][:size], k); err != nil {
				return fmt.Errorf("%w: %w", ErrStore, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	public := a.factorsOf(c.part)
	bits, key := share.Part(q.In), pack(r, share.Part(q.Out))
	defer clear(key)
	z, section := make([]uint64, width), productSection(q, 0, 1)
	defer clear(z)
	for i := range count {
		of := out[i*width:][:width]
		if err := section.Z(a.Source, first+i, z); err != nil {
			return nil, err
		}
		r.ScaleAdd(of, z, 1)
		epsilon := public.epsilon.narrow[first+i]
		r.ScaleAdd(of, key, epsilon)
		x := r.At(bits[(first+i)*d:], 0)
		x[0] -= epsilon
		m := r.Matrix(x)
		r.MulAdd(of, public.rho.narrow, &m)
	}
	return out, nil
}

func (a *Attempt) factorsOf(part int) *factors {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.public[part]
}

// keyCache has the transformed shares of the keys that rows are encrypted under.
type keyCache struct {
	mu      sync.Mutex
	narrows map[keyName]*negacyclic.Secret
	wides   map[keyName]*negacyclic.WideSecret
}

// keyName is a key, or the key with its coefficients in reverse order.
type keyName struct {
	secret   tfhe.Secret
	reversed bool
}

func nameOf(q tfhe.Part) keyName { return keyName{q.Out, q.Kind == tfhe.PartPublicKey} }

// narrow returns the key of a part over R_64.
func (k *keyCache) narrow(r ring.Ring, share *KeyShare, q tfhe.Part) (*negacyclic.Secret, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := nameOf(q)
	if s := k.narrows[name]; s != nil {
		return s, nil
	}
	v, d := share.Part(q.Out), r.Degree()
	if name.reversed {
		straight := v
		v = make([]uint64, len(v))
		for i := 0; i < len(v); i += d {
			copy(v[i:i+d], straight[len(v)-d-i:])
		}
		defer clear(v)
	}
	s, err := negacyclic.NewSecret(r, q.Degree, q.Polynomials, v)
	if err != nil {
		return nil, err
	}
	if k.narrows == nil {
		k.narrows = map[keyName]*negacyclic.Secret{}
	}
	k.narrows[name] = s
	return s, nil
}

func (k *keyCache) zero() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.narrows {
		s.Zero()
	}
	for _, s := range k.wides {
		s.Zero()
	}
	clear(k.narrows)
	clear(k.wides)
}
