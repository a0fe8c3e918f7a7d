package preproc

import (
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Dealt is randomness that the members of E dealt each other, each from a seed that it
// committed itself to (package vss). If a batch fails all of them show their seeds: with
// these everybody computes what every party should have sent.
type Dealt interface {
	prss.Randomness
	// From returns E.
	From() sharing.Parties
	// Reveal returns what the party has to show of what was dealt for items.
	Reveal(items []prss.Demand) ([]byte, error)
	// Check reports whether revealed is what a party has to show.
	Check(party int, items []prss.Demand, revealed []byte) bool
	// Recompute returns by party and item the shares that the party should have drawn, from
	// what all members of E showed, or instead those that dealt something else.
	Recompute(items []prss.Demand, revealed [][]byte) ([][]prss.WideShares, sharing.Parties, error)
}

// Demand returns what a machine with these sections draws, for who makes it to a measure:
// ErrSection if it cannot be made. The factors of a matrix are drawn with its first rows,
// so a dealing for later ones is joined to that.
func Demand(sections []Section) ([]prss.Demand, error) {
	if err := checkSections(sections); err != nil {
		return nil, err
	}
	var out []prss.Demand
	add := func(a prss.Address, l prss.Layout, count int) {
		out = append(out, prss.Demand{Address: a, Layout: l, Count: count})
	}
	for _, s := range sections {
		switch formOf(s) {
		case packedForm:
			for q := range s.openings() {
				add(s.bitAddress(q, 0), packedBits, s.elements())
			}
		case outerForm:
			add(s.factors(outerMasks, s.outerElement(0)), outerMask, s.elements())
			add(s.factors(outerZeros, s.outerElement(0)), outerZero, s.elements())
			if s.Outer.First == 0 {
				add(s.factors(outerRows, 0), outerFactor, s.Outer.Rows)
				add(s.factors(outerColumns, 0), outerFactor, s.Outer.Columns)
			}
		default:
			add(s.address(), s.layout(), s.Count)
		}
	}
	return out, nil
}

// seeds is blame where randomness was dealt.
type seeds struct {
	source   Dealt
	items    []prss.Demand // that the failing index is made of
	size     int           // of what a party shows
	revealed [][]byte      // by party
}

// maxItems is more than any index is made of, and maxSeed than each takes of what a party shows.
const (
	maxItems = 16
	maxSeed  = 64
)

// showSeeds begins the search and returns the own message: for each member of E what it
// shows, zeros if that is not known.
func (m *Machine) showSeeds(source Dealt) (mpc.Message, error) {
	b := m.blame
	s := &seeds{source: source, revealed: make([][]byte, m.code.N()+1)}
	draws := b.recipe.draws()
	for a, address := range sources(m.Sections, b.place) {
		s.items = append(s.items, prss.Demand{Address: address, Layout: draws[a].layout, Count: 1})
	}
	own, err := source.Reveal(s.items)
	if err != nil {
		return mpc.Message{}, err
	}
	s.size, s.revealed[m.self], b.seeds = len(own), own, s
	return m.tellSeeds(), nil
}

func (m *Machine) tellSeeds() mpc.Message {
	s := m.blame.seeds
	payload := make([]byte, 0, m.From.Count()*s.size)
	for _, i := range m.From.List() {
		shown := make([]byte, s.size)
		copy(shown, s.revealed[i])
		payload = append(payload, shown...)
	}
	return mpc.Message{Round: roundClaim, Payload: payload}
}

// takeSeeds takes what opens its commitment out of the claims. Each party sends two, of
// which the second has more.
func (m *Machine) takeSeeds() {
	s := m.blame.seeds
	for from, payload := range m.claims {
		if payload == nil || len(payload) != m.From.Count()*s.size {
			continue
		}
		m.claims[from] = nil
		for _, i := range m.From.List() {
			shown := payload[:s.size:s.size]
			payload = payload[s.size:]
			if s.revealed[i] == nil && s.source.Check(i, s.items, shown) {
				s.revealed[i] = shown
			}
		}
	}
}

// lackingSeeds returns the members of E whose seeds are not known.
func (m *Machine) lackingSeeds() sharing.Parties {
	var out sharing.Parties
	for _, i := range m.From.List() {
		if m.blame.seeds.revealed[i] == nil {
			out = out.With(i)
		}
	}
	return out
}

// concludeSeeds returns a CulpritError once all have shown their seeds, and a message for
// who was not shown all of them.
func (m *Machine) concludeSeeds() ([]mpc.Message, error) {
	b := m.blame
	m.takeSeeds()
	if m.lackingSeeds() != 0 {
		return nil, nil
	}
	out := []mpc.Message{m.tellSeeds()}
	shares, culprits, err := b.seeds.source.Recompute(b.seeds.items, b.seeds.revealed)
	if err != nil {
		return out, err
	}
	if culprits == 0 {
		right := func(j int) ([]wide.Elem, error) { return b.recipe.combine(m.code.WideRing(), shares[j]), nil }
		if culprits, err = m.compare(right, func(int, int) {}); err != nil {
			return out, err
		}
	}
	return out, m.bad(culprits)
}
