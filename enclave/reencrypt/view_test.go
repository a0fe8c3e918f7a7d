package reencrypt_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/dealer"
)

func code(t testing.TB, n int) *sharing.Code {
	t.Helper()
	c, err := sharing.New(n, sharing.Threshold(n), reencrypt.BlocksPerElement)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// simulate makes the shares of all n parties from the blocks and those of t parties:
// f = f(0) + X·g, where g of degree t−1 passes through what the t parties hold.
func simulate(t testing.TB, c *sharing.Code, blocks []uint64, known map[int][]uint64) [][]uint64 {
	t.Helper()
	r := c.Ring()
	secret := make([]uint64, reencrypt.Elements(len(blocks))*reencrypt.BlocksPerElement)
	copy(secret, blocks)
	from := sharing.PartiesOf(slices.Collect(maps.Keys(known))...)
	out := make([][]uint64, c.N())
	for i := range out {
		out[i] = make([]uint64, len(secret))
		weights := c.Lagrange(from, i+1)
		for e := range reencrypt.Elements(len(blocks)) {
			var g ring.Elem
			for a, j := range from.List() {
				inverse, err := r.Inverse(r.Point(j))
				if err != nil {
					t.Fatal(err)
				}
				held := r.Mul(r.Sub(r.At(known[j], e), r.At(secret, e)), inverse)
				g = r.Add(g, r.Mul(weights[a], held))
			}
			r.Set(out[i], e, r.Add(r.At(secret, e), r.Mul(r.Point(i+1), g)))
		}
		ring.Reduce(out[i], reencrypt.Width)
	}
	return out
}

// What a user and t parties see of the sharing is a function of the value and of what
// the t parties held anyway: a simulator that is given these makes all of it.
func TestAUserWithTPartiesLearnsTheValueOnly(t *testing.T) {
	message := digits(10)
	for _, n := range []int{4, 7, 10, 13, 15} {
		c := code(t, n)
		shares, err := dealer.BlockShares(source(byte(n)), n, c.T(), message)
		if err != nil {
			t.Fatal(err)
		}
		for first := range n { // t neighbours, all round
			known := map[int][]uint64{}
			for a := range c.T() {
				i := (first + a) % n
				known[i+1] = shares[i]
			}
			if got := simulate(t, c, message, known); !slices.EqualFunc(got, shares, slices.Equal) {
				t.Fatalf("n=%d: with those from party %d on the view is another", n, first+1)
			}
		}
	}
}

// masked returns what n parties send of a sharing that they hold, with the zero sharing
// of the PRSS at a position.
func masked(t testing.TB, sources []*prss.Source, position uint32, shares [][]uint64) [][]uint64 {
	t.Helper()
	out := make([][]uint64, len(shares))
	for i, s := range sources {
		out[i] = make([]uint64, len(shares[i]))
		if err := s.DrawZero(prss.Address{Kind: "view", K: reencrypt.Width, First: uint64(position)}, out[i]); err != nil {
			t.Fatal(err)
		}
		for w, x := range shares[i] {
			out[i][w] = (out[i][w] + x) & ring.Mask(reencrypt.Width)
		}
	}
	return out
}

// Two sharings of one value, whose polynomials differ by what a protocol happened to
// compute, are told apart by their shares. With a fresh zero sharing added, each becomes
// any sharing of the value, equally often.
func TestAFreshZeroSharingHidesHowTheValueWasShared(t *testing.T) {
	const n, tries = 4, 1 << 12
	c := code(t, n)
	keys, err := dealer.PRSS(source(1), mpc.Digest{1}, n, c.T())
	if err != nil {
		t.Fatal(err)
	}
	var sources []*prss.Source
	for _, k := range keys {
		s, err := prss.NewSource(k, c, mpc.Digest{2})
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, s)
	}
	// f = 3 and f = 3 + X·Y share the value 3.
	flat, sloped := make([][]uint64, n), make([][]uint64, n)
	for i := range n {
		flat[i] = []uint64{3, 0, 0, 0}
		sloped[i] = make([]uint64, 4)
		slope := c.Ring().Mul(c.Ring().Point(i+1), c.Ring().Point(2))
		c.Ring().Set(sloped[i], 0, c.Ring().Add(ring.Integer(3), slope))
		ring.Reduce(sloped[i], reencrypt.Width)
	}
	if slices.EqualFunc(flat, sloped, slices.Equal) {
		t.Fatal("without a zero sharing nothing tells them apart")
	}
	for name, shares := range map[string][][]uint64{"flat": flat, "sloped": sloped} {
		var counts [reencrypt.BlocksPerElement][1 << reencrypt.Width]float64
		for position := range uint32(tries) {
			sent := masked(t, sources, position, shares)
			raws := map[int][]byte{}
			for i, s := range sent {
				raws[i+1] = raw(s)
			}
			if got, wrong, err := reconstruct(t, n, 4, raws); err != nil || len(wrong) > 0 || got.Int64() != 3 {
				t.Fatalf("%s: %v, wrong %v, %v", name, got, wrong, err)
			}
			for w, x := range sent[0] { // one share and the value determine the others
				counts[w][x]++
			}
		}
		for w, histogram := range counts {
			expected, chi := float64(tries)/float64(len(histogram)), 0.0
			for _, seen := range histogram {
				chi += (seen - expected) * (seen - expected) / expected
			}
			if chi > 66 { // exceeded by one in 4,000 uniform ones; the keys are fixed
				t.Errorf("%s: coefficient %d is not uniform, χ² = %.0f", name, w, chi)
			}
		}
	}
}
