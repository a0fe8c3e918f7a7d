package reshare_test

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// All that is sent is linear in the coefficients of the polynomials of shares and masks, and
// one coefficient of a secret has nothing to do with another. So one run shows what messages
// are made of: unknown number u is 1 in coefficient u of a secret and 0 in all others, and
// word m of a message, mod 2, says whether unknown m is in it.

// unknown is a coordinate of a coefficient of a polynomial: that of the shares (mask 0), or
// of the mask of an old member, for a coordinate of its share if the rings differ.
type unknown struct {
	mask, of      int
	power, bit    int
	isFirstSecret bool
}

// unknowns returns the secret's own, which is an integer, and all others.
func unknowns(old, next committee) []unknown {
	out := []unknown{{isFirstSecret: true}}
	for power := 1; power <= old.code.T(); power++ {
		for bit := range old.code.Degree() {
			out = append(out, unknown{power: power, bit: bit})
		}
	}
	same := old.code.Degree() == next.code.Degree()
	coordinates := old.code.Degree()
	if same {
		coordinates = 1
	}
	for j := 1; j <= old.code.N(); j++ {
		for of := range coordinates {
			for power := range next.code.T() + 1 {
				for bit := range next.code.Degree() {
					if power > 0 || same || bit == 0 {
						out = append(out, unknown{mask: j, of: of, power: power, bit: bit})
					}
				}
			}
		}
	}
	return out
}

// at returns the unknown's share of a party.
func (u unknown) at(c committee, party int) ring.Elem {
	r := c.code.Ring()
	e := ring.Integer(1)
	for range u.power {
		e = r.Mul(e, r.Point(party))
	}
	return r.Mul(r.Point(1<<u.bit), e)
}

const probed = tfhe.SecretPKE

// probe are masks in which each unknown is in one coefficient.
type probe struct {
	committee
	self     int
	unknowns []unknown
	of       int // coordinates that have a mask of their own
}

func (p probe) DrawWide(_ prss.Address, _ prss.WideVectors) error { return nil }

func (p probe) Draw(a prss.Address, v prss.Vectors) error {
	if !strings.HasSuffix(a.Kind, "/"+probed.String()) {
		return nil
	}
	for _, x := range append(v.Integers, v.Elements...) {
		for m, u := range p.unknowns {
			if u.mask == int(a.Sub) {
				p.code.Ring().Set(x, m*p.of+u.of, u.at(p.committee, p.self))
			}
		}
	}
	return nil
}

// knowledge is what is seen: rows over the unknowns mod 2.
type knowledge struct {
	unknowns int
	rows     []*big.Int
}

// see adds the words of a vector that has as many for each coefficient.
func (k *knowledge) see(v []uint64, words int) {
	for at := range words {
		row := new(big.Int)
		for m := range k.unknowns {
			row.SetBit(row, m, uint(v[m*words+at]&1))
		}
		k.rows = append(k.rows, row)
	}
}

// rank returns the rank of all rows and some more.
func (k *knowledge) rank(more ...*big.Int) int {
	pivots := map[int]*big.Int{}
	for _, row := range append(append([]*big.Int(nil), k.rows...), more...) {
		x := new(big.Int).Set(row)
		for x.BitLen() > 0 {
			p := pivots[x.BitLen()]
			if p == nil {
				pivots[x.BitLen()] = x
				break
			}
			x.Xor(x, p)
		}
	}
	return len(pivots)
}

// determines reports whether a row is known to who knows the others.
func (k *knowledge) determines(row *big.Int) bool { return k.rank(row) == k.rank() }

func words(raw []byte) []uint64 {
	out := make([]uint64, len(raw)/8)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return out
}

// probing is a run of which everything is recorded.
type probing struct {
	w        *world
	unknowns []unknown
	masks    map[[2]int][]uint64 // by new and old member
	opened   [][]uint64          // by new member
}

func newProbing(t *testing.T, old, next committee) *probing {
	t.Helper()
	items := testItems(tfhe.NameTest)
	p := &probing{unknowns: unknowns(old, next), masks: map[[2]int][]uint64{}, opened: make([][]uint64, next.code.N()+1)}
	require.LessOrEqual(t, len(p.unknowns), items[0].Parameters.Dimension(probed))
	shares := make([][]*keygen.KeyShare, old.code.N()+1)
	for j := 1; j <= old.code.N(); j++ {
		narrow, broad := map[tfhe.Secret][]uint64{}, map[tfhe.Secret][]wide.Word{}
		for _, s := range items[0].Parameters.Secrets() {
			if size := items[0].Parameters.Dimension(s) * old.code.Degree(); items[0].Parameters.SecretWidth(s) > 64 {
				broad[s] = make([]wide.Word, size)
			} else {
				narrow[s] = make([]uint64, size)
			}
		}
		for m, u := range p.unknowns {
			if u.mask == 0 {
				old.code.Ring().Set(narrow[probed], m, u.at(old, j))
			}
		}
		share, err := keygen.NewKeyShare(items[0].Parameters, items[0].KeyID, old.code, j, narrow, broad)
		require.NoError(t, err)
		shares[j] = []*keygen.KeyShare{share}
	}
	of := 1
	if old.code.Degree() != next.code.Degree() {
		of = old.code.Degree()
	}
	w := newWorld(t, old, next, shares, items)
	w.masks = func(self int) reshare.Masks { return probe{next, self, p.unknowns, of} }
	n := next.code.N()
	w.network.Tap = func(e mpctest.Envelope) []mpctest.Envelope {
		if e.Round == 0 {
			p.masks[[2]int{e.From, e.To - n}] = words(e.Payload)
		}
		return []mpctest.Envelope{e}
	}
	w.second.Tap = func(e mpctest.Envelope) []mpctest.Envelope {
		if e.Round == 0 {
			p.opened[e.From] = words(e.Payload)
		}
		return []mpctest.Envelope{e}
	}
	w.run()
	p.w = w
	return p
}

// view returns what corrupt members of both committees see of the whole run.
func (p *probing) view(old, next []int) *knowledge {
	w := p.w
	k := &knowledge{unknowns: len(p.unknowns)}
	d := w.old.code.Degree()
	for _, j := range old {
		k.see(w.shares[j][0].Part(probed), d)
		for i := 1; i <= w.new.code.N(); i++ {
			k.see(p.masks[[2]int{i, j}], w.new.code.Degree())
		}
	}
	for _, i := range next {
		for j := 1; j <= w.old.code.N(); j++ { // before they are packed
			of := w.masks(i).(probe).of
			v := make([]uint64, w.items[0].Parameters.Dimension(probed)*of*w.new.code.Degree())
			_ = w.masks(i).Draw(prss.Address{Kind: "/" + probed.String(), Sub: uint16(j)}, prss.Vectors{Integers: [][]uint64{v}}) // never fails
			k.see(v, of*w.new.code.Degree())
		}
	}
	dimension := w.items[0].Parameters.Dimension(probed)
	for _, v := range w.vectors {
		k.see(words(v), d)
	}
	for i := 1; i <= w.new.code.N(); i++ {
		element := dimension * w.new.code.Degree()
		for v := p.opened[i]; len(v) > 0; v = v[element:] {
			k.see(v[:element], w.new.code.Degree())
		}
	}
	return k
}

// withOldShares adds what all old members had to what is known.
func (p *probing) withOldShares(k *knowledge) *knowledge {
	for j := 1; j <= p.w.old.code.N(); j++ {
		k.see(p.w.shares[j][0].Part(probed), p.w.old.code.Degree())
	}
	return k
}

// newShare returns the rows of the first coordinate of a new member's share.
func (p *probing) newShare(i int) *big.Int {
	k := &knowledge{unknowns: len(p.unknowns)}
	k.see(p.w.conclusions[i].Shares()[0].Part(probed), p.w.new.code.Degree())
	return k.rows[0]
}

func TestThresholdManyOfBothCommitteesTogetherLearnNothing(t *testing.T) {
	secret := big.NewInt(1) // unknown 0
	for _, c := range []struct {
		old, new committee
	}{
		{newCommittee(t, 4, 1), newCommittee(t, 4, 11)},
		{newCommittee(t, 7, 1), newCommittee(t, 7, 11)},
		{newCommittee(t, 4, 1), newCommittee(t, 16, 11, 1)}, // integers
		{newCommittee(t, 1, 1), newCommittee(t, 4, 11)},
	} {
		t.Run(fmt.Sprintf("%d to %d", c.old.code.N(), c.new.code.N()), func(t *testing.T) {
			p := newProbing(t, c.old, c.new)
			upTo := func(n int) (out []int) {
				for i := range n {
					out = append(out, i+1)
				}
				return out
			}
			old, next := upTo(c.old.code.T()), upTo(c.new.code.T())
			honest := c.new.code.N()

			view := p.view(old, next)
			require.False(t, view.determines(secret), "t₁ old and t₂ new members know the secret")
			require.False(t, view.determines(p.newShare(honest)), "they know another member's new share")
			require.True(t, view.determines(p.newShare(1)), "the test sees what they do know")

			require.True(t, p.view(upTo(c.old.code.T()+1), next).determines(secret), "the test sees what t₁+1 old members know")
			require.True(t, p.view(old, upTo(c.new.code.T()+1)).determines(secret), "the test sees what t₂+1 new members know")

			// Who knows the old polynomial, and with it the secret, still lacks a point of the
			// new one with those of t₂−1 members.
			require.False(t, p.withOldShares(p.view(old, next[1:])).determines(p.newShare(honest)), "the new polynomial depends on the old one")
			require.True(t, p.withOldShares(view).determines(p.newShare(honest)), "the test sees that t₂ points and the secret are all of it")
		})
	}
}
