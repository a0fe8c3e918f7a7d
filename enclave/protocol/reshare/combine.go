package reshare

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// vectors are those of the old members that are used, at one new member.
type vectors struct {
	*Config
	used   sharing.Parties
	parts  [][][]byte // by old member and segment
	digest mpc.Digest // of the session and of all vectors
}

// newVectors returns ErrConfig or ErrVectors if they do not fit.
func newVectors(c *Config, by map[int][]byte) (*vectors, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	v := &vectors{Config: c, parts: make([][][]byte, c.Old.N()+1)}
	for j := range by {
		if j < 1 || j > c.Old.N() {
			return nil, fmt.Errorf("%w: old member %d of %d", ErrVectors, j, c.Old.N())
		}
		v.used = v.used.With(j)
	}
	if v.used.Count() < c.Old.Quorum() {
		return nil, fmt.Errorf("%w: %v of %d old members", ErrVectors, v.used, c.Old.N())
	}
	var digests []byte
	for _, j := range v.used.List() {
		var err error
		if v.parts[j], err = c.parts(j, by[j]); err != nil {
			return nil, err
		}
		digest := VectorDigest(c.Session, j, by[j])
		digests = append(digests, digest[:]...)
	}
	v.digest = mpc.Hash("tkms/v1/reshare/vectors", c.Session[:], mpc.Uint64(uint64(v.used)), digests)
	return v, nil
}

// lowest returns the t₁+1 lowest members of a set that has as many.
func (v *vectors) lowest(s sharing.Parties) sharing.Parties {
	return sharing.PartiesOf(s.List()[:v.Old.T()+1]...)
}

// basis are the old members whose polynomial the others, rest, are compared with.
func (v *vectors) basis() sharing.Parties { return v.lowest(v.used) }
func (v *vectors) rest() sharing.Parties  { return v.used.Without(v.basis()) }

// unmasked returns the own sharing of old member j's share of a segment, v_j − [r_j]: an
// element for each coefficient if the rings are the same, else one for each coordinate.
func (v *vectors) unmasked(s segment, i, j int) ([]wide.Word, error) {
	public, err := v.words(s, v.parts[j][i])
	if err != nil {
		return nil, err
	}
	out, err := v.masks(s, j)
	if err != nil {
		return nil, err
	}
	for a, x := range out {
		out[a] = x.Neg()
	}
	step := 1
	if !v.sameRing() {
		step = v.New.Degree() // an integer is the first coordinate of an element
	}
	for a, x := range public {
		out[a*step] = out[a*step].Add(x)
	}
	return out, nil
}

// addMultiple adds λ times the old elements that src shares, of the old ring, to those that
// dst shares. Where the rings differ it does so coordinate by coordinate, and for the
// lowest coordinates ones only, of which dst has as many for a coefficient.
func (v *vectors) addMultiple(dst, src []wide.Word, lambda wide.Elem, coordinates int) {
	m := v.Old.WideRing().Matrix(lambda)
	if v.sameRing() {
		v.New.WideRing().MulAdd(dst, src, &m)
		return
	}
	d, r := v.New.Degree(), v.New.WideRing()
	for ; len(dst) > 0; dst, src = dst[coordinates*d:], src[v.Old.Degree()*d:] {
		for c := range v.Old.Degree() {
			for to := range coordinates {
				r.ScaleAdd(dst[to*d:][:d], src[c*d:][:d], m[c][to])
			}
		}
	}
}

// syndrome returns the own shares of what the old shares of rest, in their order, are off
// the polynomial through those of basis, as they are sent.
func (v *vectors) syndrome(s segment, i int) ([]wide.Word, error) {
	rest := v.rest().List()
	off := make([][]wide.Word, len(rest))
	for q, j := range rest {
		var err error
		if off[q], err = v.unmasked(s, i, j); err != nil {
			return nil, err
		}
	}
	for a, j := range v.basis().List() {
		share, err := v.unmasked(s, i, j)
		if err != nil {
			return nil, err
		}
		for q, at := range rest {
			lambda := v.Old.LagrangeWide(v.basis(), at)[a]
			v.addMultiple(off[q], share, v.Old.WideRing().Sub(wide.Elem{}, lambda), v.Old.Degree())
		}
		clear(share)
	}
	var out []wide.Word
	for _, x := range off {
		out = append(out, v.show(s, x)...)
		clear(x)
	}
	wide.Reduce(out, s.k)
	return out, nil
}

// off returns, by old member, what was opened of a segment: a vector that misses the old
// code where the shares do. It is 0 at basis.
func (v *vectors) off(s segment, values []wide.Word) ([][]wide.Word, error) {
	out := make([][]wide.Word, v.Old.N()+1)
	for _, j := range v.basis().List() {
		out[j] = make([]wide.Word, v.integers(s))
	}
	size := v.elements(s) * v.New.Degree()
	for _, j := range v.rest().List() {
		var err error
		if out[j], err = v.shown(s, values[:size]); err != nil {
			return nil, err
		}
		values = values[size:]
	}
	return out, nil
}

// combine returns the own new shares from the lowest t₁+1 of the old members that are used
// and not wrong, of whom there are as many: the same at all new members, since what others
// give is another sharing of the same secret.
func (v *vectors) combine(wrong sharing.Parties) ([]*keygen.KeyShare, error) {
	good := v.lowest(v.used.Without(wrong))
	lambdas := v.Old.LagrangeWide(good, 0)
	narrows, wides := make([]map[tfhe.Secret][]uint64, len(v.Items)), make([]map[tfhe.Secret][]wide.Word, len(v.Items))
	for i := range v.Items {
		narrows[i], wides[i] = map[tfhe.Secret][]uint64{}, map[tfhe.Secret][]wide.Word{}
	}
	for i, s := range segments(v.Items) {
		sum := make([]wide.Word, s.count*v.New.Degree())
		for a, j := range good.List() {
			share, err := v.unmasked(s, i, j)
			if err != nil {
				return nil, err
			}
			v.addMultiple(sum, share, lambdas[a], 1)
			clear(share)
		}
		if s.k > 64 {
			wides[s.item][s.secret] = sum
			continue
		}
		narrows[s.item][s.secret] = narrow(sum)
		clear(sum)
	}
	var out []*keygen.KeyShare
	for i, item := range v.Items {
		share, err := keygen.NewKeyShare(item.Parameters, item.KeyID, v.New, v.NewSelf, narrows[i], wides[i])
		if err != nil {
			return nil, fmt.Errorf("reshare: the new share: %w", err)
		}
		out = append(out, share)
	}
	return out, nil
}

// Rebuild returns the new shares of a member that was away, in the order of the items: from
// its own masks, the vectors that were used, by old index, and the old members that the
// others found wrong. Both are what the chain says; what does not fit them is not noticed.
// ErrVectors or ErrConfig if there is too little to use.
func Rebuild(c Config, vectors map[int][]byte, wrong sharing.Parties) ([]*keygen.KeyShare, error) {
	v, err := newVectors(&c, vectors)
	if err != nil {
		return nil, err
	}
	if c.NewSelf == 0 {
		return nil, fmt.Errorf("%w: no new member", ErrConfig)
	}
	if wrong.Without(v.used) != 0 || v.used.Without(wrong).Count() <= c.Old.T() {
		return nil, fmt.Errorf("%w: %v are wrong of %v", ErrVectors, wrong, v.used)
	}
	return v.combine(wrong)
}
