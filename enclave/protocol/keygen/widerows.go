package keygen

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring/negacyclic"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// wideRows is rowShares for the parts over R_128: GGSW ciphertexts and packing keys.
func (a *Attempt) wideRows(c chunk, masks *tfhe.Masks) ([]wide.Word, error) {
	q := a.parts[c.part]
	d, n := a.code.Degree(), q.BodyWords()
	out := make([]wide.Word, elements(c.count*n)*d)
	if err := a.Source.DrawWideNoise(noiseAddress(q, c), uint(q.Noise), out); err != nil {
		return nil, err
	}
	var err error
	switch q.Kind {
	case tfhe.PartGGSW:
		err = a.wideProductRows(out, c)
	case tfhe.PartGLWE:
		a.wideBitRows(out, c)
	default:
		err = fmt.Errorf("%w: no such rows over 128 bits", ErrMaterial)
	}
	if err != nil {
		return nil, err
	}
	key, err := a.keys.wide(a.code.WideRing(), a.Share(), q)
	if err != nil {
		return nil, err
	}
	mask, row := make([]wide.Word, q.MaskWords()), len(out)/c.count
	for r := range c.count {
		masks.RowWide(c.first+r, mask)
		key.MulAdd(out[r*row:(r+1)*row], mask)
	}
	return out, nil
}

// wideBitRows is bitRows over R_128.
func (a *Attempt) wideBitRows(out []wide.Word, c chunk) {
	q, d := a.parts[c.part], a.code.Degree()
	bits, row := a.wideSecret(q.In), len(out)/c.count
	for i := range c.count {
		bit, level, _ := q.Row(c.first + i)
		a.code.WideRing().ScaleAdd(out[i*row:i*row+d], bits[bit*d:(bit+1)*d], power(q.Exponent(level)))
	}
}

// power returns 2^n.
func power(n uint) wide.Word { return wide.Word{Lo: 1}.Shl(n) }

// wideProductRows is productRows over R_128.
func (a *Attempt) wideProductRows(out []wide.Word, c chunk) error {
	q, r := a.parts[c.part], a.code.WideRing()
	bits, d, row := a.wideSecret(q.In), r.Degree(), len(out)/c.count
	products, err := a.wideProducts(c)
	if err != nil {
		return err
	}
	defer clear(products)
	width := a.productWords(q)
	firstBit, _, _ := q.Row(c.first)
	for i := range c.count {
		bit, level, poly := q.Row(c.first + i)
		body, exponent := out[i*row:(i+1)*row], q.Exponent(level)
		if poly < q.Polynomials {
			of := products[(bit-firstBit)*width:][:width]
			for j, x := range of[poly*row : (poly+1)*row] {
				body[j] = body[j].Sub(x.Shl(exponent))
			}
		} else {
			r.ScaleAdd(body[:d], bits[bit*d:(bit+1)*d], power(exponent))
		}
	}
	return nil
}

// wideProducts is products over R_128.
func (a *Attempt) wideProducts(c chunk) ([]wide.Word, error) {
	q, r := a.parts[c.part], a.code.WideRing()
	d, width, k := r.Degree(), a.productWords(q), productBits(q)
	first, count := c.first/rowsPerBit(q), c.count/rowsPerBit(q)
	out := make([]wide.Word, count*width)
	err := a.gather(StageProducts, c.part, first, count, func(s chunk, data []byte) error {
		size := a.rowBytes(q)
		for i := max(first, s.first); i < min(first+count, s.first+s.count); i++ {
			if err := wide.Unpack(out[(i-first)*width:][:width], data[(i-s.first)*size:][:size], k); err != nil {
				return fmt.Errorf("%w: %w", ErrStore, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	public := a.factorsOf(c.part)
	bits, key := a.wideSecret(q.In), packWide(r, a.wideSecret(q.Out))
	defer clear(key)
	z, section := make([]wide.Word, width), productSection(q, 0, 1)
	defer clear(z)
	for i := range count {
		of := out[i*width:][:width]
		if err := section.WideZ(a.Source, first+i, z); err != nil {
			return nil, err
		}
		for j, x := range z {
			of[j] = of[j].Add(x)
		}
		epsilon := public.epsilon.wide[first+i]
		r.ScaleAdd(of, key, epsilon)
		x := r.At(bits[(first+i)*d:], 0)
		x[0] = x[0].Sub(epsilon)
		m := r.Matrix(x)
		r.MulAdd(of, public.rho.wide, &m)
	}
	return out, nil
}

// wide returns the key of a part over R_128.
func (k *keyCache) wide(r wide.Ring, share *KeyShare, q tfhe.Part) (*negacyclic.WideSecret, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := nameOf(q)
	if s := k.wides[name]; s != nil {
		return s, nil
	}
	s, err := negacyclic.NewWideSecret(r, q.Degree, q.Polynomials, share.PartWide(q.Out))
	if err != nil {
		return nil, err
	}
	if k.wides == nil {
		k.wides = map[keyName]*negacyclic.WideSecret{}
	}
	k.wides[name] = s
	return s, nil
}
