package keeper_test

import (
	"bytes"
	"crypto/sha3"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/collections"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/x/parties/types"
)

// setup is attempt 1 of the set-up of alice, bob, carol and dave, in CONFIRMING.
type setup struct {
	*fixture
	id            uint64
	digest        mpc.Digest
	members       []types.Party
	contributions []*prss.Contribution
	random        io.Reader
	keys          map[[2]uint32][]byte
}

func confirming(t *testing.T) *setup {
	f := newFixture(t)
	s := &setup{fixture: f, members: f.register("alice", "bob", "carol", "dave"), id: f.form(1, 2, 3, 4), random: sha3.NewSHAKE128(), keys: map[[2]uint32][]byte{}}
	s.digest = types.SetupID(chainID, s.id, 1)
	for i, member := range s.members {
		c, err := prss.NewContribution(s.random, s.digest, i+1, 4, 1)
		require.NoError(t, err)
		s.contributions = append(s.contributions, c)
		root := c.Root()
		_, err = f.messages.CommitSetup(f.ctx, &types.MsgCommitSetup{Account: member.Account, EpochId: s.id, Attempt: 1, Root: root[:]})
		require.NoError(t, err)
	}
	f.blocks(1)
	require.Equal(t, types.EPOCH_STATUS_CONFIRMING, f.epoch(s.id).Status)
	return s
}

// complain has a member complain about all that another owes it.
func (s *setup) complain(accuser, accused uint32) error {
	private, public, err := prss.NewComplaintKey(s.random)
	require.NoError(s.t, err)
	s.keys[[2]uint32{accuser, accused}] = private
	sets, err := prss.SetsOf(4, 1, int(accused))
	require.NoError(s.t, err)
	g := types.Grievance{Accused: accused, RecipientKey: public}
	for position, set := range sets {
		if set.Has(int(accuser)) {
			g.Sets = append(g.Sets, uint32(position))
		}
	}
	_, err = s.messages.ComplainSetup(s.ctx, &types.MsgComplainSetup{
		Account: s.members[accuser-1].Account, EpochId: s.id, Attempt: 1, Grievances: []types.Grievance{g},
	})
	return err
}

// answer has the accused answer, with a wrong opening if it cheats.
func (s *setup) answer(accuser, accused uint32, cheat bool) error {
	epoch := s.epoch(s.id)
	complaint, err := epoch.ComplaintOf(accuser, accused)
	require.NoError(s.t, err)
	msg := &types.MsgAnswerComplaint{Account: s.members[accused-1].Account, EpochId: s.id, Attempt: 1, Accuser: accuser}
	for _, set := range complaint.Sets {
		commitment, path, opening := s.contributions[accused-1].Answer(int(set))
		if cheat {
			opening[0] ^= 1
		}
		context := prss.AnswerContext{Setup: s.digest, Accused: int(accused), Accuser: int(accuser), Set: int(set)}
		sealed, err := prss.SealOpening(s.random, complaint.RecipientKey, context, opening)
		require.NoError(s.t, err)
		o := types.OpeningAnswer{Set: set, Commitment: commitment, Sealed: sealed}
		for _, node := range path {
			o.Path = append(o.Path, node[:])
		}
		msg.Openings = append(msg.Openings, o)
	}
	_, err = s.messages.AnswerComplaint(s.ctx, msg)
	return err
}

func (s *setup) reveal(accuser, accused uint32) error {
	_, err := s.messages.RevealComplaint(s.ctx, &types.MsgRevealComplaint{
		Account: s.members[accuser-1].Account, EpochId: s.id, Attempt: 1, Accused: accused, PrivateKey: s.keys[[2]uint32{accuser, accused}],
	})
	return err
}

func (s *setup) confirmAs(indices ...int) {
	s.t.Helper()
	for _, i := range indices {
		require.NoError(s.t, s.confirm(s.members[i-1], s.id, 1))
	}
}

func (s *setup) requireStatus(want types.EpochStatus) {
	s.t.Helper()
	require.Equal(s.t, want, s.epoch(s.id).Status)
}

func (s *setup) evidence() []types.Evidence {
	s.t.Helper()
	response, err := s.queries.Evidence(s.ctx, &types.QueryEvidenceRequest{})
	require.NoError(s.t, err)
	return response.Evidence
}

// stored is the raw record that a party proves.
func (s *setup) stored(accuser, accused uint32) []byte {
	return s.ctx.KVStore(s.key).Get(types.SetupAnswerKey(s.id, accuser, accused))
}

func TestAGuiltyAccusedIsConvictedAndTheSetUpEndsWithoutIt(t *testing.T) {
	s := confirming(t)
	s.confirmAs(1, 3, 4)
	require.NoError(t, s.complain(2, 1))
	requireEvent(t, s.fixture, &types.EventSetupComplaint{EpochId: s.id, Attempt: 1, Accuser: 2, Accused: []uint32{1}})
	require.ErrorIs(t, s.confirm(s.members[1], s.id, 1), types.ErrSpoken)
	s.blocks(1)
	s.requireStatus(types.EPOCH_STATUS_ANSWERING)
	require.NoError(t, s.answer(2, 1, true))
	stored, err := s.keeper.SetupAnswers.Get(s.ctx, collections.Join3(s.id, uint32(2), uint32(1)))
	require.NoError(t, err)
	raw, err := stored.Marshal()
	require.NoError(t, err)
	require.Equal(t, raw, s.stored(2, 1), "under the key that parties prove")
	s.blocks(1)
	s.requireStatus(types.EPOCH_STATUS_REVEALING)
	require.ErrorIs(t, s.reveal(3, 1), types.ErrUnknownComplaint)
	require.NoError(t, s.reveal(2, 1))
	convicted := types.Evidence{Id: 1, EpochId: s.id, Index: 1, PartyId: 1, Kind: types.EVIDENCE_KIND_WRONG_ANSWER, Height: s.ctx.BlockHeight(), Reporter: 2}
	require.Equal(t, []types.Evidence{convicted}, s.evidence())
	requireEvent(t, s.fixture, &types.EventPartyConvicted{Evidence: convicted})

	require.NoError(t, s.keeper.EndBlock(s.ctx))
	s.requireStatus(types.EPOCH_STATUS_CONCLUDING)
	requireEvent(t, s.fixture, &types.EventContributionsDropped{EpochId: s.id, Attempt: 1, Dropped: s.epoch(s.id).Dropped})
	require.NotEmpty(t, s.epoch(s.id).Dropped)
	s.confirmAs(2, 3, 4)
	require.ErrorIs(t, s.confirm(s.members[0], s.id, 1), types.ErrConvicted)
	require.NotEmpty(t, s.stored(2, 1))
	s.blocks(1)
	s.requireStatus(types.EPOCH_STATUS_ACTIVE)
	require.Nil(t, s.stored(2, 1), "answers go with their attempt")
	epoch := s.epoch(s.id)
	require.Equal(t, []uint32{1}, epoch.Excluded())
	require.ErrorIs(t, s.ready(s.members[0], s.id), types.ErrConvicted)
}

func TestAFalseAccuserIsConvictedAndItsComplaintChangesNothing(t *testing.T) {
	s := confirming(t)
	s.confirmAs(1, 3, 4)
	require.NoError(t, s.complain(2, 1))
	s.blocks(1)
	require.NoError(t, s.answer(2, 1, false))
	s.blocks(1)
	require.NoError(t, s.reveal(2, 1))
	require.Equal(t, types.EVIDENCE_KIND_FALSE_COMPLAINT, s.evidence()[0].Kind)
	require.EqualValues(t, 2, s.evidence()[0].Index)
	s.blocks(1)
	s.requireStatus(types.EPOCH_STATUS_CONCLUDING)
	require.Empty(t, s.epoch(s.id).Dropped)
	s.confirmAs(1, 3, 4)
	s.blocks(1)
	epoch := s.epoch(s.id)
	require.Equal(t, []uint32{2}, epoch.Excluded())
}

func TestTwoAccusersOfOneWrongAnswerAreBothRight(t *testing.T) {
	s := confirming(t)
	s.confirmAs(1, 4)
	require.NoError(t, s.complain(2, 1))
	require.NoError(t, s.complain(3, 1))
	s.blocks(1)
	require.NoError(t, s.answer(2, 1, true))
	require.NoError(t, s.answer(3, 1, true))
	s.blocks(1)
	require.NoError(t, s.reveal(2, 1))
	require.NoError(t, s.reveal(3, 1))
	require.Len(t, s.evidence(), 1, "a member is convicted of it once")
	s.blocks(1)
	s.requireStatus(types.EPOCH_STATUS_CONCLUDING)
	require.Len(t, s.epoch(s.id).Dropped[0].Sets, 4)
}

func TestASetUpInWhichAllIsLateGoesOnWithoutGuilt(t *testing.T) {
	s := confirming(t)
	s.confirmAs(4)
	require.NoError(t, s.complain(2, 1))
	s.blocks(5) // bob and carol say nothing until the deadline
	s.requireStatus(types.EPOCH_STATUS_ANSWERING)
	require.ErrorIs(t, s.complain(3, 1), types.ErrWrongStatus)
	s.blocks(4)
	s.requireStatus(types.EPOCH_STATUS_CONCLUDING)
	require.ErrorIs(t, s.answer(2, 1, false), types.ErrWrongStatus)
	require.ErrorIs(t, s.reveal(2, 1), types.ErrWrongStatus)
	require.Len(t, s.epoch(s.id).Dropped, 1)
	require.Empty(t, s.evidence())
	s.confirmAs(1, 2, 3)
	s.blocks(5)
	s.requireStatus(types.EPOCH_STATUS_ACTIVE)
	epoch := s.epoch(s.id)
	require.Equal(t, []uint32{4}, epoch.Excluded(), "it did not confirm again")
}

func TestAnAnswerInBadFormLeavesNothing(t *testing.T) {
	s := confirming(t)
	require.NoError(t, s.complain(2, 1))
	s.blocks(5)
	before := s.export()
	_, err := s.messages.AnswerComplaint(s.ctx, &types.MsgAnswerComplaint{Account: s.members[0].Account, EpochId: s.id, Attempt: 1, Accuser: 2})
	require.ErrorIs(t, err, types.ErrInvalidAnswer)
	require.Equal(t, before, s.export())
	require.Nil(t, s.stored(2, 1))
}

func TestAnswersOfASetUpThatIsSupersededAreForgotten(t *testing.T) {
	s := confirming(t)
	require.NoError(t, s.complain(2, 1))
	s.blocks(5)
	require.NoError(t, s.answer(2, 1, false))
	require.NotEmpty(t, s.stored(2, 1))
	s.form(4, 3, 2, 1)
	s.requireStatus(types.EPOCH_STATUS_FAILED)
	require.Nil(t, s.stored(2, 1))
}

func TestAnswersAndOpeningsCostGas(t *testing.T) {
	s := confirming(t)
	require.NoError(t, s.complain(2, 1))
	s.blocks(5)
	used := s.ctx.GasMeter().GasConsumed()
	require.NoError(t, s.answer(2, 1, false))
	require.Greater(t, s.ctx.GasMeter().GasConsumed(), used+3*2_000)
	s.blocks(1)
	used = s.ctx.GasMeter().GasConsumed()
	require.NoError(t, s.reveal(2, 1))
	require.Greater(t, s.ctx.GasMeter().GasConsumed(), used+3*20_000)
}

func TestASetUpUnderWayIsExportedWithItsAnswers(t *testing.T) {
	s := confirming(t)
	require.NoError(t, s.complain(2, 1))
	require.NoError(t, s.complain(3, 1))
	s.blocks(5)
	require.NoError(t, s.answer(2, 1, true))
	require.NoError(t, s.answer(3, 1, true))
	s.blocks(1)
	require.NoError(t, s.reveal(2, 1))
	exported, err := s.keeper.ExportGenesis(s.ctx)
	require.NoError(t, err)
	require.NoError(t, exported.Validate())
	require.Len(t, exported.Answers, 2)
	require.Len(t, exported.Evidence, 1)

	next := newEmptyFixture(t)
	next.ctx = next.ctx.WithBlockHeight(s.ctx.BlockHeight()).WithBlockTime(s.ctx.BlockTime())
	require.NoError(t, next.keeper.InitGenesis(next.ctx, *exported))
	require.Equal(t, s.export(), next.export())
	s.fixture = next
	require.NoError(t, s.reveal(3, 1))
	require.Len(t, s.evidence(), 1, "what is known is known again")
	s.blocks(1)
	s.requireStatus(types.EPOCH_STATUS_CONCLUDING)

	for name, spoil := range map[string]func(*types.GenesisState){
		"a missing answer":         func(g *types.GenesisState) { g.Answers = g.Answers[1:] },
		"answers out of order":     func(g *types.GenesisState) { g.Answers[0], g.Answers[1] = g.Answers[1], g.Answers[0] },
		"an answer twice":          func(g *types.GenesisState) { g.Answers[1] = g.Answers[0] },
		"an answer of nobody":      func(g *types.GenesisState) { g.Answers[1].Accused = 4 },
		"an answer without epoch":  func(g *types.GenesisState) { g.Answers[1].EpochId = 9 },
		"another commitment":       func(g *types.GenesisState) { g.Answers[1].Answer.Openings[0].Commitment = bytes.Repeat([]byte{1}, 32) },
		"an unanswered complaint":  func(g *types.GenesisState) { g.Epochs[0].Complaints[0].Answered = false },
		"complaints out of order":  func(g *types.GenesisState) { g.Epochs[0].Complaints[0].Accuser = 4 },
		"a complaint about a set":  func(g *types.GenesisState) { g.Epochs[0].Complaints[0].Sets = []uint32{9} },
		"complaints when it is up": func(g *types.GenesisState) { g.Epochs[0].Status = types.EPOCH_STATUS_COMMITTING },
		"dropped by nobody":        func(g *types.GenesisState) { g.Epochs[0].Dropped = []types.Dropped{{Index: 5, Sets: []uint32{0}}} },
		"dropped sets twice":       func(g *types.GenesisState) { g.Epochs[0].Dropped = []types.Dropped{{Index: 1, Sets: []uint32{1, 1}}} },
		"a gap in the evidence":    func(g *types.GenesisState) { g.Evidence[0].Id = 2 },
		"evidence against another": func(g *types.GenesisState) { g.Evidence[0].Index = 2 },
		"evidence without guilt":   func(g *types.GenesisState) { g.Epochs[0].Absences[0].Convicted = false },
		"evidence of no kind":      func(g *types.GenesisState) { g.Evidence[0].Kind = 6 },
		"evidence of an epoch":     func(g *types.GenesisState) { g.Evidence[0].EpochId = 2 },
		"evidence from nobody":     func(g *types.GenesisState) { g.Evidence[0].Reporter = 5 },
		"a session of a set-up":    func(g *types.GenesisState) { g.Evidence[0].SessionId = make([]byte, 32) },
		"a session that is short":  func(g *types.GenesisState) { g.Evidence[0].Kind = types.EVIDENCE_KIND_EQUIVOCATION },
		"evidence twice": func(g *types.GenesisState) {
			g.Evidence = append(g.Evidence, g.Evidence[0])
			g.Evidence[1].Id = 2
		},
	} {
		var spoiled types.GenesisState
		s.codec.MustUnmarshalJSON(s.codec.MustMarshalJSON(exported), &spoiled)
		require.NoError(t, spoiled.Validate())
		spoil(&spoiled)
		require.Error(t, spoiled.Validate(), name)
	}
}
