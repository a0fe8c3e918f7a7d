package cluster

import (
	"cmp"
	"slices"
	"time"

	"github.com/tkms-network/tkms/enclave/sharing"
)

// Phase is what one phase of a protocol showed to those who took part.
type Phase struct {
	// Name is "offline", "online", "secret bits" or "public key".
	Name string
	// Took is the time until enough parties had the result, repetitions included: n−t,
	// but t+1 for offline material, which the others can rebuild then.
	Took time.Duration
	// Runs is how many sessions it took: one more for each set of parties that was
	// excluded on the way.
	Runs int
	// Agreed are the parties that came to the result.
	Agreed sharing.Parties
	// Culprits are convicted by evidence or were named by more than t parties, one of
	// which is honest. Suspects were named by fewer: they lied to these, or these lie.
	Culprits, Suspects sharing.Parties
	// Absent are those whom more than t parties waited for in vain, or t at most heard.
	Absent sharing.Parties
	// Evidence is what anybody can verify, by party and kind.
	Evidence []Conviction
}

// Conviction is evidence that was verified as the chain does.
type Conviction struct {
	Party int    `json:"party"`
	Kind  string `json:"kind"`
}

func (p *Phase) convict(c Conviction) {
	p.Culprits = p.Culprits.With(c.Party)
	if !slices.Contains(p.Evidence, c) {
		p.Evidence = append(p.Evidence, c)
		slices.SortFunc(p.Evidence, func(a, b Conviction) int {
			return cmp.Or(cmp.Compare(a.Party, b.Party), cmp.Compare(a.Kind, b.Kind))
		})
	}
}

// ballot counts by how many parties each was named.
type ballot map[int]sharing.Parties

func (b ballot) add(accuser int, named sharing.Parties) {
	for _, i := range named.List() {
		if i != accuser { // it would only damage itself
			b[i] = b[i].With(accuser)
		}
	}
}

// count returns who was named by more than t parties, and who by fewer.
func (b ballot) count(t int) (by, fewer sharing.Parties) {
	for i, accusers := range b {
		if accusers.Count() > t {
			by = by.With(i)
		} else if accusers.Count() > 0 {
			fewer = fewer.With(i)
		}
	}
	return by, fewer
}

// judge takes over whom the parties of a session named.
func (p *Phase) judge(accusations ballot, t int) {
	culprits, suspects := accusations.count(t)
	p.Culprits |= culprits
	p.Suspects = (p.Suspects | suspects).Without(p.Culprits)
}
