package prss_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// court is the chain's part in a set-up: what it does with complaints, answers and
// revealed keys. Positions are in the accused's list.
type court struct {
	t       testing.TB
	n       int
	roots   map[int]mpc.Digest
	dropped map[int][]int
	guilty  sharing.Parties
}

// answer is what the chain has of an answered set.
type answer struct {
	commitment []byte
	path       []merkle.Hash
	sealed     []byte
}

func (c *court) drop(accused int, sets []int) {
	c.dropped[accused] = slices.Compact(slices.Sorted(slices.Values(append(c.dropped[accused], sets...))))
}

// inForm reports whether answers, one a set, stand under the accused's root.
func (c *court) inForm(accused int, sets []int, answers []answer) bool {
	mine, err := prss.SetsOf(c.n, sharing.Threshold(c.n), accused)
	if err != nil {
		c.t.Fatal(err)
	}
	for i, a := range answers {
		if len(a.sealed) != prss.SealedSize || !merkle.Verify(c.roots[accused], a.commitment, sets[i], len(mine), a.path) {
			return false
		}
	}
	return len(answers) == len(sets)
}

// judge decides on a revealed key.
func (c *court) judge(private []byte, accuser, accused int, sets []int, answers []answer) {
	mine, err := prss.SetsOf(c.n, sharing.Threshold(c.n), accused)
	if err != nil {
		c.t.Fatal(err)
	}
	for i, set := range sets {
		context := prss.AnswerContext{Setup: mpctest.Epoch, Accused: accused, Accuser: accuser, Set: set}
		opening, err := prss.OpenAnswer(private, context, answers[i].sealed)
		if err != nil || !prss.CheckOpening(mpctest.Epoch, accused, mine[set], opening, answers[i].commitment) {
			c.guilty = c.guilty.With(accused)
			c.drop(accused, sets)
			return
		}
	}
	c.guilty = c.guilty.With(accuser)
}

// cheat is one way to cheat in a set-up.
type cheat struct {
	// send alters the openings that a cheat sends; nil sends them right.
	send func(s *scene, e mpctest.Envelope) []mpctest.Envelope
	late bool
	// reply is its answer to a complaint; nil is none.
	reply func(s *scene, accused, accuser, set int, recipient []byte) answer
	// accuses says that it complains about party 1, which it has the openings of.
	accuses bool
	guilty  bool
	dropped bool
}

// scene is one set-up with cheats.
type scene struct {
	t             testing.TB
	contributions []*prss.Contribution
	other         []*prss.Contribution // of the same epoch, under other roots
	otherRoots    map[int]mpc.Digest
	earlier       []*prss.Setup // the same parties in another epoch
	setups        []*prss.Setup
}

func (s *scene) seal(c *prss.Contribution, context prss.AnswerContext, recipient []byte, spoil func([]byte)) answer {
	commitment, path, opening := c.Answer(context.Set)
	if spoil != nil {
		spoil(opening)
	}
	sealed, err := prss.SealOpening(nil, recipient, context, opening)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{commitment, path, sealed}
}

func honestReply(s *scene, accused, accuser, set int, recipient []byte) answer {
	return s.seal(s.contributions[accused], prss.AnswerContext{Setup: mpctest.Epoch, Accused: accused, Accuser: accuser, Set: set}, recipient, nil)
}

func flipLast(b []byte) { b[len(b)-1] ^= 1 }

// messageFrom returns what a contributor with this machine sends to a party.
func messageFrom(s *prss.Setup, to int) []byte {
	out, _ := s.Start()
	for _, m := range out {
		if m.To == to {
			return m.Payload
		}
	}
	return nil
}

func cheats() map[string]cheat {
	altered := func(to func(int) bool, alter func(s *scene, e *mpctest.Envelope)) func(*scene, mpctest.Envelope) []mpctest.Envelope {
		return func(s *scene, e mpctest.Envelope) []mpctest.Envelope {
			if to(e.To) {
				alter(s, &e)
			}
			return []mpctest.Envelope{e}
		}
	}
	one, all := func(to int) bool { return to == 1 }, func(int) bool { return true }
	wrong := func(_ *scene, e *mpctest.Envelope) { flipLast(e.Payload) }
	silent := func(*scene, mpctest.Envelope) []mpctest.Envelope { return nil }
	wrongReply := func(s *scene, accused, accuser, set int, recipient []byte) answer {
		return s.seal(s.contributions[accused], prss.AnswerContext{Setup: mpctest.Epoch, Accused: accused, Accuser: accuser, Set: set}, recipient, flipLast)
	}
	anotherRoot := func(s *scene, accused, accuser, set int, recipient []byte) answer {
		return s.seal(s.other[accused], prss.AnswerContext{Setup: mpctest.Epoch, Accused: accused, Accuser: accuser, Set: set}, recipient, nil)
	}
	return map[string]cheat{
		"wrong to one, right when asked": {send: altered(one, wrong), reply: honestReply},
		"wrong to one, and when asked":   {send: altered(one, wrong), reply: wrongReply, guilty: true, dropped: true},
		"wrong to one, no answer":        {send: altered(one, wrong), dropped: true},
		"wrong to all, and when asked":   {send: altered(all, wrong), reply: wrongReply, guilty: true, dropped: true},
		"silent":                         {send: silent, dropped: true},
		"silent, right when asked":       {send: silent, reply: honestReply},
		"silent, garbage when asked": {send: silent, guilty: true, dropped: true, reply: func(s *scene, accused, accuser, set int, recipient []byte) answer {
			a := honestReply(s, accused, accuser, set, recipient)
			a.sealed = make([]byte, prss.SealedSize)
			return a
		}},
		"silent, an answer to another when asked": {send: silent, guilty: true, dropped: true, reply: func(s *scene, accused, accuser, set int, recipient []byte) answer {
			return s.seal(s.contributions[accused], prss.AnswerContext{Setup: mpctest.Epoch, Accused: accused, Accuser: accuser + 1, Set: set}, recipient, nil)
		}},
		"late": {late: true},
		"another list to one": {send: altered(one, func(s *scene, e *mpctest.Envelope) {
			e.Payload = messageFrom(newSetups(s.t, s.other, s.otherRoots)[e.From], e.To)
		}), reply: anotherRoot, dropped: true},
		"garbage":                       {send: altered(all, func(_ *scene, e *mpctest.Envelope) { e.Payload = bytes.Repeat([]byte{7}, len(e.Payload)) }), dropped: true},
		"replayed from another attempt": {send: altered(all, func(s *scene, e *mpctest.Envelope) { e.Payload = messageFrom(s.earlier[e.From], e.To) }), reply: wrongReply, guilty: true, dropped: true},
		"good for some sets": {send: altered(all, func(_ *scene, e *mpctest.Envelope) {
			e.Payload[len(e.Payload)-2*prss.OpeningSize] ^= 1
		}), reply: wrongReply, guilty: true, dropped: true},
		"a false complaint": {accuses: true, guilty: true},
	}
}

// play runs a set-up in which the last parties cheat, and returns the verdict.
func play(t *testing.T, n int, seed uint64, how map[int]cheat) (*scene, *court) {
	contributions, roots := board(t, n, mpctest.Epoch, 0)
	earlier, earlierRoots := board(t, n, mpc.Hash("another attempt"), 0)
	s := &scene{
		t: t, contributions: contributions, setups: newSetups(t, contributions, roots), earlier: newSetups(t, earlier, earlierRoots),
		other: make([]*prss.Contribution, n+1), otherRoots: map[int]mpc.Digest{},
	}
	random := mpctest.Random(seed)
	for i := 1; i <= n; i++ {
		var err error
		if s.other[i], err = prss.NewContribution(random, mpctest.Epoch, i, n, sharing.Threshold(n)); err != nil {
			t.Fatal(err)
		}
		s.otherRoots[i] = s.other[i].Root()
	}
	var cheaters sharing.Parties
	for i := range how {
		cheaters = cheaters.With(i)
	}
	network := mpctest.Network{
		Seed: seed,
		Late: func(e mpctest.Envelope) bool { return how[e.From].late },
		Tap: func(e mpctest.Envelope) []mpctest.Envelope {
			if c := how[e.From]; c.send != nil {
				return c.send(s, e)
			}
			return []mpctest.Envelope{e}
		},
	}
	if err := mpctest.FirstError(exchange(t, &network, s.setups, 0)); err != nil {
		t.Fatal(err)
	}
	chain := &court{t: t, n: n, roots: roots, dropped: map[int][]int{}}
	for accuser := 1; accuser <= n; accuser++ {
		grievances := s.setups[accuser].Grievances()
		if how[accuser].accuses {
			grievances = map[int][]int{1: {0}}
		}
		for accused := 1; accused <= n; accused++ {
			if sets := grievances[accused]; len(sets) > 0 {
				if !cheaters.Has(accused) && !cheaters.Has(accuser) {
					t.Fatalf("party %d complains about honest party %d", accuser, accused)
				}
				complain(t, s, chain, accuser, accused, sets, how)
			}
		}
	}
	for i := 1; i <= n; i++ {
		if err := s.setups[i].Drop(chain.dropped); err != nil {
			t.Fatalf("party %d: %v", i, err)
		}
	}
	return s, chain
}

// complain plays one complaint to its end.
func complain(t *testing.T, s *scene, chain *court, accuser, accused int, sets []int, how map[int]cheat) {
	private, public, err := prss.NewComplaintKey(mpctest.Random(uint64(100*accuser + accused)))
	if err != nil {
		t.Fatal(err)
	}
	reply := honestReply
	if c, cheats := how[accused]; cheats {
		reply = c.reply
	}
	var answers []answer
	for _, set := range sets {
		if reply != nil {
			answers = append(answers, reply(s, accused, accuser, set, public))
		}
	}
	if !chain.inForm(accused, sets, answers) {
		chain.drop(accused, sets)
		return
	}
	reveals := how[accuser].accuses
	for i, set := range sets {
		opening, err := prss.OpenAnswer(private, prss.AnswerContext{Setup: mpctest.Epoch, Accused: accused, Accuser: accuser, Set: set}, answers[i].sealed)
		if err != nil || s.setups[accuser].Supply(accused, set, opening, answers[i].path) != nil {
			reveals = true
		}
	}
	if reveals {
		chain.judge(private, accuser, accused, sets, answers)
	}
}

func TestASetupSurvivesEveryCheatAndConvictsTheRightOnes(t *testing.T) {
	for _, n := range []int{4, 7} {
		for name, c := range cheats() {
			for count := 1; count <= sharing.Threshold(n); count++ {
				t.Run(fmt.Sprintf("n=%d, %d, %s", n, count, name), func(t *testing.T) {
					how := map[int]cheat{}
					for i := range count {
						how[n-i] = c
					}
					s, chain := play(t, n, uint64(n), how)
					requireVerdict(t, s, chain, n, how)
				})
			}
		}
	}
}

func TestASetupSurvivesTDifferentCheatsAtOnce(t *testing.T) {
	all := cheats()
	for first, a := range all {
		for second, b := range all {
			how := map[int]cheat{3: a, 7: b}
			t.Run(first+" and "+second, func(t *testing.T) {
				s, chain := play(t, 7, 5, how)
				requireVerdict(t, s, chain, 7, how)
			})
		}
	}
}

// requireVerdict demands that the guilty and nobody else are convicted, that
// contributions of cheaters alone are dropped, and that all honest parties hold
// the same keys.
func requireVerdict(t *testing.T, s *scene, chain *court, n int, how map[int]cheat) {
	t.Helper()
	honest := sharing.AllParties(n)
	var guilty, dropped sharing.Parties
	for i, c := range how {
		honest = honest.Without(sharing.PartiesOf(i))
		if c.guilty {
			guilty = guilty.With(i)
		}
		if c.dropped {
			dropped = dropped.With(i)
		}
	}
	if chain.guilty != guilty {
		t.Errorf("convicted %v, guilty are %v", chain.guilty, guilty)
	}
	var without sharing.Parties
	for i := range chain.dropped {
		without = without.With(i)
	}
	if without != dropped {
		t.Errorf("dropped some of %v, not of %v", without, dropped)
	}
	requireKeys(t, s.setups, honest)
}
