package prss

import (
	"fmt"
	"slices"

	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// SharingSets returns the sets of n−t parties that party i is in, in the order of
// Sets: those whose words are its sharings.
func SharingSets(code *sharing.Code, i int) ([]sharing.Parties, error) {
	sets, err := SetsOf(code.N(), code.T(), i)
	if err != nil || code.T() == 0 {
		return sets, err
	}
	return sets[:len(sets)-1], nil
}

// Words returns the number of words of R_k's coordinates that an item takes from
// each set's stream.
func (l Layout) Words(code *sharing.Code) int {
	return l.Integers + code.Degree()*(l.Elements+code.T()*l.Zeros)
}

// Words returns what the item at a.First takes from the stream of each set that
// the party is in, in the order of SharingSets, reduced mod 2^K: the integers, the
// coordinates of the elements, and those of the t coefficients of each zero
// sharing. They are all that there is to know about the item: whoever shows them
// gives it up.
func (s *Source) Words(a Address, l Layout) ([][]uint64, error) {
	run, err := s.begin(a, l, 1)
	if err != nil {
		return nil, err
	}
	defer run.Close()
	out := make([][]uint64, len(run.streams.sets))
	for i := range out {
		out[i] = slices.Clone(run.next(i, 1))
		ring.Reduce(out[i], a.K)
	}
	return out, nil
}

// WideWords is Words for K in 65..128.
func (s *Source) WideWords(a Address, l Layout) ([][]wide.Word, error) {
	run, err := s.beginWide(a, l, 1)
	if err != nil {
		return nil, err
	}
	defer run.close()
	out := make([][]wide.Word, len(run.sets))
	for i := range out {
		out[i] = slices.Clone(run.next(i, 1))
		wide.Reduce(out[i], a.K)
	}
	return out, nil
}

// Shares are one party's shares of one item, as Draw would yield them.
type Shares struct {
	Integers, Elements, Zeros []ring.Elem
}

// WideShares are one party's shares of one item, as DrawWide would yield them.
type WideShares struct {
	Integers, Elements, Zeros []wide.Elem
}

// Recompute returns the shares of an item over R_k that party i draws, from the
// words of every set that it is in, in the order of SharingSets. It returns
// ErrParameters if there are other numbers of sets or words.
func Recompute(code *sharing.Code, i int, k uint, l Layout, words [][]uint64) (Shares, error) {
	widened := make([][]wide.Word, len(words))
	for q := range words {
		widened[q] = make([]wide.Word, len(words[q]))
		for j, x := range words[q] {
			widened[q][j].Lo = x
		}
	}
	shares, err := RecomputeWide(code, i, k, l, widened)
	narrow := func(group []wide.Elem) []ring.Elem {
		out := make([]ring.Elem, len(group))
		for j, e := range group {
			out[j] = e.Narrow()
		}
		return out
	}
	return Shares{narrow(shares.Integers), narrow(shares.Elements), narrow(shares.Zeros)}, err
}

// RecomputeWide is Recompute for k up to 128.
func RecomputeWide(code *sharing.Code, i int, k uint, l Layout, words [][]wide.Word) (WideShares, error) {
	sets, err := SharingSets(code, i)
	if err != nil {
		return WideShares{}, err
	}
	if len(words) != len(sets) {
		return WideShares{}, fmt.Errorf("%w: words of %d sets, not %d", ErrParameters, len(words), len(sets))
	}
	r := code.WideRing()
	out := WideShares{make([]wide.Elem, l.Integers), make([]wide.Elem, l.Elements), make([]wide.Elem, l.Zeros)}
	for q, set := range sets {
		if len(words[q]) != l.Words(code) {
			return WideShares{}, fmt.Errorf("%w: %d words", ErrParameters, len(words[q]))
		}
		f, err := value(code, set, i)
		if err != nil {
			return WideShares{}, err
		}
		rest := words[q]
		add := func(to *wide.Elem, width int, by wide.Elem) {
			var e wide.Elem
			copy(e[:], rest[:width])
			*to, rest = r.Add(*to, r.Mul(e, by)), rest[width:]
		}
		for j := range out.Integers {
			add(&out.Integers[j], 1, f)
		}
		for j := range out.Elements {
			add(&out.Elements[j], r.Degree(), f)
		}
		for j := range out.Zeros {
			power := f
			for range code.T() {
				power = r.Mul(power, r.Point(i))
				add(&out.Zeros[j], r.Degree(), power)
			}
		}
	}
	for _, group := range [][]wide.Elem{out.Integers, out.Elements, out.Zeros} {
		for j := range group {
			group[j] = r.ReduceElem(group[j], k)
		}
	}
	return out, nil
}

// value returns f_A(α_i) for a member i of A.
func value(code *sharing.Code, a sharing.Parties, i int) (wide.Elem, error) {
	r, one := code.WideRing(), wide.Integer(wide.Word{Lo: 1})
	f := one
	for _, j := range sharing.AllParties(code.N()).Without(a).List() {
		inverse, err := r.Inverse(r.Point(j))
		if err != nil {
			return wide.Elem{}, err
		}
		f = r.Mul(f, r.Sub(one, r.Mul(r.Point(i), inverse)))
	}
	return f, nil
}
