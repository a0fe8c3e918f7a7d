package vss

import (
	"bytes"

	"github.com/tkms-network/tkms/enclave/sharing"
)

// secrets are what all members of E committed themselves to and then show: their coins,
// or their seeds. A party shows its own, and then all that it knows, so that who shows its
// own to one party shows it to all.
type secrets struct {
	plan  *plan
	have  [][]byte // by party: those that open their commitments
	heard [][]byte // by party: the last list that it showed, until it is looked at
	count []int    // by party: the lists that it showed
}

func newSecrets(p *plan) secrets {
	n := p.code.N()
	return secrets{plan: p, have: make([][]byte, n+1), heard: make([][]byte, n+1), count: make([]int, n+1)}
}

// bytes is the length of a list.
func (s *secrets) bytes() int { return s.plan.from.Count() * SeedSize }

// join returns the list of all that is known: 32 bytes for each member of E, zeros where
// nothing is.
func (s *secrets) join() []byte {
	out := make([]byte, 0, s.bytes())
	for _, i := range s.plan.from.List() {
		var secret [SeedSize]byte
		copy(secret[:], s.have[i])
		out = append(out, secret[:]...)
	}
	return out
}

// hear keeps a party's list: false if it is malformed, or the third.
func (s *secrets) hear(from int, payload []byte) bool {
	if len(payload) != s.bytes() || s.count[from] == 2 {
		return false
	}
	s.count[from]++
	if s.heard[from] == nil {
		s.heard[from] = payload
		return true
	}
	for _, i := range s.plan.from.List() { // the second has more than the first
		first, second := s.entry(s.heard[from], i), s.entry(payload, i)
		if bytes.Equal(first, make([]byte, SeedSize)) {
			copy(first, second)
		}
	}
	return true
}

// entry returns what a list has of a party.
func (s *secrets) entry(list []byte, party int) []byte {
	for _, i := range s.plan.from.List() {
		if i == party {
			break
		}
		list = list[SeedSize:]
	}
	return list[:SeedSize:SeedSize]
}

// take takes what was heard and opens its commitment.
func (s *secrets) take(opens func(party int, secret []byte) bool) {
	for from, list := range s.heard {
		if list == nil {
			continue
		}
		for _, i := range s.plan.from.List() {
			if secret := s.entry(list, i); s.have[i] == nil && opens(i, secret) {
				s.have[i] = bytes.Clone(secret)
			}
		}
		s.heard[from] = nil
	}
}

// lacking returns the parties whose secrets are not known.
func (s *secrets) lacking() sharing.Parties {
	var out sharing.Parties
	for _, i := range s.plan.from.List() {
		if s.have[i] == nil {
			out = out.With(i)
		}
	}
	return out
}
