package sharing

import (
	"math/bits"
	"strconv"
	"strings"
)

// MaxParties is the largest n: the non-zero points of degree-5 rings.
const MaxParties = 31

// Parties is a set of party indices 1..31: bit i stands for party i.
type Parties uint32

// AllParties returns {1, …, n}.
func AllParties(n int) Parties { return Parties(1)<<(n+1) - 2 }

// PartiesOf returns the set of the given indices.
func PartiesOf(indices ...int) Parties {
	var s Parties
	for _, i := range indices {
		s = s.With(i)
	}
	return s
}

// Has reports whether i is a member.
func (s Parties) Has(i int) bool { return i > 0 && i <= MaxParties && s>>i&1 == 1 }

// With returns the set with i added.
func (s Parties) With(i int) Parties { return s | 1<<i }

// Without returns the members that are not in other.
func (s Parties) Without(other Parties) Parties { return s &^ other }

// Count returns the number of members.
func (s Parties) Count() int { return bits.OnesCount32(uint32(s)) }

// Within reports whether all members are of 1..n.
func (s Parties) Within(n int) bool { return s.Without(AllParties(n)) == 0 }

// List returns the members in ascending order.
func (s Parties) List() []int {
	out := make([]int, 0, s.Count())
	for i := 1; i <= MaxParties; i++ {
		if s.Has(i) {
			out = append(out, i)
		}
	}
	return out
}

// String renders the set as {1,3}.
func (s Parties) String() string {
	var b strings.Builder
	for _, i := range s.List() {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(i))
	}
	return "{" + b.String() + "}"
}
