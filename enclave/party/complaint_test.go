package party

import (
	"crypto/rand"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// plenty of gas.
const plenty = 20_000_000

// shortPhases lets a set-up with complaints take half a minute at most. Members speak up
// in the last quarter of a phase, which a busy machine must leave them time for.
func shortPhases(p *partiestypes.Params) {
	p.SetupConfirmBlocks, p.SetupAnswerBlocks, p.SetupRevealBlocks = 240, 160, 120
}

// setupWithoutOpenings begins a set-up in which party 4 posts a root and is gone
// before anybody could ask for an opening, and waits for the complaints.
func (w *world) setupWithoutOpenings() uint64 {
	w.t.Helper()
	w.registerAll()
	epoch := w.form()
	var gone atomic.Bool
	w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
		if m, ok := msg.(*partiestypes.MsgCommitSetup); ok && m.Account == w.account(1) && !gone.Load() {
			return nil
		}
		return msg
	})
	w.chain.start()
	w.startAll()
	w.eventually("all roots but that of party 1", func() bool { return len(w.epoch(epoch).Roots) == 3 })
	w.stop(4)
	gone.Store(true)
	w.eventually("the others complain", func() bool {
		e := w.epoch(epoch)
		return e.Status == partiestypes.EPOCH_STATUS_ANSWERING && len(e.Complaints) == 3
	})
	for i, c := range w.epoch(epoch).Complaints {
		require.Equal(w.t, [2]uint32{uint32(i + 1), 4}, [2]uint32{c.Accuser, c.Accused})
		require.Len(w.t, c.Sets, 3)
	}
	w.requireSealedOpenings(1, epoch)
	return epoch
}

// requireSealedOpenings demands that a party has the openings of all but party 4
// on its disk: nobody has to show them again.
func (w *world) requireSealedOpenings(i int, epoch uint64) {
	w.t.Helper()
	roots := map[int]mpc.Digest{}
	for _, r := range w.epoch(epoch).Roots {
		roots[int(r.Index)] = mpc.Digest(r.Digest)
	}
	setup, err := prss.NewSetup(w.contribution(i, epoch), roots)
	require.NoError(w.t, err)
	raw, err := w.nodes[i].store.Get(seal.Object{Kind: kindOpenings, Key: "attempt-1", Epoch: epoch})
	require.NoError(w.t, err)
	require.NoError(w.t, setup.Restore(raw))
	require.Equal(w.t, sharing.PartiesOf(4), setup.Missing())
}

func (w *world) contribution(i int, epoch uint64) *prss.Contribution {
	w.t.Helper()
	raw, err := w.nodes[i].store.Get(seal.Object{Kind: kindContribution, Key: "attempt-1", Epoch: epoch})
	require.NoError(w.t, err)
	own, err := prss.UnmarshalContribution(raw)
	require.NoError(w.t, err)
	return own
}

// answer is what party 4 answers to an accuser, with what spoil makes of its
// openings.
func (w *world) answer(epoch uint64, complaint partiestypes.Complaint, spoil func([]byte)) *partiestypes.MsgAnswerComplaint {
	w.t.Helper()
	return answerOf(w.t, w.account(4), epoch, w.contribution(4, epoch), complaint, spoil)
}

func answerOf(t testing.TB, account string, epoch uint64, own *prss.Contribution, complaint partiestypes.Complaint, spoil func([]byte)) *partiestypes.MsgAnswerComplaint {
	t.Helper()
	msg := &partiestypes.MsgAnswerComplaint{Account: account, EpochId: epoch, Attempt: 1, Accuser: complaint.Accuser}
	for _, set := range complaint.Sets {
		commitment, path, opening := own.Answer(int(set))
		spoil(opening)
		context := prss.AnswerContext{Setup: partiestypes.SetupID(testChainID, epoch, 1), Accused: int(complaint.Accused), Accuser: int(complaint.Accuser), Set: int(set)}
		sealed, err := prss.SealOpening(rand.Reader, complaint.RecipientKey, context, opening)
		require.NoError(t, err)
		answer := partiestypes.OpeningAnswer{Set: set, Commitment: commitment, Sealed: sealed}
		for _, node := range path {
			answer.Path = append(answer.Path, node[:])
		}
		msg.Openings = append(msg.Openings, answer)
	}
	return msg
}

// requireWork demands that the committee makes a key and decrypts under it.
func (w *world) requireWork() {
	w.t.Helper()
	key := w.activeKey()
	w.requireValues(w.decrypt(key, w.encrypt(w.publicKey(key), tfhe.EUint8, number(77))), number(77))
}

func (w *world) convicted(epoch uint64) (convicted []uint32) {
	for _, a := range w.epoch(epoch).Absences {
		if a.Convicted {
			convicted = append(convicted, a.Index)
		}
	}
	return convicted
}

// sentBy counts the messages of one kind that a party sent.
func sentBy[M interface{ GetAccount() string }](w *world, i int) (count int) {
	w.chain.mu.Lock()
	defer w.chain.mu.Unlock()
	for _, msg := range w.chain.sent {
		if m, ok := msg.(M); ok && m.GetAccount() == w.account(i) {
			count++
		}
	}
	return count
}

func TestAMemberThatAnswersAComplaintWrongIsConvictedAndTheOthersGoOn(t *testing.T) {
	w := newWorld(t, 4, shortPhases)
	epoch := w.setupWithoutOpenings()
	w.stop(2)
	w.start(2) // its key to the answer outlives the process
	complaints := w.epoch(epoch).Complaints
	w.chain.accept(w.answer(epoch, complaints[0], func(opening []byte) { opening[63] ^= 1 }), plenty)
	for _, c := range complaints[1:] {
		w.chain.accept(w.answer(epoch, c, func([]byte) {}), plenty)
	}
	w.eventually("the epoch is active", func() bool { return w.epoch(epoch).Status == partiestypes.EPOCH_STATUS_ACTIVE })
	now := w.epoch(epoch)
	require.Equal(t, uint32(1), now.Attempt)
	require.Equal(t, []uint32{4}, w.convicted(epoch))
	require.Equal(t, []uint32{4}, now.Excluded())
	require.Equal(t, []partiestypes.Dropped{{Index: 4, Sets: complaints[0].Sets}}, now.Dropped)
	require.Len(t, now.Confirmations, 3)
	for _, c := range now.Confirmations {
		require.NotZero(t, c.RoundTripMicros)
	}
	for i := 1; i <= 3; i++ {
		require.Equal(t, i == 1, sentBy[*partiestypes.MsgRevealComplaint](w, i) > 0, "party %d", i)
	}
	w.eventually("what only the set-up needed is erased", func() bool {
		objects, err := w.nodes[1].store.List()
		require.NoError(t, err)
		for _, o := range objects {
			if o.Kind == kindOpenings || o.Kind == kindComplaint {
				return false
			}
		}
		return true
	})
	w.requireWork()
	// Convicted, it does not ask to come back.
	w.start(4)
	w.eventually("party 4 sees its conviction", func() bool {
		return strings.Contains(strings.Join(w.nodes[4].board.Party().Trouble, " "), "convicted by evidence")
	})
	height := w.nodes[4].board.Party().Height
	w.eventually("it had the time to", func() bool { return w.nodes[4].board.Party().Height > height+60 })
	require.Zero(t, sentBy[*partiestypes.MsgReady](w, 4))
}

func TestAMemberThatComplainsAboutARightAnswerIsConvictedAndNothingIsDropped(t *testing.T) {
	w := newWorld(t, 4, shortPhases)
	w.registerAll()
	epoch := w.form()
	w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
		if m, ok := msg.(*partiestypes.MsgConfirmSetup); ok && m.Account == w.account(4) {
			return nil
		}
		return msg
	})
	w.chain.start()
	w.startAll()
	w.eventually("the others confirm", func() bool { return len(w.epoch(epoch).Confirmations) == 3 })
	private, public, err := prss.NewComplaintKey(rand.Reader)
	require.NoError(t, err)
	w.chain.accept(&partiestypes.MsgComplainSetup{
		Account: w.account(4), EpochId: epoch, Attempt: 1,
		Grievances: []partiestypes.Grievance{{Accused: 1, Sets: []uint32{1, 3}, RecipientKey: public}},
	}, plenty)
	w.eventually("party 1 answers", func() bool { return w.epoch(epoch).Status == partiestypes.EPOCH_STATUS_REVEALING })
	w.chain.accept(&partiestypes.MsgRevealComplaint{Account: w.account(4), EpochId: epoch, Attempt: 1, Accused: 1, PrivateKey: private}, plenty)
	w.eventually("the epoch is active", func() bool { return w.epoch(epoch).Status == partiestypes.EPOCH_STATUS_ACTIVE })
	now := w.epoch(epoch)
	require.Equal(t, uint32(1), now.Attempt)
	require.Equal(t, []uint32{4}, w.convicted(epoch))
	require.Empty(t, now.Dropped)
	require.Len(t, now.Confirmations, 3)
	w.requireWork()
}

func TestASlowMemberAnswersWhatOthersComplainAboutAndIsNoCheat(t *testing.T) {
	w := newWorld(t, 4, shortPhases)
	epoch := w.setupWithoutOpenings()
	w.start(4)
	w.eventually("the epoch is active", func() bool { return w.epoch(epoch).Status == partiestypes.EPOCH_STATUS_ACTIVE })
	now := w.epoch(epoch)
	require.Equal(t, uint32(1), now.Attempt)
	require.Empty(t, w.convicted(epoch))
	require.Empty(t, now.Dropped)
	for i := 1; i <= 3; i++ {
		require.Zero(t, sentBy[*partiestypes.MsgRevealComplaint](w, i), "party %d", i)
	}
	w.eventually("party 4 is counted", func() bool { now := w.epoch(epoch); return len(now.Excluded()) == 0 })
	w.requireWork()
}

func TestAMemberThatNeverAnswersIsLeftOutAndItsSilenceIsNoGuilt(t *testing.T) {
	w := newWorld(t, 4, shortPhases)
	epoch := w.setupWithoutOpenings()
	w.eventually("the epoch is active", func() bool { return w.epoch(epoch).Status == partiestypes.EPOCH_STATUS_ACTIVE })
	now := w.epoch(epoch)
	require.Empty(t, w.convicted(epoch))
	require.Equal(t, []partiestypes.Dropped{{Index: 4, Sets: []uint32{0, 1, 2, 3}}}, now.Dropped)
	// Nothing of it is in any key; it comes in all the same.
	w.start(4)
	w.eventually("party 4 is counted", func() bool { now := w.epoch(epoch); return len(now.Excluded()) == 0 })
	w.requireWork()
}

// partial keeps what a machine sends from parties 1 and 2.
type partial struct{ mpc.Machine }

func (p partial) Start() ([]mpc.Message, error) {
	out, err := p.Machine.Start()
	return slices.DeleteFunc(out, func(m mpc.Message) bool { return m.To == 1 || m.To == 2 }), err
}

func TestKeysOfBeforeTheComplaintsGiveWayToThoseOfWhatIsLeft(t *testing.T) {
	w := newWorld(t, 4, shortPhases)
	w.nodes[4].wrap = func(_ mpc.Digest, _ sharing.Parties, _ *mpc.Identity, machine mpc.Machine) mpc.Machine {
		return partial{machine}
	}
	w.registerAll()
	epoch := w.form()
	w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
		if m, ok := msg.(*partiestypes.MsgAnswerComplaint); ok && m.Account == w.account(4) {
			return nil
		}
		return msg
	})
	w.chain.start()
	w.startAll()
	w.eventually("party 3 has keys with all that party 4 contributed", func() bool { return len(w.epoch(epoch).Confirmations) == 2 })
	w.eventually("the epoch is active", func() bool { return w.epoch(epoch).Status == partiestypes.EPOCH_STATUS_ACTIVE })
	now := w.epoch(epoch)
	require.Equal(t, uint32(1), now.Attempt)
	require.Empty(t, w.convicted(epoch))
	require.Len(t, now.Dropped, 1)
	require.Equal(t, uint32(4), now.Dropped[0].Index)
	w.stop(4) // its faults are of no further interest; party 3 is needed now
	w.requireWork()
}

func TestTheWorstSetUpOfTheLargestCommitteeFitsIntoItsTransactions(t *testing.T) {
	const n = 13
	w := newWorld(t, n, func(p *partiestypes.Params) { shortPhases(p); p.SetupAnswerBlocks = 2 })
	w.registerAll()
	epoch := w.form()
	contributions := make([]*prss.Contribution, n+1)
	lists := make([][]sharing.Parties, n+1)
	for i := 1; i <= n; i++ {
		var err error
		contributions[i], err = prss.NewContribution(rand.Reader, partiestypes.SetupID(testChainID, epoch, 1), i, n, 4)
		require.NoError(t, err)
		lists[i], err = prss.SetsOf(n, 4, i)
		require.NoError(t, err)
		root := contributions[i].Root()
		w.chain.accept(&partiestypes.MsgCommitSetup{Account: w.account(i), EpochId: epoch, Attempt: 1, Root: root[:]}, plenty)
	}
	w.chain.block()
	private, public, err := prss.NewComplaintKey(rand.Reader)
	require.NoError(t, err)
	for accuser := 1; accuser < n; accuser++ {
		msg := &partiestypes.MsgComplainSetup{Account: w.account(accuser), EpochId: epoch, Attempt: 1}
		for accused := 1; accused <= n; accused++ {
			if accused == accuser {
				continue
			}
			g := partiestypes.Grievance{Accused: uint32(accused), RecipientKey: public}
			if len(msg.Grievances) > 0 {
				_, g.RecipientKey, err = prss.NewComplaintKey(rand.Reader)
				require.NoError(t, err)
			}
			for set, members := range lists[accused] {
				if members.Has(accuser) {
					g.Sets = append(g.Sets, uint32(set))
				}
			}
			msg.Grievances = append(msg.Grievances, g)
		}
		w.chain.accept(msg, plenty)
	}
	w.chain.accept(&partiestypes.MsgConfirmSetup{Account: w.account(n), EpochId: epoch, Attempt: 1, Transcript: make([]byte, 32)}, plenty)
	w.chain.block()
	now := w.epoch(epoch)
	require.Equal(t, partiestypes.EPOCH_STATUS_ANSWERING, now.Status)
	require.Len(t, now.Complaints, (n-1)*(n-1))
	require.Equal(t, uint32(2), now.Complaints[0].Accused)

	answer := answerOf(t, w.account(2), epoch, contributions[2], now.Complaints[0], func([]byte) {})
	require.Less(t, answer.Size(), 250<<10)
	w.chain.accept(answer, plenty)
	for range 3 {
		w.chain.block()
	}
	require.Equal(t, partiestypes.EPOCH_STATUS_REVEALING, w.epoch(epoch).Status)
	w.chain.accept(&partiestypes.MsgRevealComplaint{Account: w.account(1), EpochId: epoch, Attempt: 1, Accused: 2, PrivateKey: private}, plenty)
	w.chain.block()
	require.Equal(t, []uint32{1}, w.convicted(epoch))
}
