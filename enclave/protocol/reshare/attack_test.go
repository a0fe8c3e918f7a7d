package reshare_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// segments is the number of secrets of the test set, rounds of each half.
var segments = len(tfhe.Test().Secrets())

func TestWhateverOneMemberOfEitherCommitteeDoesTheSecretsArrive(t *testing.T) {
	items := testItems(tfhe.NameTest)
	// In every case old member 2 is party 2 and new member 3 is party 7, at union index 3.
	const oldWire, newWire = 6, 3
	vector := func(e mpctest.Envelope) bool { return e.From == oldWire && int(e.Round) >= segments }
	masks := func(e mpctest.Envelope) bool { return e.From == newWire && int(e.Round) < segments }
	only := func(e mpctest.Envelope, out ...mpctest.Envelope) []mpctest.Envelope { return out }
	for name, c := range map[string]struct {
		prepare  func(w *world)
		wrong    []int           // old members, found by all
		masks    sharing.Parties // new members, known to some old one
		syndrome sharing.Parties // new members, known to some new one
		unused   []int           // old members whose vectors are not
	}{
		"all honest":              {},
		"old wrong in one":        {prepare: func(w *world) { w.shares[2] = w.altered(2, 0, tfhe.SecretCompute, 17) }, wrong: []int{2}},
		"old wrong in one of 128": {prepare: func(w *world) { w.shares[2] = w.altered(2, 0, tfhe.SecretSquashing, 511) }, wrong: []int{2}},
		"old wrong in all":        {prepare: func(w *world) { w.shares[2] = w.altered(2, 0, tfhe.SecretCompute) }, wrong: []int{2}},
		"old wrong in all of 128": {prepare: func(w *world) { w.shares[2] = w.altered(2, 0, tfhe.SecretSmall) }, wrong: []int{2}},
		"the first old wrong":     {prepare: func(w *world) { w.shares[1] = w.altered(1, 0, tfhe.SecretPKE, 0, 1) }, wrong: []int{1}},
		"the last old wrong":      {prepare: func(w *world) { w.shares[4] = w.altered(4, 0, tfhe.SecretPKE, 255) }, wrong: []int{4}},
		"old silent":              {prepare: func(w *world) { w.silent = []string{"party 2"} }, unused: []int{2}},
		"old late":                {prepare: func(w *world) { w.network.Late = vector }},
		"old wrong to one":        {prepare: func(w *world) { w.tap(func(e mpctest.Envelope) bool { return vector(e) && e.To == 4 }, 1) }},
		"old wrong to all":        {prepare: func(w *world) { w.tap(vector, 1) }, unused: []int{2}},
		"old different to each":   {prepare: func(w *world) { w.tapEach(vector) }, unused: []int{2}},
		"old garbage":             {prepare: func(w *world) { w.cut(vector) }, unused: []int{2}},
		"new with wrong masks":    {prepare: func(w *world) { w.tapEach(masks) }, masks: sharing.PartiesOf(3)},
		"new with one wrong mask": {prepare: func(w *world) { w.tap(func(e mpctest.Envelope) bool { return masks(e) && e.Round == 4 }, 1) }, masks: sharing.PartiesOf(3)},
		"new wrong to one old":    {prepare: func(w *world) { w.tap(func(e mpctest.Envelope) bool { return masks(e) && e.To == 6 }, 1) }, masks: sharing.PartiesOf(3)},
		"new with garbage masks":  {prepare: func(w *world) { w.cut(masks) }, masks: sharing.PartiesOf(3)},
		"new with late masks":     {prepare: func(w *world) { w.network.Late = masks }},
		"new with late bad masks": {prepare: func(w *world) { w.tap(masks, 1); w.network.Late = masks }, masks: sharing.PartiesOf(3)},
		"new silent":              {prepare: func(w *world) { w.silent = []string{"party 7"} }},
		"new wrong syndrome":      {prepare: func(w *world) { w.tapSecond(1) }, syndrome: sharing.PartiesOf(3)},
		"new garbage syndrome": {prepare: func(w *world) {
			w.second.Tap = func(e mpctest.Envelope) []mpctest.Envelope { return only(e, shorten(e, 3)) }
		}, syndrome: sharing.PartiesOf(3)},
		"new late wrong syndrome": {prepare: func(w *world) { w.tapSecond(1); w.second.Late = fromThree }, syndrome: sharing.PartiesOf(3)},
		"new late syndrome":       {prepare: func(w *world) { w.second.Late = fromThree }},
		"new syndrome to some": {prepare: func(w *world) {
			w.second.Tap = func(e mpctest.Envelope) []mpctest.Envelope { return keep(e, !fromThree(e) || e.To == 1) }
		}},
		"everything twice": {prepare: func(w *world) { w.network.Tap, w.second.Tap = twice, twice }},
		"a wrong one on top later": {prepare: func(w *world) {
			w.network.Tap, w.second.Tap = wrongAfter, wrongAfter
			w.network.InOrder, w.second.InOrder = true, true
		}},
		"one of each": {prepare: func(w *world) { w.shares[2] = w.altered(2, 0, tfhe.SecretOPRF); w.tapEach(masks); w.tapSecond(1) }, wrong: []int{2}, masks: sharing.PartiesOf(3), syndrome: sharing.PartiesOf(3)},
	} {
		t.Run(name, func(t *testing.T) {
			old, next := newCommittee(t, 4, 1), newCommittee(t, 4, 5)
			shares := deal(t, old, items, 8)
			secrets := open(t, old, items, shares)
			w := newWorld(t, old, next, shares, items)
			if c.prepare != nil {
				c.prepare(w)
			}
			w.run()
			w.check(secrets, c.wrong...)
			var inMasks, inSyndrome sharing.Parties
			for _, h := range w.handovers {
				inMasks |= h.Culprits()
			}
			for _, m := range w.conclusions {
				inSyndrome |= m.Culprits()
			}
			require.Equal(t, c.masks, inMasks)
			require.Equal(t, c.syndrome, inSyndrome)
			want := sharing.AllParties(4).Without(sharing.PartiesOf(c.unused...))
			require.Equal(t, want.List(), slices.Sorted(maps.Keys(w.vectors)))
		})
	}
}

func fromThree(e mpctest.Envelope) bool { return e.From == 3 }

func keep(e mpctest.Envelope, which bool) []mpctest.Envelope {
	if which {
		return []mpctest.Envelope{e}
	}
	return nil
}

func twice(e mpctest.Envelope) []mpctest.Envelope {
	again := e
	again.Payload = slices.Clone(e.Payload)
	return []mpctest.Envelope{e, again}
}

func wrongAfter(e mpctest.Envelope) []mpctest.Envelope {
	both := twice(e)
	both[1] = alter(both[1], 1)
	return both
}

func shorten(e mpctest.Envelope, from int) mpctest.Envelope {
	if e.From == from {
		e.Payload = e.Payload[:len(e.Payload)-1]
	}
	return e
}

// tap changes messages of the handover, all in the same way.
func (w *world) tap(which func(mpctest.Envelope) bool, by uint64) {
	w.network.Tap = func(e mpctest.Envelope) []mpctest.Envelope {
		if which(e) {
			e = alter(e, by)
		}
		return []mpctest.Envelope{e}
	}
}

// tapEach changes messages of the handover, each receiver's in another way.
func (w *world) tapEach(which func(mpctest.Envelope) bool) {
	w.network.Tap = func(e mpctest.Envelope) []mpctest.Envelope {
		if which(e) {
			e = alter(e, uint64(e.To))
		}
		return []mpctest.Envelope{e}
	}
}

// cut shortens messages of the handover.
func (w *world) cut(which func(mpctest.Envelope) bool) {
	w.network.Tap = func(e mpctest.Envelope) []mpctest.Envelope {
		if which(e) {
			e = shorten(e, e.From)
		}
		return []mpctest.Envelope{e}
	}
}

// tapSecond changes what new member 3 sends in the conclusion.
func (w *world) tapSecond(by uint64) {
	w.second.Tap = func(e mpctest.Envelope) []mpctest.Envelope {
		if fromThree(e) {
			e = alter(e, by)
		}
		return []mpctest.Envelope{e}
	}
}

func TestThresholdManyOfBothCommitteesCheatAtOnce(t *testing.T) {
	items := testItems(tfhe.NameTest)
	old, next := newCommittee(t, 7, 1), newCommittee(t, 7, 1)
	shares := deal(t, old, items, 9)
	secrets := open(t, old, items, shares)
	w := newWorld(t, old, next, shares, items)
	w.shares[1] = w.altered(1, 0, tfhe.SecretCompute)
	w.shares[5] = w.altered(5, 0, tfhe.SecretSquashing, 0, 7)
	w.tapEach(func(e mpctest.Envelope) bool { return (e.From == 1 || e.From == 5) && int(e.Round) < segments })
	w.second.Tap = func(e mpctest.Envelope) []mpctest.Envelope {
		if e.From == 1 {
			e = alter(e, uint64(e.To))
		}
		return keep(e, e.From != 5)
	}
	w.run()
	w.check(secrets, 1, 5)
	for _, h := range w.handovers {
		require.Zero(t, h.Culprits().Without(sharing.PartiesOf(1, 5)))
	}
	require.Equal(t, sharing.PartiesOf(1, 5), w.handovers[3].Culprits())
	require.Equal(t, sharing.PartiesOf(1), w.conclusions[2].Culprits())
	require.Equal(t, sharing.PartiesOf(5), w.conclusions[2].Missing())
}

func TestOneAbsentAndOneWrongOfSevenAreCorrectedTogether(t *testing.T) {
	items := testItems(tfhe.NameTest)
	old, next := newCommittee(t, 7, 1), newCommittee(t, 4, 8)
	shares := deal(t, old, items, 10)
	secrets := open(t, old, items, shares)
	w := newWorld(t, old, next, shares, items)
	w.silent = []string{"party 1"}
	w.shares[4] = w.altered(4, 0, tfhe.SecretCompute)
	w.run()
	w.check(secrets, 4)
}

func TestMoreThanCanBeCorrectedGivesAnErrorThatNamesWhatIsKnown(t *testing.T) {
	items := testItems(tfhe.NameTest)
	for name, c := range map[string]struct {
		n       int
		prepare func(w *world)
		secret  tfhe.Secret
		wrong   sharing.Parties
	}{
		"two of four": {4, func(w *world) {
			w.shares[1], w.shares[2] = w.altered(1, 0, tfhe.SecretSmall, 3), w.altered(2, 0, tfhe.SecretSmall, 3)
		}, tfhe.SecretSmall, 0},
		"one of four with one absent": {4, func(w *world) {
			w.silent = []string{"party 3"}
			w.shares[2] = w.altered(2, 0, tfhe.SecretOPRF, 3)
		}, tfhe.SecretOPRF, 0},
		"two of seven with one absent": {7, func(w *world) {
			w.silent = []string{"party 7"}
			w.shares[1], w.shares[2] = w.altered(1, 0, tfhe.SecretPKE, 9), w.altered(2, 0, tfhe.SecretCompression, 2)
			second := w.altered(1, 0, tfhe.SecretCompression, 2)
			copy(second[0].Part(tfhe.SecretPKE), w.altered(1, 0, tfhe.SecretPKE, 9)[0].Part(tfhe.SecretPKE))
			w.shares[1] = second
		}, tfhe.SecretCompression, sharing.PartiesOf(1)},
		"each elsewhere, too few left": {4, func(w *world) {
			w.shares[1], w.shares[2], w.shares[3] = w.altered(1, 0, tfhe.SecretPKE, 1), w.altered(2, 0, tfhe.SecretCompute, 1), w.altered(3, 0, tfhe.SecretSmall, 1)
		}, tfhe.SecretPKE, sharing.PartiesOf(1, 2, 3)},
	} {
		t.Run(name, func(t *testing.T) {
			old, next := newCommittee(t, c.n, 1), newCommittee(t, 4, 11)
			w := newWorld(t, old, next, deal(t, old, items, 11), items)
			c.prepare(w)
			w.handover()
			used := sharing.PartiesOf(slices.Collect(maps.Keys(w.vectors))...)
			errs := w.conclude()
			require.Len(t, errs, 4)
			for i, err := range errs {
				var undecodable *reshare.UndecodableError
				require.ErrorAs(t, err, &undecodable)
				require.ErrorIs(t, err, reshare.ErrUndecodable)
				require.Equal(t, reshare.UndecodableError{KeyID: items[0].KeyID, Secret: c.secret, Used: used, Wrong: c.wrong}, *undecodable)
				require.Contains(t, err.Error(), c.secret.String())
				require.False(t, w.conclusions[i].Done())
				require.Nil(t, w.conclusions[i].Shares())
				require.Zero(t, w.conclusions[i].Transcript())
			}
		})
	}
}

func TestMoreThanThresholdManyNewMembersGiveNoAnswer(t *testing.T) {
	items := testItems(tfhe.NameTest)
	c := newCommittee(t, 4, 1)
	w := newWorld(t, c, c, deal(t, c, items, 12), items)
	w.tapEach(func(e mpctest.Envelope) bool { return e.From <= 2 && int(e.Round) < segments })
	w.handover()
	for i, h := range w.handovers {
		_, ok := h.Vector()
		require.False(t, ok && i > 2, "member %d decodes masks of which two are wrong", i)
		require.False(t, h.Done())
	}
	w = newWorld(t, c, c, w.shares, items)
	w.handover()
	w.second.Tap = func(e mpctest.Envelope) []mpctest.Envelope {
		if e.From <= 2 {
			e = alter(e, uint64(e.From*e.To))
		}
		return []mpctest.Envelope{e}
	}
	require.Empty(t, w.conclude())
	for i, m := range w.conclusions {
		require.False(t, m.Done() && i > 2)
	}
}

func TestMessagesOfAnotherAttemptAreWrongHere(t *testing.T) {
	items := testItems(tfhe.NameTest)
	old, next := newCommittee(t, 4, 1), newCommittee(t, 4, 5)
	shares := deal(t, old, items, 13)
	secrets := open(t, old, items, shares)
	type place struct {
		from, to int
		round    uint16
	}
	recorded := map[place][]byte{}
	first := newWorld(t, old, next, shares, items)
	first.session = mpc.Hash("another attempt")
	first.network.Tap = func(e mpctest.Envelope) []mpctest.Envelope {
		recorded[place{e.From, e.To, e.Round}] = slices.Clone(e.Payload)
		return []mpctest.Envelope{e}
	}
	first.run()
	w := newWorld(t, old, next, shares, items)
	w.network.Tap = func(e mpctest.Envelope) []mpctest.Envelope {
		if masks := e.From == 3 && int(e.Round) < segments; masks || e.From == 7 && int(e.Round) >= segments {
			e.Payload = recorded[place{e.From, e.To, e.Round}]
		}
		return []mpctest.Envelope{e}
	}
	w.run()
	w.check(secrets)
	require.NotContains(t, w.vectors, 3, "old member 3, at union index 7, sent the vector of another attempt")
	for at := 5; at <= 8; at++ {
		require.Equal(t, sharing.PartiesOf(3), w.handovers[at].Culprits())
	}
	require.NotEqual(t, first.conclusions[1].Transcript(), w.conclusions[1].Transcript())
}

func TestNoTwoMasksMeet(t *testing.T) {
	c := newCommittee(t, 4, 1)
	w := newWorld(t, c, c, deal(t, c, testItems(tfhe.NameTest, tfhe.NameTest), 14), testItems(tfhe.NameTest, tfhe.NameTest))
	w2 := *w
	w2.session = mpc.Hash("another attempt")
	source := mpctest.Sources(t, 4, 4, 9, mpctest.Epoch)[1] // one context, which callers should not do
	w.masks = func(int) reshare.Masks { return source }
	w2.masks = w.masks
	seen := map[string]bool{}
	for _, attempt := range []*world{w, &w2} {
		config := attempt.config("party 1")
		draws := config.Draws()
		require.Len(t, draws, 2*segments*4)
		h, err := reshare.NewHandover(config)
		require.NoError(t, err)
		out, err := h.Start()
		require.NoError(t, err)
		for _, m := range out {
			require.False(t, seen[string(m.Payload)], "two masks are equal")
			seen[string(m.Payload)] = true
		}
		addresses := map[any]bool{}
		for _, d := range draws {
			require.False(t, addresses[d.Address])
			require.True(t, d.Elements)
			addresses[d.Address] = true
		}
	}
}

func TestAMemberThatWasAwayRebuildsWhatItWouldHaveGot(t *testing.T) {
	items := testItems(tfhe.NameTest)
	for name, c := range map[string]struct {
		new     committee
		prepare func(w *world)
		wrong   sharing.Parties
	}{
		"all honest":        {newCommittee(t, 4, 3), func(*world) {}, 0},
		"a wrong old one":   {newCommittee(t, 4, 3), func(w *world) { w.shares[1] = w.altered(1, 0, tfhe.SecretSmall, 1) }, sharing.PartiesOf(1)},
		"an absent old one": {newCommittee(t, 4, 3), func(w *world) { w.silent = []string{"party 1"} }, 0},
		"another ring":      {newCommittee(t, 16, 3), func(w *world) { w.shares[3] = w.altered(3, 0, tfhe.SecretSmall, 1) }, sharing.PartiesOf(3)},
	} {
		t.Run(name, func(t *testing.T) {
			old := newCommittee(t, 4, 1)
			shares := deal(t, old, items, 15)
			secrets := open(t, old, items, shares)
			w := newWorld(t, old, c.new, shares, items)
			w.members = w.members.Without(sharing.PartiesOf(2)) // excluded by the chain
			c.prepare(w)
			w.run()
			got := w.check(secrets, c.wrong.List()...)
			for i, name := range c.new.names {
				config := w.config(name)
				config.Shares, config.Union = nil, nil // neither is needed
				rebuilt, err := reshare.Rebuild(config, w.vectors, c.wrong)
				require.NoError(t, err)
				if got[i+1] == nil {
					require.Equal(t, 2, i+1)
					got[i+1] = rebuilt
				}
				require.Equal(t, marshal(t, got[i+1]), marshal(t, rebuilt))
			}
			require.Equal(t, secrets, open(t, c.new, items, got), "with the share of who was away")
		})
	}
}

func TestAMemberThatSendsGarbageIsNotHeardAgain(t *testing.T) {
	items := testItems(tfhe.NameTest)
	old, next := newCommittee(t, 4, 1), newCommittee(t, 4, 5)
	w := newWorld(t, old, next, deal(t, old, items, 18), items)
	w.network.Tap, w.second.Tap = garbageFirst, garbageFirst
	w.network.InOrder, w.second.InOrder = true, true
	w.handover()
	for at, h := range w.handovers {
		_, ok := h.Vector()
		require.False(t, ok)
		require.Equal(t, at > 4, h.Culprits() == sharing.AllParties(4))
	}
	w.network.Tap = nil
	w.handover()
	require.Empty(t, w.conclude())
	for i, c := range w.conclusions {
		require.False(t, c.Done())
		require.Equal(t, sharing.AllParties(4).Without(sharing.PartiesOf(i)), c.Culprits())
	}
}

func garbageFirst(e mpctest.Envelope) []mpctest.Envelope {
	both := twice(e)
	both[0].Payload = both[0].Payload[1:]
	return both
}

func TestOnlyWholeVectorsAreReceivedAndOnlyMembersThatTakePartGiveMasks(t *testing.T) {
	items := testItems(tfhe.NameTest)
	old, next := newCommittee(t, 4, 1), newCommittee(t, 4, 5)
	w := newWorld(t, old, next, deal(t, old, items, 19), items)
	w.silent = []string{"party 1"} // and party 2, at 6, cuts one segment
	w.members = w.members.Without(sharing.PartiesOf(4))
	w.cut(func(e mpctest.Envelope) bool { return e.From == 6 && int(e.Round) == segments+2 })
	w.handover()
	for at, h := range w.handovers {
		require.False(t, h.KeepsShares())
		for j, want := range []bool{false, false, false, true, true, false} {
			_, ok := h.Received(j)
			require.Equal(t, want && at <= 4, ok, "old member %d at %d", j, at)
		}
	}
	excluded, err := reshare.NewHandover(w.config("party 8"))
	require.NoError(t, err)
	out, err := excluded.Start()
	require.NoError(t, err)
	require.Empty(t, out)
}
