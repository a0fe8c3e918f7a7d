package prss

import (
	"bytes"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Rounds of the set-up.
const (
	roundOpenings = 0
	roundChecks   = 1
	// SetupRounds is the number of rounds.
	SetupRounds = 2
)

// Setup is the part of a set-up after the commitments are on the chain: openings
// go privately to the members of each set, then members compare hashes of their
// keys. It waits for every contributor; there is no complaint yet, so a bad or
// missing opening means that the set-up is to be repeated: Receive then returns a
// CulpritError around ErrOpening or ErrCheck.
type Setup struct {
	own   *Contribution
	roots []mpc.Digest // by party
	from  sharing.Parties
	all   *Keys

	// commitments[i][a] and openings[i][a] are party i's for own set a, nil if i is
	// not in it.
	commitments [][]*mpc.Digest
	openings    [][]*[OpeningSize]byte
	opened      sharing.Parties
	checked     sharing.Parties
	early       [][]byte // checks that came before the own keys were known
	keys        *Keys
}

// NewSetup continues own with the roots that the chain recorded by party index. A
// party without a root contributes to no set; fewer than n−t fail.
func NewSetup(own *Contribution, roots map[int]mpc.Digest) (*Setup, error) {
	keys, err := newKeys(own.n, own.t, own.self, own.epoch)
	if err != nil {
		return nil, err
	}
	s := &Setup{own: own, all: keys, roots: make([]mpc.Digest, own.n+1), early: make([][]byte, own.n+1)}
	for i := 1; i <= own.n; i++ {
		if root, ok := roots[i]; ok {
			s.from = s.from.With(i)
			s.roots[i] = root
		}
	}
	if s.from.Count() != len(roots) || s.from.Count() < own.n-own.t {
		return nil, fmt.Errorf("%w: %v", ErrContributions, s.from)
	}
	if s.from.Has(own.self) && s.roots[own.self] != own.Root() {
		return nil, fmt.Errorf("%w: the chain records another root for this party", ErrOpening)
	}
	s.commitments = make([][]*mpc.Digest, own.n+1)
	s.openings = make([][]*[OpeningSize]byte, own.n+1)
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

// Start sends the openings.
func (s *Setup) Start() ([]mpc.Message, error) {
	if !s.from.Has(s.own.self) {
		return s.derive()
	}
	list := s.own.commitments()
	s.commitments[s.own.self] = make([]*mpc.Digest, len(list))
	s.openings[s.own.self] = make([]*[OpeningSize]byte, len(list))
	for a := range list {
		h := mpc.Digest(list[a])
		s.commitments[s.own.self][a] = &h
		s.openings[s.own.self][a] = &s.own.openings[a]
	}
	s.opened = s.opened.With(s.own.self)
	var out []mpc.Message
	for j := 1; j <= s.own.n; j++ {
		if j == s.own.self {
			continue
		}
		payload := bytes.Join(list, nil)
		for _, a := range shared(s.own.sets, j) {
			payload = append(payload, s.own.openings[a][:]...)
		}
		out = append(out, mpc.Message{To: j, Round: roundOpenings, Payload: payload})
	}
	more, err := s.derive()
	return append(out, more...), err
}

// Receive takes an opening or a check.
func (s *Setup) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if from < 1 || from > s.own.n || from == s.own.self || !s.from.Has(from) {
		return nil, nil
	}
	switch round {
	case roundOpenings:
		if s.opened.Has(from) {
			return nil, nil
		}
		if err := s.takeOpenings(from, payload); err != nil {
			return nil, &mpc.CulpritError{Culprits: sharing.PartiesOf(from), Err: err}
		}
		return s.derive()
	case roundChecks:
		if s.early[from] == nil {
			s.early[from] = bytes.Clone(payload)
		}
		return nil, s.compare()
	}
	return nil, nil
}

// takeOpenings checks party i's list of commitments against its root, and each
// opening for the sets that both are in against its commitment.
func (s *Setup) takeOpenings(i int, payload []byte) error {
	theirs, err := newKeys(s.own.n, s.own.t, i, s.own.epoch)
	if err != nil {
		return err
	}
	common := shared(theirs.sets, s.own.self)
	if len(payload) != mpc.DigestSize*len(theirs.sets)+OpeningSize*len(common) {
		return fmt.Errorf("%w: %d bytes", ErrOpening, len(payload))
	}
	list := make([][]byte, len(theirs.sets))
	for a := range list {
		list[a], payload = payload[:mpc.DigestSize], payload[mpc.DigestSize:]
	}
	if merkle.Root(list) != s.roots[i] {
		return fmt.Errorf("%w: the list of commitments is not the one on the chain", ErrOpening)
	}
	commitments := make([]*mpc.Digest, len(s.own.sets))
	openings := make([]*[OpeningSize]byte, len(s.own.sets))
	// Both lists are in the order of Sets, so the common sets come in one order.
	mine := shared(s.own.sets, i)
	for x, a := range common {
		opening := [OpeningSize]byte(payload)
		payload = payload[OpeningSize:]
		h := commit(s.own.epoch, i, theirs.sets[a], &opening)
		if h != mpc.Digest(list[a]) {
			return fmt.Errorf("%w: set %v", ErrOpening, theirs.sets[a])
		}
		commitments[mine[x]], openings[mine[x]] = &h, &opening
	}
	s.commitments[i], s.openings[i] = commitments, openings
	s.opened = s.opened.With(i)
	return nil
}

// derive computes the keys once all contributions are open, and sends the checks.
func (s *Setup) derive() ([]mpc.Message, error) {
	if s.keys != nil || s.opened != s.from {
		return nil, nil
	}
	for a, set := range s.all.sets {
		var xor [KeySize]byte
		var list []byte
		for _, i := range s.from.List() {
			if !set.Has(i) {
				continue
			}
			for x := range xor {
				xor[x] ^= s.openings[i][a][x]
			}
			list = append(list, byte(i))
			list = append(list, s.commitments[i][a][:]...)
		}
		s.all.keys[a] = deriveKey(s.own.epoch, set, &xor, list)
		clear(xor[:])
	}
	s.keys = s.all
	if s.from.Has(s.own.self) {
		s.checked = s.checked.With(s.own.self)
	}
	var out []mpc.Message
	if s.from.Has(s.own.self) {
		for j := 1; j <= s.own.n; j++ {
			if j != s.own.self {
				out = append(out, mpc.Message{To: j, Round: roundChecks, Payload: s.checks(j)})
			}
		}
	}
	return out, s.compare()
}

// checks are H("check", r_A) for the sets shared with j.
func (s *Setup) checks(j int) []byte {
	var out []byte
	for _, a := range shared(s.keys.sets, j) {
		h := mpc.Hash("tkms/v1/prss/check", s.own.epoch[:], setBytes(s.keys.sets[a]), s.keys.keys[a][:])
		out = append(out, h[:]...)
	}
	return out
}

func (s *Setup) compare() error {
	if s.keys == nil {
		return nil
	}
	for _, j := range s.from.Without(s.checked).List() {
		if s.early[j] == nil {
			continue
		}
		if !bytes.Equal(s.early[j], s.checks(j)) {
			return &mpc.CulpritError{Culprits: sharing.PartiesOf(j), Err: ErrCheck}
		}
		s.checked = s.checked.With(j)
	}
	return nil
}

// String hides the keys.
func (s *Setup) String() string { return fmt.Sprintf("prss.Setup(party %d, redacted)", s.own.self) }

// GoString hides the keys.
func (s *Setup) GoString() string { return s.String() }

// Done reports whether all contributors hold the same keys.
func (s *Setup) Done() bool { return s.keys != nil && s.checked == s.from }

// Missing returns the contributors that are waited for.
func (s *Setup) Missing() sharing.Parties { return s.from.Without(s.opened & s.checked) }

// Keys returns the keys, nil before Done.
func (s *Setup) Keys() *Keys {
	if !s.Done() {
		return nil
	}
	return s.keys
}

// Transcript returns the digest of the set-up: epoch, n, t and the contributors'
// roots. It is the same at every party.
func (s *Setup) Transcript() mpc.Digest {
	roots := map[int]mpc.Digest{}
	for _, i := range s.from.List() {
		roots[i] = s.roots[i]
	}
	return TranscriptOf(s.own.epoch, s.own.n, s.own.t, roots)
}

// TranscriptOf is Transcript for the roots, by party, that the chain recorded.
func TranscriptOf(epoch mpc.Digest, n, t int, roots map[int]mpc.Digest) mpc.Digest {
	var listed []byte
	for i := 1; i <= n; i++ {
		if root, posted := roots[i]; posted {
			listed = append(listed, byte(i))
			listed = append(listed, root[:]...)
		}
	}
	return mpc.Hash("tkms/v1/prss/transcript", epoch[:], mpc.Uint64(uint64(n)), mpc.Uint64(uint64(t)), listed)
}
