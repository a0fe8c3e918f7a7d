package vss

import (
	"crypto/aes"
	"crypto/cipher"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// SeedSize is the length of what all of a dealing comes from.
const SeedSize = 32

// stream returns bytes that follow from a key and labels: AES-128 in counter mode.
func stream(key mpc.Digest, label string, fields ...[]byte) cipher.Stream {
	derived := mpc.Hash(label, append([][]byte{key[:]}, fields...)...)
	defer clear(derived[:])
	block, err := aes.NewCipher(derived[:16])
	if err != nil {
		panic("vss: " + err.Error()) // the key has 16 bytes
	}
	return cipher.NewCTR(block, derived[16:])
}

// piece is the sharings that are worked on at a time, so that they stay in the cache. As a
// multiple of 8 of them is whole bytes whatever the ring.
const piece = 128

// deal returns, by party, the shares that a dealer's seed gives the members of E.
func (p *plan) deal(seed mpc.Digest) [][]byte {
	out := make([][]byte, p.code.N()+1)
	for _, i := range p.from.List() {
		out[i] = make([]byte, 0, p.shareBytes())
	}
	for at, q := range p.pools {
		words := stream(seed, "tkms/v1/vss/stream", mpc.Uint64(uint64(at))) // #nosec G115 -- an index
		if q.wide() {
			p.dealWide(out, q, words)
		} else {
			p.dealNarrow(out, q, words)
		}
	}
	return out
}

// dealNarrow appends the shares of a pool over at most 64 bits. Of the words that choose a
// sharing the low k bits count.
func (p *plan) dealNarrow(out [][]byte, q pool, random cipher.Stream) {
	r, t := p.code.Ring(), p.code.T()
	d, degree, width := r.Degree(), q.kind.degree(t), q.kind.free(t, p.code.Degree())
	l, members := r.Lanes(q.k), p.from.List()
	maps := p.powers(l, q.kind, members)
	raw := make([]byte, piece*width*ring.WordSize(q.k))
	words := make([]uint64, piece*width)
	acc, shares := make([]uint64, piece*l.Words()), make([]uint64, piece*d)
	defer func() { clear(raw); clear(words); clear(acc); clear(shares) }()
	for lo := 0; lo < q.block; lo += piece {
		count := min(piece, q.block-lo)
		raw := raw[:count*width*ring.WordSize(q.k)]
		clear(raw)
		random.XORKeyStream(raw, raw)
		words := words[:count*width]
		ring.Widen(words, raw, ring.WordSize(q.k))
		acc, shares := acc[:count*l.Words()], shares[:count*d]
		for a, i := range members {
			clear(acc)
			at, room := 0, l.Terms()
			for j := range degree + 1 {
				m := &maps[a][j]
				if room -= m.In; room < 0 {
					l.Fold(acc)
					room = l.Terms() - m.In
				}
				if m.In > 0 {
					ring.MulMap(acc, words[at:], width, m)
				}
				at += m.In
			}
			l.Spread(shares, acc, l.Words(), 0)
			out[i] = ring.AppendPacked(out[i], shares, q.k)
		}
	}
}

// powers returns for each member i the maps of the coefficients 0, 1, … of a polynomial to
// what they add to its value at α_i.
func (p *plan) powers(l ring.Lanes, k kind, members []int) [][]ring.Map {
	r, d := p.code.Ring(), p.code.Degree()
	out := make([][]ring.Map, len(members))
	for a, i := range members {
		power := ring.Integer(1)
		for j := range k.degree(p.code.T()) + 1 {
			in := d
			if j == 0 {
				in = [...]int{1, d, 0}[k]
			}
			m := l.NewMap(in, l.Words())
			switch in {
			case 1:
				l.Integer(&m, 0, 0, power)
			case d:
				r.Element(l, &m, 0, 0, power)
			}
			out[a] = append(out[a], m)
			power = r.Mul(power, r.Point(i))
		}
	}
	return out
}

// dealWide is dealNarrow beyond 64 bits.
func (p *plan) dealWide(out [][]byte, q pool, random cipher.Stream) {
	r, t := p.code.WideRing(), p.code.T()
	d, degree, width, members := r.Degree(), q.kind.degree(t), q.kind.free(t, p.code.Degree()), p.from.List()
	raw := make([]byte, piece*width*wide.Size)
	words, shares := make([]wide.Word, piece*width), make([]wide.Word, piece*d)
	powers := make([][]wide.Matrix, len(members))
	for a, i := range members {
		power := wide.Integer(wide.Word{Lo: 1})
		for range degree + 1 {
			powers[a] = append(powers[a], r.Matrix(power))
			power = r.Mul(power, r.Point(i))
		}
	}
	defer func() { clear(raw); clear(words); clear(shares) }()
	for lo := 0; lo < q.block; lo += piece {
		count := min(piece, q.block-lo)
		raw := raw[:count*width*wide.Size]
		clear(raw)
		random.XORKeyStream(raw, raw)
		words := words[:count*width]
		for i := range words {
			words[i] = wide.Read(raw[i*wide.Size:])
		}
		for a, i := range members {
			shares := shares[:count*d]
			clear(shares)
			at := words
			switch q.kind {
			case integers:
				for e := range count {
					shares[e*d] = words[e*width]
				}
				at = at[1:]
			case elements:
				r.MulAddEach(shares, at, width, &powers[a][0])
				at = at[d:]
			}
			for j := 1; j <= degree; j++ {
				r.MulAddEach(shares, at, width, &powers[a][j])
				at = at[min(d, len(at)):]
			}
			out[i] = wide.AppendPacked(out[i], shares, q.k)
		}
	}
}

// each calls take for each pool and piece of a dealer's shares for one member, unpacked
// into words that take may keep until the next call: of one of the two kinds.
func (p *plan) each(share []byte, take func(at, lo int, narrow []uint64, broad []wide.Word) error) error {
	d := p.code.Degree()
	narrow, broad := make([]uint64, piece*d), []wide.Word(nil)
	defer func() { clear(narrow); clear(broad) }()
	for at, q := range p.pools {
		size := q.bytes(d)
		packed := share[:size]
		share = share[size:]
		if q.wide() && broad == nil {
			broad = make([]wide.Word, piece*d)
		}
		for lo := 0; lo < q.block; lo += piece {
			count := min(piece, q.block-lo)
			part := packed[lo*d*int(q.k)/8 : ring.PackedLen((lo+count)*d, q.k)] // #nosec G115 -- at most 128
			var err error
			if q.wide() {
				if err = wide.Unpack(broad[:count*d], part, q.k); err == nil {
					err = take(at, lo, nil, broad[:count*d])
				}
			} else {
				if err = ring.Unpack(narrow[:count*d], part, q.k); err == nil {
					err = take(at, lo, narrow[:count*d], nil)
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
