package types

import (
	"crypto/sha3"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
)

// setup is a set-up of n members as they see it, in CONFIRMING at height 102.
type setup struct {
	*Epoch
	t             testing.TB
	id            mpc.Digest
	random        io.Reader
	contributions []*prss.Contribution // by member
	keys          map[[2]uint32][]byte // private keys of complaints, by accuser and accused
}

func confirming(t *testing.T, n int) *setup {
	t.Helper()
	s := &setup{
		Epoch: newEpoch(t, n), t: t, id: SetupID("tkms-test-1", 1, 1), random: sha3.NewSHAKE128(),
		contributions: make([]*prss.Contribution, n+1), keys: map[[2]uint32][]byte{},
	}
	for i := 1; i <= n; i++ {
		c, err := prss.NewContribution(s.random, s.id, i, n, int(s.T))
		require.NoError(t, err)
		root := c.Root()
		s.contributions[i] = c
		require.NoError(t, s.CommitRoot(uint32(i), 1, root[:], 101))
	}
	advance(t, s.Epoch, 101, EPOCH_STATUS_CONFIRMING)
	return s
}

func (s *setup) confirm(indices ...uint32) {
	s.t.Helper()
	for _, index := range indices {
		require.NoError(s.t, s.Confirm(index, 1, digest(9), 100*index, 102))
	}
}

// common are the positions in the accused's list of the sets that both are in.
func (s *setup) common(accuser, accused uint32) []uint32 {
	sets, err := prss.SetsOf(s.N(), int(s.T), int(accused))
	require.NoError(s.t, err)
	var out []uint32
	for position, set := range sets {
		if set.Has(int(accuser)) {
			out = append(out, uint32(position))
		}
	}
	return out
}

func (s *setup) grievance(accuser, accused uint32, sets ...uint32) Grievance {
	private, public, err := prss.NewComplaintKey(s.random)
	require.NoError(s.t, err)
	s.keys[[2]uint32{accuser, accused}] = private
	return Grievance{Accused: accused, Sets: sets, RecipientKey: public}
}

// complain has a member complain about the first set that it shares with each accused.
func (s *setup) complain(accuser uint32, accused ...uint32) {
	s.t.Helper()
	var list []Grievance
	for _, index := range accused {
		list = append(list, s.grievance(accuser, index, s.common(accuser, index)[0]))
	}
	require.NoError(s.t, s.Complain(accuser, 1, list))
}

// openings answers a complaint as an honest member does.
func (s *setup) openings(accuser, accused uint32) []OpeningAnswer {
	s.t.Helper()
	complaint, err := s.ComplaintOf(accuser, accused)
	require.NoError(s.t, err)
	var out []OpeningAnswer
	for _, position := range complaint.Sets {
		commitment, path, opening := s.contributions[accused].Answer(int(position))
		context := prss.AnswerContext{Setup: s.id, Accused: int(accused), Accuser: int(accuser), Set: int(position)}
		sealed, err := prss.SealOpening(s.random, complaint.RecipientKey, context, opening)
		require.NoError(s.t, err)
		answer := OpeningAnswer{Set: position, Commitment: commitment, Sealed: sealed}
		for _, node := range path {
			answer.Path = append(answer.Path, node[:])
		}
		out = append(out, answer)
	}
	return out
}

// wrong spoils an answer in a way that only the accuser sees.
func wrong(openings []OpeningAnswer) []OpeningAnswer {
	openings[0].Sealed = slices.Clone(openings[0].Sealed)
	openings[0].Sealed[40] ^= 1
	return openings
}

func (s *setup) reveal(accuser, accused uint32, openings []OpeningAnswer) (Conviction, error) {
	return s.Reveal(s.id, accuser, 1, accused, s.keys[[2]uint32{accuser, accused}], ComplaintAnswer{Openings: openings})
}

func TestAWrongAnswerConvictsTheAccusedAndItsSetsAreDropped(t *testing.T) {
	for _, n := range []int{4, 7, 10, 13} {
		s := confirming(t, n)
		others := make([]uint32, 0, n)
		for index := uint32(1); int(index) <= n; index++ {
			if index != 2 {
				others = append(others, index)
			}
		}
		s.confirm(others...)
		sets := s.common(2, 1)
		require.NoError(t, s.Complain(2, 1, []Grievance{s.grievance(2, 1, sets...)}))
		advance(t, s.Epoch, 102, EPOCH_STATUS_ANSWERING)
		require.EqualValues(t, 112, s.Deadline)
		answer := wrong(s.openings(2, 1))
		require.Less(t, (&MsgAnswerComplaint{Openings: answer}).Size(), 200<<10, "it fits into a party's transaction")
		require.NoError(t, s.Answer(1, 1, 2, answer))
		advance(t, s.Epoch, 103, EPOCH_STATUS_REVEALING)
		require.EqualValues(t, 113, s.Deadline)
		guilty, err := s.reveal(2, 1, answer)
		require.NoError(t, err)
		require.Equal(t, Conviction{Index: 1, Kind: EVIDENCE_KIND_WRONG_ANSWER}, guilty)
		advance(t, s.Epoch, 104, EPOCH_STATUS_CONCLUDING)
		require.Equal(t, []Dropped{{Index: 1, Sets: sets}}, s.Dropped)
		require.Empty(t, s.Confirmations, "they were about another transcript")

		require.ErrorIs(t, s.Confirm(1, 1, digest(8), 0, 105), ErrConvicted)
		for index := uint32(2); int(index) <= n; index++ {
			require.NoError(t, s.Confirm(index, 1, digest(8), 0, 105))
		}
		changes := advance(t, s.Epoch, 105, EPOCH_STATUS_ACTIVE)
		require.Equal(t, []Change{{}, {Index: 1, Excluded: true}}, changes)
		require.Equal(t, digest(8), s.Transcript)
		require.Equal(t, []Dropped{{Index: 1, Sets: sets}}, s.Dropped, "the transcript is over it")
		require.Empty(t, s.Complaints)
		sum := ReadyDigest(s.Transcript, s.Generation)
		require.ErrorIs(t, s.Ready(1, sum[:], 106, testParams()), ErrConvicted)
	}
}

func TestAFalseComplaintConvictsTheAccuserAndDropsNothing(t *testing.T) {
	for _, n := range []int{4, 7, 10} {
		s := confirming(t, n)
		s.complain(2, 1)
		advance(t, s.Epoch, 111, EPOCH_STATUS_ANSWERING)
		answer := s.openings(2, 1)
		require.NoError(t, s.Answer(1, 1, 2, answer))
		advance(t, s.Epoch, 112, EPOCH_STATUS_REVEALING)
		guilty, err := s.reveal(2, 1, answer)
		require.NoError(t, err)
		require.Equal(t, Conviction{Index: 2, Kind: EVIDENCE_KIND_FALSE_COMPLAINT}, guilty)
		advance(t, s.Epoch, 112, EPOCH_STATUS_CONCLUDING)
		require.Empty(t, s.Dropped)
		require.True(t, s.IsConvicted(2))
		require.ErrorIs(t, s.Confirm(2, 1, digest(8), 0, 113), ErrConvicted)
	}
}

func TestAnAnswerThatIsRightAndNotRevealedConvictsNobody(t *testing.T) {
	s := confirming(t, 4)
	s.confirm(1, 3, 4)
	s.complain(2, 1)
	advance(t, s.Epoch, 102, EPOCH_STATUS_ANSWERING)
	require.NoError(t, s.Answer(1, 1, 2, s.openings(2, 1)))
	advance(t, s.Epoch, 102, EPOCH_STATUS_REVEALING)
	advance(t, s.Epoch, 111, EPOCH_STATUS_REVEALING)
	advance(t, s.Epoch, 112, EPOCH_STATUS_CONCLUDING)
	require.Empty(t, s.Dropped)
	require.Empty(t, s.Absences)
	for index := uint32(1); index <= 4; index++ {
		require.NoError(t, s.Confirm(index, 1, digest(8), 0, 113))
	}
	require.Len(t, advance(t, s.Epoch, 113, EPOCH_STATUS_ACTIVE), 1, "the accuser has its opening and takes part")
}

func TestWhatIsNotAnsweredIsDroppedWithoutGuilt(t *testing.T) {
	s := confirming(t, 4)
	s.confirm(1, 4)
	s.complain(2, 1)
	s.complain(3, 1)
	advance(t, s.Epoch, 102, EPOCH_STATUS_ANSWERING)
	require.Empty(t, advance(t, s.Epoch, 111, EPOCH_STATUS_ANSWERING))
	advance(t, s.Epoch, 112, EPOCH_STATUS_CONCLUDING) // there is nothing to reveal
	require.Equal(t, []Dropped{{Index: 1, Sets: []uint32{s.common(2, 1)[0]}}}, s.Dropped, "one entry, each set once")
	require.False(t, s.IsConvicted(1))
	require.NoError(t, s.Confirm(1, 1, digest(8), 0, 113))
}

func TestAllAccusersOfAWrongAnswerGetItsSetsDropped(t *testing.T) {
	s := confirming(t, 7)
	first, second := s.common(2, 1)[0], s.common(3, 1)[3]
	require.NoError(t, s.Complain(2, 1, []Grievance{s.grievance(2, 1, first)}))
	require.NoError(t, s.Complain(3, 1, []Grievance{s.grievance(3, 1, second)}))
	advance(t, s.Epoch, 111, EPOCH_STATUS_ANSWERING)
	answers := map[uint32][]OpeningAnswer{}
	for _, accuser := range []uint32{2, 3} {
		answers[accuser] = wrong(s.openings(accuser, 1))
		require.NoError(t, s.Answer(1, 1, accuser, answers[accuser]))
	}
	advance(t, s.Epoch, 112, EPOCH_STATUS_REVEALING)
	for _, accuser := range []uint32{2, 3} {
		guilty, err := s.reveal(accuser, 1, answers[accuser])
		require.NoError(t, err)
		require.EqualValues(t, 1, guilty.Index)
	}
	advance(t, s.Epoch, 112, EPOCH_STATUS_CONCLUDING)
	require.Equal(t, []Dropped{{Index: 1, Sets: []uint32{first, second}}}, s.Dropped)
}

func TestAMemberConfirmsOrComplainsOnceAndNotBoth(t *testing.T) {
	s := confirming(t, 4)
	s.complain(2, 1)
	require.ErrorIs(t, s.Confirm(2, 1, digest(9), 0, 102), ErrSpoken)
	require.ErrorIs(t, s.Complain(2, 1, []Grievance{s.grievance(2, 3, s.common(2, 3)[0])}), ErrSpoken)
	s.confirm(3)
	require.ErrorIs(t, s.Complain(3, 1, []Grievance{s.grievance(3, 1, s.common(3, 1)[0])}), ErrSpoken)
	require.ErrorIs(t, s.Complain(4, 2, nil), ErrWrongAttempt)
	s.confirm(1, 4)
	advance(t, s.Epoch, 102, EPOCH_STATUS_ANSWERING)
	require.ErrorIs(t, s.Complain(4, 1, nil), ErrWrongStatus)
	require.ErrorIs(t, s.Confirm(1, 1, digest(9), 0, 103), ErrWrongStatus)
}

func TestAComplaintIsAboutOpeningsThatTheAccuserIsOwed(t *testing.T) {
	low := make([]byte, 32) // a point of order 1: nobody can seal to it
	for name, list := range map[string]func(*setup) []Grievance{
		"nobody":               func(*setup) []Grievance { return nil },
		"itself":               func(s *setup) []Grievance { return []Grievance{s.grievance(2, 2, 0)} },
		"a stranger":           func(s *setup) []Grievance { return []Grievance{s.grievance(2, 5, 0)} },
		"member 0":             func(s *setup) []Grievance { return []Grievance{s.grievance(2, 0, 0)} },
		"one without a root":   func(s *setup) []Grievance { s.Roots = s.Roots[1:]; return []Grievance{s.grievance(2, 1, 0)} },
		"no set":               func(s *setup) []Grievance { return []Grievance{s.grievance(2, 1)} },
		"a set that is not":    func(s *setup) []Grievance { return []Grievance{s.grievance(2, 1, 4)} },
		"sets out of order":    func(s *setup) []Grievance { return []Grievance{s.grievance(2, 1, 3, 0)} },
		"a set twice":          func(s *setup) []Grievance { return []Grievance{s.grievance(2, 1, 0, 0)} },
		"accused out of order": func(s *setup) []Grievance { return []Grievance{s.grievance(2, 3, 3), s.grievance(2, 1, 3)} },
		"one accused twice":    func(s *setup) []Grievance { return []Grievance{s.grievance(2, 1, 3), s.grievance(2, 1, 3)} },
		"a set of others": func(s *setup) []Grievance {
			for position := range uint32(4) {
				if !slices.Contains(s.common(2, 1), position) {
					return []Grievance{s.grievance(2, 1, position)}
				}
			}
			panic("each member is left out of some set")
		},
		"one key for two": func(s *setup) []Grievance {
			list := []Grievance{s.grievance(2, 1, 3), s.grievance(2, 3, 3)}
			list[1].RecipientKey = list[0].RecipientKey
			return list
		},
		"no key":      func(*setup) []Grievance { return []Grievance{{Accused: 1, Sets: []uint32{3}}} },
		"a short key": func(*setup) []Grievance { return []Grievance{{Accused: 1, Sets: []uint32{3}, RecipientKey: low[1:]}} },
		"a bad key":   func(*setup) []Grievance { return []Grievance{{Accused: 1, Sets: []uint32{3}, RecipientKey: low}} },
	} {
		s := confirming(t, 4)
		require.ErrorIs(t, s.Complain(2, 1, list(s)), ErrInvalidComplaint, name)
		require.Empty(t, s.Complaints, name)
	}
	s := confirming(t, 4)
	require.NoError(t, s.Complain(2, 1, []Grievance{s.grievance(2, 1, 3), s.grievance(2, 3, 3)}))
	s.complain(1, 4)
	require.True(t, slices.IsSortedFunc(s.Complaints, compareComplaints))
}

func TestAnAnswerMustBeOfTheAccusedsCommitments(t *testing.T) {
	s := confirming(t, 4)
	require.NoError(t, s.Complain(2, 1, []Grievance{s.grievance(2, 1, s.common(2, 1)...)}))
	require.ErrorIs(t, s.Answer(1, 1, 2, nil), ErrWrongStatus)
	advance(t, s.Epoch, 111, EPOCH_STATUS_ANSWERING)
	for name, spoil := range map[string]func([]OpeningAnswer) []OpeningAnswer{
		"one too few":        func(o []OpeningAnswer) []OpeningAnswer { return o[1:] },
		"one too many":       func(o []OpeningAnswer) []OpeningAnswer { return append(o, o[0]) },
		"another order":      func(o []OpeningAnswer) []OpeningAnswer { o[0], o[1] = o[1], o[0]; return o },
		"another set":        func(o []OpeningAnswer) []OpeningAnswer { o[0].Set++; return o },
		"another commitment": func(o []OpeningAnswer) []OpeningAnswer { o[0].Commitment = o[1].Commitment; return o },
		"no commitment":      func(o []OpeningAnswer) []OpeningAnswer { o[0].Commitment = nil; return o },
		"another path":       func(o []OpeningAnswer) []OpeningAnswer { o[0].Path = o[2].Path; return o },
		"a short path":       func(o []OpeningAnswer) []OpeningAnswer { o[0].Path = o[0].Path[1:]; return o },
		"a long path":        func(o []OpeningAnswer) []OpeningAnswer { o[0].Path = slices.Repeat(o[0].Path, 9); return o },
		"a short node":       func(o []OpeningAnswer) []OpeningAnswer { o[0].Path[0] = o[0].Path[0][1:]; return o },
		"too little sealed":  func(o []OpeningAnswer) []OpeningAnswer { o[0].Sealed = o[0].Sealed[1:]; return o },
		"too much sealed":    func(o []OpeningAnswer) []OpeningAnswer { o[0].Sealed = append(o[0].Sealed, 0); return o },
	} {
		require.ErrorIs(t, s.Answer(1, 1, 2, spoil(s.openings(2, 1))), ErrInvalidAnswer, name)
		require.False(t, s.Complaints[0].Answered, name)
	}
	require.ErrorIs(t, s.Answer(3, 1, 2, s.openings(2, 1)), ErrUnknownComplaint, "it is not about member 3")
	require.ErrorIs(t, s.Answer(1, 1, 4, s.openings(2, 1)), ErrUnknownComplaint)
	require.ErrorIs(t, s.Answer(1, 2, 2, s.openings(2, 1)), ErrWrongAttempt)
	require.NoError(t, s.Answer(1, 1, 2, s.openings(2, 1)))
	require.ErrorIs(t, s.Answer(1, 1, 2, s.openings(2, 1)), ErrAnswered)
}

func TestOnlyTheKeyOfTheComplaintDecidesWhoIsGuilty(t *testing.T) {
	s := confirming(t, 4)
	s.complain(2, 1, 3)
	s.complain(4, 3)
	_, err := s.reveal(2, 1, nil)
	require.ErrorIs(t, err, ErrWrongStatus)
	advance(t, s.Epoch, 111, EPOCH_STATUS_ANSWERING)
	answer := wrong(s.openings(2, 1))
	require.NoError(t, s.Answer(1, 1, 2, answer))
	advance(t, s.Epoch, 121, EPOCH_STATUS_REVEALING)
	_, err = s.reveal(2, 4, nil)
	require.ErrorIs(t, err, ErrUnknownComplaint)
	_, err = s.reveal(2, 3, nil)
	require.ErrorIs(t, err, ErrUnknownComplaint, "it was not answered")
	for name, key := range map[string][]byte{"another": s.keys[[2]uint32{2, 3}], "none": nil, "short": answer[0].Sealed[:31]} {
		_, err = s.Reveal(s.id, 2, 1, 1, key, ComplaintAnswer{Openings: answer})
		require.ErrorIs(t, err, ErrInvalidMessage, name)
	}
	require.Empty(t, s.Absences)
	_, err = s.Reveal(s.id, 2, 2, 1, s.keys[[2]uint32{2, 1}], ComplaintAnswer{Openings: answer})
	require.ErrorIs(t, err, ErrWrongAttempt)
	_, err = s.reveal(2, 1, answer)
	require.NoError(t, err)
	_, err = s.reveal(2, 1, answer)
	require.ErrorIs(t, err, ErrAnswered)
}

// A right opening that was sealed for another set, accuser or set-up is a wrong answer.
func TestAnAnswerOpensInItsPlaceOnly(t *testing.T) {
	for name, move := range map[string]func(*prss.AnswerContext){
		"set-up":  func(c *prss.AnswerContext) { c.Setup[0] ^= 1 },
		"accuser": func(c *prss.AnswerContext) { c.Accuser = 3 },
		"accused": func(c *prss.AnswerContext) { c.Accused = 4 },
		"set":     func(c *prss.AnswerContext) { c.Set++ },
	} {
		s := confirming(t, 4)
		s.complain(2, 1)
		advance(t, s.Epoch, 111, EPOCH_STATUS_ANSWERING)
		answer := s.openings(2, 1)
		position := int(answer[0].Set)
		_, _, opening := s.contributions[1].Answer(position)
		context := prss.AnswerContext{Setup: s.id, Accused: 1, Accuser: 2, Set: position}
		move(&context)
		sealed, err := prss.SealOpening(s.random, s.Complaints[0].RecipientKey, context, opening)
		require.NoError(t, err)
		answer[0].Sealed = sealed
		require.NoError(t, s.Answer(1, 1, 2, answer))
		advance(t, s.Epoch, 111, EPOCH_STATUS_REVEALING)
		guilty, err := s.reveal(2, 1, answer)
		require.NoError(t, err)
		require.EqualValues(t, 1, guilty.Index, name)
	}
}

func TestAnOpeningOfAnotherCommitmentIsAWrongAnswer(t *testing.T) {
	s := confirming(t, 4)
	s.complain(2, 1)
	advance(t, s.Epoch, 111, EPOCH_STATUS_ANSWERING)
	answer := s.openings(2, 1)
	position := int(answer[0].Set)
	_, _, opening := s.contributions[1].Answer(position)
	opening[0] ^= 1
	context := prss.AnswerContext{Setup: s.id, Accused: 1, Accuser: 2, Set: position}
	sealed, err := prss.SealOpening(s.random, s.Complaints[0].RecipientKey, context, opening)
	require.NoError(t, err)
	answer[0].Sealed = sealed
	require.NoError(t, s.Answer(1, 1, 2, answer))
	advance(t, s.Epoch, 111, EPOCH_STATUS_REVEALING)
	guilty, err := s.reveal(2, 1, answer)
	require.NoError(t, err)
	require.Equal(t, Conviction{Index: 1, Kind: EVIDENCE_KIND_WRONG_ANSWER}, guilty)
}

func TestWithMoreThanTConvictedTheSetUpFails(t *testing.T) {
	s := confirming(t, 4)
	s.complain(2, 1)
	s.complain(3, 4)
	advance(t, s.Epoch, 111, EPOCH_STATUS_ANSWERING)
	for _, pair := range [][2]uint32{{2, 1}, {3, 4}} {
		require.NoError(t, s.Answer(pair[1], 1, pair[0], wrong(s.openings(pair[0], pair[1]))))
	}
	advance(t, s.Epoch, 112, EPOCH_STATUS_REVEALING)
	for _, pair := range [][2]uint32{{2, 1}, {3, 4}} {
		_, err := s.reveal(pair[0], pair[1], wrong(s.openings(pair[0], pair[1])))
		require.NoError(t, err)
	}
	require.Len(t, advance(t, s.Epoch, 112, EPOCH_STATUS_FAILED), 1)
	require.Empty(t, s.Complaints)
	require.False(t, s.Live())
}

func TestTheNextAttemptGoesOnWithoutTheConvicted(t *testing.T) {
	s := confirming(t, 4)
	s.complain(2, 1)
	advance(t, s.Epoch, 111, EPOCH_STATUS_ANSWERING)
	answer := wrong(s.openings(2, 1))
	require.NoError(t, s.Answer(1, 1, 2, answer))
	advance(t, s.Epoch, 112, EPOCH_STATUS_REVEALING)
	_, err := s.reveal(2, 1, answer)
	require.NoError(t, err)
	advance(t, s.Epoch, 112, EPOCH_STATUS_CONCLUDING)
	advance(t, s.Epoch, 122, EPOCH_STATUS_COMMITTING) // nobody confirmed
	require.EqualValues(t, 2, s.Attempt)
	require.Empty(t, s.Complaints)
	require.Empty(t, s.Dropped)
	require.ErrorIs(t, s.CommitRoot(1, 2, digest(1), 123), ErrConvicted)
	for index := uint32(2); index <= 4; index++ {
		require.NoError(t, s.CommitRoot(index, 2, digest(1), 123))
	}
	advance(t, s.Epoch, 123, EPOCH_STATUS_CONFIRMING) // and is not waited for
	for index := uint32(2); index <= 4; index++ {
		require.NoError(t, s.Confirm(index, 2, digest(9), 0, 124))
	}
	advance(t, s.Epoch, 124, EPOCH_STATUS_ACTIVE)
	require.Equal(t, []uint32{1}, s.Excluded())
}

func TestASetLeftWithTContributionsEndsTheAttempt(t *testing.T) {
	s := confirming(t, 4)
	whole := uint32(3) // the set of all four, last in everybody's list
	require.NoError(t, s.Complain(4, 1, []Grievance{s.grievance(4, 1, whole), s.grievance(4, 2, whole), s.grievance(4, 3, whole)}))
	advance(t, s.Epoch, 111, EPOCH_STATUS_ANSWERING)
	advance(t, s.Epoch, 121, EPOCH_STATUS_COMMITTING)
	require.EqualValues(t, 2, s.Attempt)

	s = confirming(t, 4)
	require.NoError(t, s.Complain(4, 1, []Grievance{s.grievance(4, 1, whole), s.grievance(4, 2, whole)}))
	advance(t, s.Epoch, 111, EPOCH_STATUS_ANSWERING)
	advance(t, s.Epoch, 121, EPOCH_STATUS_CONCLUDING)
}

func TestTheSetUpDoesNotWaitForRemovedMembers(t *testing.T) {
	s := confirming(t, 4)
	s.complain(2, 1)
	s.confirm(1, 4)
	_, err := s.Remove(3, 102)
	require.NoError(t, err)
	advance(t, s.Epoch, 102, EPOCH_STATUS_ANSWERING)
	_, err = s.Remove(1, 102)
	require.NoError(t, err)
	advance(t, s.Epoch, 103, EPOCH_STATUS_FAILED) // two of four are left: not for answers, and not at all
}

func TestTheRoundTripIsTheLowerMedianOfThoseWhoAgree(t *testing.T) {
	for _, c := range []struct {
		micros []uint32
		want   uint32
	}{
		{[]uint32{900, 100, 300, 200}, 200},
		{[]uint32{0, 100, 300, 200}, 200},
		{[]uint32{0, 0, 300, 200}, 200},
		{[]uint32{0, 0, 0, 0}, 0},
		{[]uint32{1 << 31, 1 << 31, 1 << 31, 1}, maxRoundTripMicros},
	} {
		s := confirming(t, 4)
		for i, micros := range c.micros {
			require.NoError(t, s.Confirm(uint32(i+1), 1, digest(9), micros, 102))
		}
		advance(t, s.Epoch, 102, EPOCH_STATUS_ACTIVE)
		require.Equal(t, c.want, s.RoundTripMicros)
	}
	s := confirming(t, 4)
	require.NoError(t, s.Confirm(1, 1, digest(7), 1, 102)) // of another transcript
	for index := uint32(2); index <= 4; index++ {
		require.NoError(t, s.Confirm(index, 1, digest(9), 500, 102))
	}
	advance(t, s.Epoch, 102, EPOCH_STATUS_ACTIVE)
	require.EqualValues(t, 500, s.RoundTripMicros)
}
