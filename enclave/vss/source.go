package vss

import (
	"fmt"
	"slices"
	"sync"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Source is what one party draws of dealings, in one context. A draw lies within one
// demand, with the demand's layout; the same draw gives the same shares. It is a
// prss.Randomness, and safe for concurrent use.
type Source struct {
	code    *sharing.Code
	self    int
	from    sharing.Parties
	context mpc.Digest

	mu    sync.RWMutex
	noise *prss.Source
	dealt map[drawKey][]stored
}

// drawKey is what tells apart demands, but for their items.
type drawKey struct {
	kind   string
	k      uint
	sub    uint16
	try    uint8
	layout prss.Layout
}

func keyOf(a prss.Address, l prss.Layout) drawKey { return drawKey{a.Kind, a.K, a.Sub, a.Try, l} }

// stored are the shares of a demand, vector by vector: integers, elements, zeros.
type stored struct {
	first  uint64
	count  int
	narrow [][]uint64
	wide   [][]wide.Word
	origin *origin
	demand int // of the origin's plan
}

// extract makes the source of what was dealt and found right.
func (m *Dealing) extract() (*Source, error) {
	p, d := m.plan, m.Code.Degree()
	narrow, broad := make([][]uint64, p.masks), make([][]wide.Word, p.masks)
	for i, q := range p.pools[:p.masks] {
		if q.wide() {
			broad[i] = make([]wide.Word, q.length*d)
		} else {
			narrow[i] = make([]uint64, q.length*d)
		}
	}
	for position, dealer := range p.from.List() {
		err := p.each(m.shares[dealer], func(at, lo int, v []uint64, w []wide.Word) error {
			q := p.pools[at]
			for j, row := range p.extract.rows {
				from := (j*q.block + lo) * d
				if !q.extracted || row>>position&1 == 0 || from >= q.length*d {
					continue
				}
				if q.wide() {
					to := broad[at][from:]
					for i, x := range w[:min(len(w), len(to))] {
						to[i] = to[i].Add(x)
					}
					continue
				}
				to := narrow[at][from:]
				for i, x := range v[:min(len(v), len(to))] {
					to[i] += x
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("vss: read a share: %w", err)
		}
		clear(m.shares[dealer])
		m.shares[dealer] = []byte{} // it was there
	}
	for i, q := range p.pools[:p.masks] {
		if q.wide() {
			wide.Reduce(broad[i], q.k)
		} else {
			ring.Reduce(narrow[i], q.k)
		}
	}
	s := NewSource(m.Code, m.self, m.From, m.Context)
	for i, q := range p.demand {
		e := stored{first: q.First, count: q.Count, origin: m.origin, demand: i}
		for _, at := range p.slots[i] {
			lo, hi := at.offset*d, (at.offset+q.Count)*d
			if q.K > 64 {
				e.wide = append(e.wide, broad[at.pool][lo:hi:hi])
			} else {
				e.narrow = append(e.narrow, narrow[at.pool][lo:hi:hi])
			}
		}
		key := keyOf(q.Address, q.Layout)
		s.dealt[key] = append(s.dealt[key], e)
	}
	return s, nil
}

// NewSource returns the source of party self of the members of from, to which dealings for
// the context are joined. Nothing is drawn from it before.
func NewSource(code *sharing.Code, self int, from sharing.Parties, context mpc.Digest) *Source {
	return &Source{code: code, self: self, from: from, context: context, dealt: map[drawKey][]stored{}}
}

// Join adds what another dealing of the same parties made for the same context, ErrConfig
// if it is not of these.
func (s *Source) Join(other *Source) error {
	if s == other || s.self != other.self || s.from != other.from || s.context != other.context || s.code.N() != other.code.N() {
		return fmt.Errorf("%w: dealings of different contexts or parties", ErrConfig)
	}
	other.mu.RLock()
	defer other.mu.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, list := range other.dealt {
		s.dealt[key] = append(s.dealt[key], list...)
	}
	return nil
}

// Code returns the code of the sharings.
func (s *Source) Code() *sharing.Code { return s.code }

// Self returns the party's index.
func (s *Source) Self() int { return s.self }

// From returns the parties that dealt.
func (s *Source) From() sharing.Parties { return s.from }

// Context returns the id of the session that the values belong to.
func (s *Source) Context() mpc.Digest { return s.context }

// String hides the shares.
func (s *Source) String() string { return fmt.Sprintf("vss.Source(party %d, redacted)", s.self) }

// GoString hides the shares.
func (s *Source) GoString() string { return s.String() }

// Zero erases the shares. A draw afterwards fails.
func (s *Source) Zero() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range s.dealt {
		for _, e := range list {
			for _, v := range e.narrow {
				clear(v)
			}
			for _, v := range e.wide {
				clear(v)
			}
			clear(e.origin.seed[:])
		}
	}
	clear(s.dealt)
}

// find returns the demand that has count items from a.First on, and the place of the first.
func (s *Source) find(a prss.Address, l prss.Layout, count int) (stored, int, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.dealt[keyOf(a, l)] {
		if at := a.First - e.first; a.First >= e.first && at <= uint64(e.count) && uint64(count) <= uint64(e.count)-at { // #nosec G115 -- counts are not negative
			return e, int(at), nil // #nosec G115 -- at most the count
		}
	}
	return stored{}, 0, fmt.Errorf("%w: %d items at %+v, %+v", ErrNotDealt, count, a, l)
}

// Begin starts a draw of count items at a with K of at most 64, ErrNotDealt if they were
// not dealt for. Close it.
func (s *Source) Begin(a prss.Address, l prss.Layout, count int) (prss.Run, error) {
	e, at, err := s.find(a, l, count)
	if err != nil {
		return nil, err
	}
	if a.K > 64 {
		return nil, fmt.Errorf("%w: a run over %d bits", ErrNotDealt, a.K)
	}
	return &run{stored: e, layout: l, at: at, end: at + count, d: s.code.Degree(), lanes: s.code.Ring().Lanes(a.K)}, nil
}

// Draw overwrites v with the party's shares at address a, ErrNotDealt if they were not
// dealt for.
func (s *Source) Draw(a prss.Address, v prss.Vectors) error {
	l := prss.Layout{Integers: len(v.Integers), Elements: len(v.Elements), Zeros: len(v.Zeros)}
	count := 0
	for _, x := range slices.Concat(v.Integers, v.Elements, v.Zeros) {
		count = len(x) / s.code.Degree()
	}
	if count == 0 {
		return nil
	}
	r, err := s.Begin(a, l, count)
	if err != nil {
		return err
	}
	defer r.Close()
	r.Next(v)
	return nil
}

// DrawWide is Draw for K in 65..128.
func (s *Source) DrawWide(a prss.Address, v prss.WideVectors) error {
	d := s.code.Degree()
	all := slices.Concat(v.Integers, v.Elements, v.Zeros)
	if len(all) == 0 || len(all[0]) == 0 {
		return nil
	}
	count := len(all[0]) / d
	e, at, err := s.find(a, prss.Layout{Integers: len(v.Integers), Elements: len(v.Elements), Zeros: len(v.Zeros)}, count)
	if err != nil {
		return err
	}
	if a.K <= 64 {
		return fmt.Errorf("%w: wide numbers of %d bits", ErrNotDealt, a.K)
	}
	for i, x := range all {
		if len(x) != count*d {
			panic("vss: vectors of different lengths")
		}
		copy(x, e.wide[i][at*d:])
	}
	return nil
}

// TakeNoise lets noise be drawn from pseudo-random secret sharing, of the same parties and
// in the same context (ErrConfig), where there are few enough for a set-up: noise needs a
// word from each set, much less than random bits do.
func (s *Source) TakeNoise(from *prss.Source) error {
	if from.Self() != s.self || from.Context() != s.context || from.Code().N() != s.code.N() || from.Code().Degree() != s.code.Degree() {
		return fmt.Errorf("%w: noise of another context or party", ErrConfig)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noise = from
	return nil
}

func (s *Source) noiseSource() (*prss.Source, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.noise == nil {
		return nil, ErrNoise
	}
	return s.noise, nil
}

// DrawNoise draws from what TakeNoise took, ErrNoise without.
func (s *Source) DrawNoise(a prss.Address, bound uint, dst []uint64) error {
	from, err := s.noiseSource()
	if err != nil {
		return err
	}
	return from.DrawNoise(a, bound, dst)
}

// DrawWideNoise draws from what TakeNoise took, ErrNoise without.
func (s *Source) DrawWideNoise(a prss.Address, bound uint, dst []wide.Word) error {
	from, err := s.noiseSource()
	if err != nil {
		return err
	}
	return from.DrawWideNoise(a, bound, dst)
}

// run is a draw of consecutive items.
type run struct {
	stored
	layout  prss.Layout
	at, end int
	d       int
	lanes   ring.Lanes
	words   []uint64
}

// Next implements prss.Run.
func (r *run) Next(v prss.Vectors) {
	if len(v.Integers) != r.layout.Integers || len(v.Elements) != r.layout.Elements || len(v.Zeros) != r.layout.Zeros {
		panic("vss: other vectors than the run has")
	}
	i, count := 0, 0
	for _, group := range [][][]uint64{v.Integers, v.Elements, v.Zeros} {
		for _, x := range group {
			if i > 0 && len(x) != count*r.d || len(x)%r.d != 0 || len(x)/r.d > r.end-r.at {
				panic("vss: vectors of different lengths, or more items than the run has")
			}
			count = len(x) / r.d
			copy(x, r.narrow[i][r.at*r.d:])
			i++
		}
	}
	r.at += count
}

// Lanes implements prss.Run.
func (r *run) Lanes() ring.Lanes { return r.lanes }

// NextWords implements prss.Run.
func (r *run) NextWords(count int, integers [][]uint64) []uint64 {
	if len(integers) != r.layout.Integers || r.layout.Elements != 0 || !r.lanes.Single() || count < 1 || count > min(prss.Piece, r.end-r.at) {
		panic("vss: other vectors than the run has")
	}
	lo, hi := r.at*r.d, (r.at+count)*r.d
	for i, x := range integers {
		copy(x[:count*r.d], r.narrow[i][lo:hi])
	}
	r.words = slices.Grow(r.words[:0], count*r.layout.Zeros)
	for _, v := range r.narrow[len(integers):] {
		for v := v[lo:hi]; len(v) > 0; v = v[r.d:] {
			r.words = append(r.words, r.lanes.Pack(ring.Elem{v[0], v[1], v[2], v[3]})[0])
		}
	}
	r.at += count
	return r.words
}

// Close implements prss.Run.
func (r *run) Close() { clear(r.words) }

var _ prss.Randomness = (*Source)(nil)
