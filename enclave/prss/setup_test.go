package prss_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// board is a set-up whose contributions are on the chain.
func board(t testing.TB, n int, epoch mpc.Digest, absent sharing.Parties) ([]*prss.Contribution, map[int]mpc.Digest) {
	t.Helper()
	random := mpctest.Random(9)
	contributions, roots := make([]*prss.Contribution, n+1), map[int]mpc.Digest{}
	for i := 1; i <= n; i++ {
		c, err := prss.NewContribution(random, epoch, i, n, sharing.Threshold(n))
		if err != nil {
			t.Fatal(err)
		}
		contributions[i] = c
		if !absent.Has(i) {
			roots[i] = c.Root()
		}
	}
	return contributions, roots
}

func newSetups(t testing.TB, contributions []*prss.Contribution, roots map[int]mpc.Digest) []*prss.Setup {
	t.Helper()
	out := make([]*prss.Setup, len(contributions))
	for i := 1; i < len(contributions); i++ {
		var err error
		if out[i], err = prss.NewSetup(contributions[i], roots); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// exchange runs the machines but those of silent parties.
func exchange[M mpc.Machine](t testing.TB, network *mpctest.Network, parties []M, silent sharing.Parties) map[int]error {
	t.Helper()
	machines := map[int]mpc.Machine{}
	for i := 1; i < len(parties); i++ {
		if !silent.Has(i) {
			machines[i] = parties[i]
		}
	}
	return network.Run(machines, len(parties)-1)
}

// requireKeys demands that the parties hold keys of one transcript that draw
// sharings together, and that a comparison among them ends.
func requireKeys(t testing.TB, setups []*prss.Setup, among sharing.Parties) {
	t.Helper()
	n := len(setups) - 1
	code, err := sharing.New(n, sharing.Threshold(n), 4)
	if err != nil {
		t.Fatal(err)
	}
	vectors := make([][]uint64, n+1)
	comparisons := make([]*prss.Comparison, n+1)
	first := among.List()[0]
	for _, i := range among.List() {
		keys := setups[i].Keys()
		if keys == nil || !setups[i].Done() {
			t.Fatalf("party %d has no keys: %v", i, setups[i].Grievances())
		}
		if keys.Transcript() != setups[first].Keys().Transcript() || keys.Transcript() != setups[i].Transcript() {
			t.Fatalf("party %d has another transcript", i)
		}
		source, err := prss.NewSource(keys, code, mpctest.Epoch)
		if err != nil {
			t.Fatal(err)
		}
		vectors[i] = make([]uint64, 4*8)
		if err := source.Draw(prss.Address{Kind: "test", K: 64}, prss.Vectors{Elements: vectors[i : i+1]}); err != nil {
			t.Fatal(err)
		}
		comparisons[i] = prss.NewComparison(keys)
	}
	if i := code.OpenAll(make([]uint64, 4*8), code.T(), among, vectors, 64); i >= 0 {
		t.Fatalf("draw %d is no sharing: the parties hold different keys", i)
	}
	silent := sharing.AllParties(n).Without(among)
	if err := mpctest.FirstError(exchange(t, &mpctest.Network{}, comparisons, silent)); err != nil {
		t.Fatal(err)
	}
	for _, i := range among.List() {
		if !comparisons[i].Done() || comparisons[i].Culprits() != 0 {
			t.Fatalf("party %d: done=%v, culprits %v", i, comparisons[i].Done(), comparisons[i].Culprits())
		}
	}
}

func TestAllCommitteesGetKeys(t *testing.T) {
	for _, n := range []int{1, 4, 7, 10, 13} {
		contributions, roots := board(t, n, mpctest.Epoch, 0)
		setups := newSetups(t, contributions, roots)
		network := mpctest.Network{Seed: uint64(n)}
		if err := mpctest.FirstError(exchange(t, &network, setups, 0)); err != nil {
			t.Fatal(err)
		}
		if n > 1 && network.Rounds != 1 {
			t.Errorf("%d rounds", network.Rounds)
		}
		requireKeys(t, setups, sharing.AllParties(n))
	}
}

func TestPartiesWithoutARootStillGetTheSameKeys(t *testing.T) {
	for _, n := range []int{4, 7} {
		contributions, roots := board(t, n, mpctest.Epoch, sharing.PartiesOf(2))
		for seed := range uint64(5) {
			setups := newSetups(t, contributions, roots)
			if err := mpctest.FirstError(exchange(t, &mpctest.Network{Seed: seed}, setups, 0)); err != nil {
				t.Fatal(err)
			}
			requireKeys(t, setups, sharing.AllParties(n))
		}
	}
}

func TestTooFewContributionsFail(t *testing.T) {
	contributions, roots := board(t, 4, mpctest.Epoch, sharing.PartiesOf(2, 3))
	if _, err := prss.NewSetup(contributions[1], roots); !errors.Is(err, prss.ErrContributions) {
		t.Error(err)
	}
	contributions, roots = board(t, 4, mpctest.Epoch, 0)
	roots[9] = mpc.Digest{}
	if _, err := prss.NewSetup(contributions[1], roots); !errors.Is(err, prss.ErrContributions) {
		t.Error(err)
	}
	contributions, roots = board(t, 4, mpctest.Epoch, 0)
	roots[1] = mpc.Digest{}
	if _, err := prss.NewSetup(contributions[1], roots); !errors.Is(err, prss.ErrOpening) {
		t.Error(err)
	}
}

func TestAlteredOpeningsAreMissedAndTheOthersOfTheMessageTaken(t *testing.T) {
	// Parties 1 and 3 are in the sets {1,2,3}, {1,3,4} and that of all, which are 0,
	// 1 and 3 of party 3's: 4 commitments, then 3 openings.
	const list = 4 * 32
	for name, c := range map[string]struct {
		alter func([]byte) []byte
		want  []int
	}{
		"first commitment":      {func(b []byte) []byte { b[0] ^= 1; return b }, []int{0, 1, 3}},
		"commitment not shared": {func(b []byte) []byte { b[2*32] ^= 4; return b }, []int{0, 1, 3}},
		"first opening":         {func(b []byte) []byte { b[list] ^= 1; return b }, []int{0}},
		"second salt":           {func(b []byte) []byte { b[list+64+63] ^= 1; return b }, []int{1}},
		"last byte":             {func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, []int{3}},
		"first and last":        {func(b []byte) []byte { b[list] ^= 1; b[len(b)-1] ^= 1; return b }, []int{0, 3}},
		"swapped": {func(b []byte) []byte {
			return slices.Concat(b[:list], b[list+64:list+128], b[list:list+64], b[list+128:])
		}, []int{0, 1}},
		"one short": {func(b []byte) []byte { return b[:len(b)-1] }, []int{0, 1, 3}},
		"one long":  {func(b []byte) []byte { return append(b, 0) }, []int{0, 1, 3}},
		"empty":     {func([]byte) []byte { return []byte{} }, []int{0, 1, 3}},
	} {
		contributions, roots := board(t, 4, mpctest.Epoch, 0)
		setups := newSetups(t, contributions, roots)
		network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
			if e.From == 3 && e.To == 1 {
				e.Payload = c.alter(e.Payload)
			}
			return []mpctest.Envelope{e}
		}}
		if err := mpctest.FirstError(exchange(t, &network, setups, 0)); err != nil {
			t.Fatal(err)
		}
		if got := setups[1].Grievances(); len(got) != 1 || !slices.Equal(got[3], c.want) {
			t.Errorf("%s: %v", name, got)
		}
		if s := setups[1]; s.Wrong() != sharing.PartiesOf(3) || s.Missing() != sharing.PartiesOf(3) || s.Done() || s.Keys() != nil {
			t.Errorf("%s: wrong %v, missing %v, done=%v", name, s.Wrong(), s.Missing(), s.Done())
		}
		// A right message afterwards is as good as one in time.
		out, err := setups[3].Start()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := setups[1].Receive(3, 0, out[0].Payload); err != nil || out[0].To != 1 {
			t.Fatal(err)
		}
		requireKeys(t, setups, sharing.AllParties(4))
	}
}

func TestASilentContributorIsMissed(t *testing.T) {
	contributions, roots := board(t, 4, mpctest.Epoch, 0)
	setups := newSetups(t, contributions, roots)
	if err := mpctest.FirstError(exchange(t, &mpctest.Network{}, setups, sharing.PartiesOf(2))); err != nil {
		t.Fatal(err)
	}
	if s := setups[1]; s.Done() || s.Keys() != nil || s.Missing() != sharing.PartiesOf(2) || s.Wrong() != 0 {
		t.Errorf("done=%v, missing %v, wrong %v", s.Done(), s.Missing(), s.Wrong())
	}
}

func TestAnAnswerIsTakenOnlyUnderTheRoot(t *testing.T) {
	contributions, roots := board(t, 4, mpctest.Epoch, 0)
	setups := newSetups(t, contributions, roots)
	other, err := prss.NewContribution(mpctest.Random(10), mpctest.Epoch, 2, 4, 1)
	if err != nil {
		t.Fatal(err)
	}
	s := setups[1]
	_, path, opening := contributions[2].Answer(0)
	_, otherPath, otherOpening := other.Answer(0)
	for name, err := range map[string]error{
		"another contribution":         s.Supply(2, 0, otherOpening, otherPath),
		"its opening under this path":  s.Supply(2, 0, otherOpening, path),
		"another set":                  s.Supply(2, 1, opening, path),
		"another contributor":          s.Supply(3, 0, opening, path),
		"nobody":                       s.Supply(0, 0, opening, path),
		"somebody beyond":              s.Supply(5, 0, opening, path),
		"a set without this party":     s.Supply(2, 2, opening, path),
		"a set that there is not":      s.Supply(2, 9, opening, path),
		"a short opening":              s.Supply(2, 0, opening[1:], path),
		"a path that is too long":      s.Supply(2, 0, opening, append(slices.Clone(path), merkle.Hash{})),
		"the commitment not its value": s.Supply(2, 0, make([]byte, prss.OpeningSize), path),
	} {
		if !errors.Is(err, prss.ErrOpening) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := s.Grievances()[2]; len(got) != 3 {
		t.Errorf("missing of party 2: %v", got)
	}
	if err := s.Supply(2, 0, opening, path); err != nil {
		t.Fatal(err)
	}
	if got := s.Grievances()[2]; len(got) != 2 || slices.Contains(got, 0) {
		t.Errorf("missing of party 2: %v", got)
	}
}

func TestADroppedContributionIsInNobodysKeysWhoeverHasIt(t *testing.T) {
	contributions, roots := board(t, 4, mpctest.Epoch, 0)
	setups := newSetups(t, contributions, roots)
	network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if e.From == 4 && e.To == 1 {
			return nil
		}
		return []mpctest.Envelope{e}
	}}
	if err := mpctest.FirstError(exchange(t, &network, setups, 0)); err != nil {
		t.Fatal(err)
	}
	before := setups[2].Keys()
	dropped := map[int][]int{4: setups[1].Grievances()[4]}
	for i := 1; i <= 4; i++ {
		if err := setups[i].Drop(dropped); err != nil {
			t.Fatal(err)
		}
	}
	requireKeys(t, setups, sharing.AllParties(4))
	after := setups[2].Keys()
	if after.Transcript() == before.Transcript() || after.Transcript() != prss.TranscriptOf(mpctest.Epoch, 4, 1, roots, dropped) {
		t.Error("the transcript does not say what was dropped")
	}
	x, _ := before.MarshalBinary()
	y, _ := after.MarshalBinary()
	if sameKeys(x, y) {
		t.Error("the dropped contribution is still in the keys")
	}
	// Everything of party 2 as well: it still gets keys.
	everything := []int{0, 1, 2, 3}
	for i := 1; i <= 4; i++ {
		if err := setups[i].Drop(map[int][]int{2: everything}); err != nil {
			t.Fatal(err)
		}
	}
	requireKeys(t, setups, sharing.PartiesOf(2, 3, 4))
}

// sameKeys compares encoded keys without header and transcript.
func sameKeys(a, b []byte) bool { return slices.Equal(a[36+32:], b[36+32:]) }

func TestADroppedListThatCannotBeIsRefused(t *testing.T) {
	contributions, roots := board(t, 4, mpctest.Epoch, sharing.PartiesOf(3))
	s := newSetups(t, contributions, roots)[1]
	before := s.Transcript()
	for name, dropped := range map[string]map[int][]int{
		"no contributor":          {3: {0}},
		"nobody":                  {0: {0}},
		"somebody beyond":         {5: {0}},
		"a set that there is not": {2: {4}},
		"a negative set":          {2: {-1}},
		"twice":                   {2: {0, 0}},
		"descending":              {2: {1, 0}},
		// Without party 3's root, t+1 contribute to {1,2,3}.
		"fewer than t+1 left": {2: {0}},
	} {
		if err := s.Drop(dropped); !errors.Is(err, prss.ErrContributions) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.Transcript() != before {
		t.Error("a refused list changed the set-up")
	}
	if err := s.Drop(map[int][]int{2: {3}}); err != nil || s.Transcript() == before {
		t.Errorf("%v", err)
	}
	if err := s.Drop(nil); err != nil || s.Transcript() != before {
		t.Errorf("%v", err)
	}
}

func TestTranscriptsTellApartWhatWasDropped(t *testing.T) {
	roots := map[int]mpc.Digest{1: {1}, 2: {2}, 3: {3}}
	seen := map[mpc.Digest]int{}
	for i, dropped := range []map[int][]int{nil, {1: {0}}, {1: {1}}, {2: {0}}, {1: {0, 1}}, {1: {0}, 2: {1}}, {1: {1}, 2: {0}}} {
		d := prss.TranscriptOf(mpctest.Epoch, 4, 1, roots, dropped)
		if j, twice := seen[d]; twice {
			t.Errorf("lists %d and %d look alike", i, j)
		}
		seen[d] = i
	}
	if prss.TranscriptOf(mpctest.Epoch, 4, 1, roots, nil) != prss.TranscriptOf(mpctest.Epoch, 4, 1, maps.Clone(roots), map[int][]int{}) {
		t.Error("no list is not the empty one")
	}
}

func TestARestartedPartyHasTheOpeningsThatItHad(t *testing.T) {
	contributions, roots := board(t, 4, mpctest.Epoch, 0)
	setups := newSetups(t, contributions, roots)
	network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if e.From == 3 && e.To == 1 {
			e.Payload[len(e.Payload)-1] ^= 1
		}
		return []mpctest.Envelope{e}
	}}
	if err := mpctest.FirstError(exchange(t, &network, setups, sharing.PartiesOf(4))); err != nil {
		t.Fatal(err)
	}
	raw := setups[1].Openings()
	want := setups[1].Grievances()
	again := newSetups(t, contributions, roots)[1]
	if err := again.Restore(raw); err != nil {
		t.Fatal(err)
	}
	if got := again.Grievances(); !maps.EqualFunc(got, want, slices.Equal) || len(got) != 2 || len(got[3]) != 1 {
		t.Errorf("missing %v, before %v", got, want)
	}
	if !slices.Equal(again.Openings(), raw) {
		t.Error("two encodings")
	}
	for name, malformed := range map[string][]byte{
		"empty": nil, "short": raw[:len(raw)-1], "long": append(slices.Clone(raw), 0), "header only": raw[:36],
		"another version": append([]byte{9}, raw[1:]...), "another party": slices.Concat(raw[:3], []byte{2}, raw[4:]),
		"another epoch": slices.Concat(raw[:4], []byte{raw[4] ^ 1}, raw[5:]), "another flag": slices.Concat(raw[:36], []byte{2}, raw[37:]),
	} {
		fresh := newSetups(t, contributions, roots)[1]
		if err := fresh.Restore(malformed); !errors.Is(err, prss.ErrEncoding) || !slices.Equal(fresh.Openings(), newSetups(t, contributions, roots)[1].Openings()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if setups[1].Zero(); slices.Equal(setups[1].Openings(), raw) {
		t.Error("not erased")
	}
	if s := fmt.Sprintf("%v %#v", setups[1], setups[1]); len(s) > 80 {
		t.Errorf("shows %q", s)
	}
}
