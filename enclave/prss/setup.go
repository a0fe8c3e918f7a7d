package prss

import (
	"bytes"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// roundOpenings is the exchange's only round.
const roundOpenings = 0

// Setup is the part of a set-up after the commitments are on the chain: each
// contributor sends the members of a set, privately, its opening for that set.
//
// Nobody can stop it. An opening is taken if it opens the commitment under the
// contributor's root, whoever's and however many others are wrong; what is missing
// after the exchange are the Grievances, to be complained about on the chain. The
// chain's answers come in by Supply, what it dropped by Drop. The keys exist as
// soon as every contribution that is left to every own set is there; they follow
// from the commitments and the dropped list alone, so parties with one Transcript
// have the same ones.
//
// Late and repeated messages are taken like others. A Setup is not safe for
// concurrent use.
type Setup struct {
	own          *Contribution
	contributors []*contributor // by party, nil without a root
	dropped      map[int][]int
	keys         *Keys
	wrong        sharing.Parties
}

// contributor is one party's contribution as this party sees it. The slices run
// over the sets that both are in, in the order of Sets.
type contributor struct {
	root     mpc.Digest
	leaves   int   // commitments under root: the contributor's sets
	theirs   []int // position in the contributor's list
	mine     []int // position in the own list
	openings []*[OpeningSize]byte
	dropped  []bool
}

// NewSetup continues own with the roots that the chain recorded by party index. A
// party without a root contributes to no set, and gets keys all the same; fewer
// than n−t roots fail with ErrContributions.
func NewSetup(own *Contribution, roots map[int]mpc.Digest) (*Setup, error) {
	s := &Setup{own: own, contributors: make([]*contributor, own.n+1)}
	known := 0
	for i := 1; i <= own.n; i++ {
		root, ok := roots[i]
		if !ok {
			continue
		}
		theirs, err := SetsOf(own.n, own.t, i)
		if err != nil {
			return nil, err
		}
		c := &contributor{root: root, leaves: len(theirs), theirs: shared(theirs, own.self), mine: shared(own.sets, i)}
		c.openings, c.dropped = make([]*[OpeningSize]byte, len(c.mine)), make([]bool, len(c.mine))
		s.contributors[i] = c
		known++
	}
	if known != len(roots) || known < own.n-own.t {
		return nil, fmt.Errorf("%w: %d of %d", ErrContributions, known, own.n)
	}
	if mine := s.contributors[own.self]; mine != nil {
		if mine.root != own.Root() {
			return nil, fmt.Errorf("%w: the chain records another root for this party", ErrOpening)
		}
		for x := range mine.openings {
			mine.openings[x] = &own.openings[x]
		}
	}
	return s, nil
}

// shared returns the positions in list of the sets that have party i.
func shared(list []sharing.Parties, i int) []int {
	var out []int
	for a, set := range list {
		if set.Has(i) {
			out = append(out, a)
		}
	}
	return out
}

// Start sends the openings: the list of all commitments, then the openings of the
// sets that the receiver is in.
func (s *Setup) Start() ([]mpc.Message, error) {
	if s.contributors[s.own.self] == nil {
		return nil, nil
	}
	list := bytes.Join(s.own.commitments(), nil)
	var out []mpc.Message
	for j := 1; j <= s.own.n; j++ {
		if j == s.own.self {
			continue
		}
		payload := bytes.Clone(list)
		for _, a := range shared(s.own.sets, j) {
			payload = append(payload, s.own.openings[a][:]...)
		}
		out = append(out, mpc.Message{To: j, Round: roundOpenings, Payload: payload})
	}
	return out, nil
}

// Receive takes the openings of a contributor, as far as they are right. It never
// fails: a sender that is wrong is among Wrong.
func (s *Setup) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if from < 1 || from > s.own.n || from == s.own.self || round != roundOpenings {
		return nil, nil
	}
	if c := s.contributors[from]; c != nil && !s.take(from, c, payload) {
		s.wrong = s.wrong.With(from)
	}
	return nil, nil
}

// take keeps the valid openings of a message and reports whether all are.
func (s *Setup) take(from int, c *contributor, payload []byte) bool {
	if len(payload) != mpc.DigestSize*c.leaves+OpeningSize*len(c.mine) {
		return false
	}
	list := merkle.Chunks(payload[:mpc.DigestSize*c.leaves], mpc.DigestSize)
	if merkle.Root(list) != c.root {
		return false
	}
	payload = payload[mpc.DigestSize*c.leaves:]
	all := true
	for x := range c.mine {
		opening := payload[x*OpeningSize : (x+1)*OpeningSize]
		if !CheckOpening(s.own.epoch, from, s.own.sets[c.mine[x]], opening, list[c.theirs[x]]) {
			all = false
			continue
		}
		c.keep(x, opening)
	}
	return all
}

func (c *contributor) keep(x int, opening []byte) {
	if c.openings[x] == nil {
		kept := [OpeningSize]byte(opening)
		c.openings[x] = &kept
	}
}

func (c *contributor) missing(x int) bool { return c.openings[x] == nil && !c.dropped[x] }

// Grievances returns, by contributor, the sets without a valid opening that is to
// be had: positions in the contributor's list (SetsOf), ascending. It is empty once
// the set-up is done.
func (s *Setup) Grievances() map[int][]int {
	out := map[int][]int{}
	for i, c := range s.contributors {
		if c == nil {
			continue
		}
		for x := range c.mine {
			if c.missing(x) {
				out[i] = append(out[i], c.theirs[x])
			}
		}
	}
	return out
}

// Missing returns the contributors that Grievances names.
func (s *Setup) Missing() sharing.Parties {
	var out sharing.Parties
	for i := range s.Grievances() {
		out = out.With(i)
	}
	return out
}

// Wrong returns the parties that sent something malformed or an opening that does
// not open its commitment. It convinces nobody else.
func (s *Setup) Wrong() sharing.Parties { return s.wrong }

// Supply takes an opening that came in answer to a complaint, for a position in
// the contributor's list, with the path of its commitment. It returns ErrOpening
// unless it opens that commitment under the contributor's root.
func (s *Setup) Supply(from, set int, opening []byte, path []merkle.Hash) error {
	if from < 1 || from > s.own.n || s.contributors[from] == nil || len(opening) != OpeningSize {
		return fmt.Errorf("%w: party %d, %d bytes", ErrOpening, from, len(opening))
	}
	c := s.contributors[from]
	for x, a := range c.theirs {
		if a != set {
			continue
		}
		h := commit(s.own.epoch, from, s.own.sets[c.mine[x]], (*[OpeningSize]byte)(opening))
		if !merkle.Verify(c.root, h[:], set, c.leaves, path) {
			return fmt.Errorf("%w: party %d, set %v", ErrOpening, from, s.own.sets[c.mine[x]])
		}
		c.keep(x, opening)
		return nil
	}
	return fmt.Errorf("%w: party %d has no set %d with this party", ErrOpening, from, set)
}

// Drop leaves out, in place of what was dropped before, what the chain dropped: by
// contributor, positions in its list, strictly ascending. It returns
// ErrContributions, and changes nothing, if the list is malformed or leaves one of
// the own sets fewer than t+1 contributions: then nobody honest may be among them.
func (s *Setup) Drop(dropped map[int][]int) error {
	left := make([]int, len(s.own.sets))
	fresh := make([][]bool, len(s.contributors))
	for i, c := range s.contributors {
		sets, any := dropped[i]
		if c == nil {
			if any {
				return fmt.Errorf("%w: party %d has none to drop", ErrContributions, i)
			}
			continue
		}
		of := map[int]bool{}
		for k, a := range sets {
			if a < 0 || a >= c.leaves || k > 0 && a <= sets[k-1] {
				return fmt.Errorf("%w: dropped sets %v of party %d", ErrContributions, sets, i)
			}
			of[a] = true
		}
		fresh[i] = make([]bool, len(c.mine))
		for x, a := range c.theirs {
			if fresh[i][x] = of[a]; !of[a] {
				left[c.mine[x]]++
			}
		}
	}
	for i := range dropped {
		if i < 1 || i > s.own.n {
			return fmt.Errorf("%w: party %d has none to drop", ErrContributions, i)
		}
	}
	for a, count := range left {
		if count <= s.own.t {
			return fmt.Errorf("%w: %d are left for set %v", ErrContributions, count, s.own.sets[a])
		}
	}
	for i, c := range s.contributors {
		if c != nil {
			c.dropped = fresh[i]
		}
	}
	s.dropped, s.keys = dropped, nil
	return nil
}

// Done reports whether the keys exist.
func (s *Setup) Done() bool { return len(s.Grievances()) == 0 }

// Keys returns the keys, nil before Done. Drop may change them.
func (s *Setup) Keys() *Keys {
	if s.keys == nil && s.Done() {
		s.keys = s.derive()
	}
	return s.keys
}

// derive computes r_A of all own sets: of the XOR of the contributions that are
// left, and of who contributed what and who was left out.
func (s *Setup) derive() *Keys {
	keys := newKeys(s.own.n, s.own.t, s.own.self, s.own.epoch, s.own.sets)
	keys.transcript = s.Transcript()
	xor := make([][KeySize]byte, len(keys.sets))
	lists := make([][]byte, len(keys.sets))
	for i, c := range s.contributors {
		if c == nil {
			continue
		}
		for x, a := range c.mine {
			lists[a] = append(lists[a], byte(i)) // #nosec G115 -- at most n
			if c.dropped[x] {
				lists[a] = append(lists[a], 0)
				continue
			}
			for k := range xor[a] {
				xor[a][k] ^= c.openings[x][k]
			}
			h := commit(s.own.epoch, i, keys.sets[a], c.openings[x])
			lists[a] = append(append(lists[a], 1), h[:]...)
		}
	}
	for a, set := range keys.sets {
		keys.keys[a] = deriveKey(s.own.epoch, set, &xor[a], lists[a])
		clear(xor[a][:])
	}
	return keys
}

// Zero erases the openings of others; the own contribution and the keys erase
// themselves.
func (s *Setup) Zero() {
	for i, c := range s.contributors {
		if c == nil || i == s.own.self {
			continue
		}
		for _, opening := range c.openings {
			if opening != nil {
				clear(opening[:])
			}
		}
	}
}

// String hides the openings.
func (s *Setup) String() string { return fmt.Sprintf("prss.Setup(party %d, redacted)", s.own.self) }

// GoString hides the openings.
func (s *Setup) GoString() string { return s.String() }

// Transcript returns the digest of the set-up: epoch, n, t, the contributors'
// roots and what was dropped. It is the same at every party.
func (s *Setup) Transcript() mpc.Digest {
	roots := map[int]mpc.Digest{}
	for i, c := range s.contributors {
		if c != nil {
			roots[i] = c.root
		}
	}
	return TranscriptOf(s.own.epoch, s.own.n, s.own.t, roots, s.dropped)
}

// TranscriptOf is Transcript for the roots, by party, and the dropped positions,
// by party and ascending, that the chain recorded.
func TranscriptOf(epoch mpc.Digest, n, t int, roots map[int]mpc.Digest, dropped map[int][]int) mpc.Digest {
	var listed, left []byte
	for i := 1; i <= n; i++ {
		if root, posted := roots[i]; posted {
			listed = append(listed, byte(i))
			listed = append(listed, root[:]...)
		}
		for _, a := range dropped[i] {
			left = append(left, byte(i))
			left = append(left, mpc.Uint64(uint64(a))...) // #nosec G115 -- below maxSets
		}
	}
	return mpc.Hash("tkms/v1/prss/transcript", epoch[:], mpc.Uint64(uint64(n)), mpc.Uint64(uint64(t)), listed, left)
}
