package party

import (
	"context"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/tfhe"
	kmskeeper "github.com/tkms-network/tkms/x/kms/keeper"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partieskeeper "github.com/tkms-network/tkms/x/parties/keeper"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// rotate proposes a committee of nodes, and lets those that are new to it accept.
func (w *world) rotate(rehearsal bool, indices ...int) (epoch uint64) {
	w.t.Helper()
	server := partieskeeper.NewMsgServer(w.chain.parties)
	msg := &partiestypes.MsgRotate{Authority: w.chain.parties.Authority(), Rehearsal: rehearsal}
	for _, i := range indices {
		msg.PartyIds = append(msg.PartyIds, uint64(100+i))
	}
	w.chain.do(func(ctx context.Context) error {
		response, err := server.Rotate(ctx, msg)
		if err == nil {
			epoch = response.EpochId
		}
		return err
	})
	record := w.epoch(epoch)
	for _, member := range record.Members {
		if record.Status != partiestypes.EPOCH_STATUS_PROPOSED {
			break
		}
		w.chain.do(func(ctx context.Context) error {
			party, err := w.chain.parties.PartyByID(ctx, member.PartyId)
			if err != nil {
				return err
			}
			_, err = server.AcceptSeat(ctx, &partiestypes.MsgAcceptSeat{Operator: party.Operator, EpochId: epoch, PartyId: party.Id})
			return err
		})
		record = w.epoch(epoch)
	}
	return epoch
}

// serves waits until an epoch is active.
func (w *world) serves(epoch uint64) {
	w.t.Helper()
	w.eventually("the next epoch is active", func() bool {
		record := w.epoch(epoch)
		require.NotEqual(w.t, partiestypes.EPOCH_STATUS_FAILED, record.Status, "%v %v", record.Failure, record.Resharing)
		return record.Status == partiestypes.EPOCH_STATUS_ACTIVE
	})
}

// decrypts requires that a fresh ciphertext under a key is decrypted, by which epoch is
// returned.
func (w *world) decrypts(key []byte, value int64) (epoch uint64) {
	w.t.Helper()
	handle := w.encrypt(w.publicKey(key), tfhe.EUint16, big.NewInt(value))
	id := w.decrypt(key, handle)
	w.eventually("decrypted", func() bool { return w.request(id).Status == kmstypes.REQUEST_STATUS_FULFILLED })
	request := w.request(id)
	require.Equal(w.t, big.NewInt(value), new(big.Int).SetBytes(request.Plaintext))
	return request.EpochId
}

func TestSharesAreRefreshedWhileTheKeyServes(t *testing.T) {
	w := newWorld(t, 4, nil)
	first := w.activeEpoch()
	key := w.activeKey()
	require.Equal(t, first, w.decrypts(key, 4711))

	second := w.rotate(false)
	w.serves(second)
	require.Equal(t, second, w.decrypts(key, 4712))
	w.eventually("the old epoch is retired", func() bool { return w.epoch(first).Status == partiestypes.EPOCH_STATUS_RETIRED })
	for _, n := range w.nodes[1:] {
		w.eventually("its secrets are erased", func() bool { return !w.hasSecrets(n.index, first) })
		require.True(t, w.hasSecrets(n.index, second))
	}
	require.Len(t, w.epoch(second).Vouchers, 4)
}

func TestARehearsalDoesEverythingButActivate(t *testing.T) {
	w := newWorld(t, 4, nil)
	first := w.activeEpoch()
	key := w.activeKey()
	second := w.rotate(true)
	w.eventually("rehearsed", func() bool { return w.epoch(second).Status == partiestypes.EPOCH_STATUS_REHEARSED })
	require.Len(t, w.epoch(second).Resharing.Words, 4)
	for _, n := range w.nodes[1:] {
		w.eventually("its secrets are erased", func() bool { return !w.hasSecrets(n.index, second) })
	}
	require.Equal(t, first, w.decrypts(key, 12))
	require.Equal(t, first, w.key(key).EpochId)
}

func TestAResharingSurvivesARestartOfEveryPartyInEveryPhase(t *testing.T) {
	for _, phase := range []partiestypes.EpochStatus{
		partiestypes.EPOCH_STATUS_COMMITTING, partiestypes.EPOCH_STATUS_CONFIRMING, partiestypes.EPOCH_STATUS_RESHARING,
		partiestypes.EPOCH_STATUS_RECEIVING, partiestypes.EPOCH_STATUS_PROVING,
	} {
		t.Run(phase.String(), func(t *testing.T) {
			w := newWorld(t, 4, nil)
			first := w.activeEpoch()
			key := w.activeKey()
			w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
				if leads(msg) == phase {
					return nil // the chain waits in this phase
				}
				return msg
			})
			second := w.rotate(false)
			w.eventually("the phase", func() bool { return w.epoch(second).Status == phase })
			require.Equal(t, first, w.decrypts(key, 1), "the old epoch serves meanwhile")
			for i := 1; i <= 4; i++ {
				w.stop(i)
			}
			w.chain.setAlter(nil)
			w.startAll()
			w.serves(second)
			require.Equal(t, second, w.decrypts(key, 2))
		})
	}
}

// leads returns the phase that a message leads out of.
func leads(msg sdk.Msg) partiestypes.EpochStatus {
	switch msg.(type) {
	case *partiestypes.MsgCommitSetup:
		return partiestypes.EPOCH_STATUS_COMMITTING
	case *partiestypes.MsgConfirmSetup:
		return partiestypes.EPOCH_STATUS_CONFIRMING
	case *partiestypes.MsgCommitResharing:
		return partiestypes.EPOCH_STATUS_RESHARING
	case *partiestypes.MsgReceiveResharing:
		return partiestypes.EPOCH_STATUS_RECEIVING
	case *partiestypes.MsgConfirmResharing:
		return partiestypes.EPOCH_STATUS_PROVING
	}
	return partiestypes.EPOCH_STATUS_UNSPECIFIED
}

func TestOneSilentMemberDoesNotStopAResharing(t *testing.T) {
	w := newWorld(t, 4, quickResharing)
	w.activeEpoch()
	key := w.activeKey()
	w.stop(3)
	second := w.rotate(false)
	w.serves(second)
	require.True(t, w.excluded(second, 3))
	require.Equal(t, second, w.decrypts(key, 7))
	// It comes back, takes what it missed from the others, and is counted again.
	w.start(3)
	w.eventually("it has the keys and the shares", func() bool { return w.holds(3, key) && !w.excluded(second, 3) })
	w.stop(1)
	require.Equal(t, second, w.decrypts(key, 8), "its share is needed")
}

// quickResharing makes phases short that somebody is missing in.
func quickResharing(p *partiestypes.Params) {
	p.SetupCommitBlocks, p.SetupConfirmBlocks = 40, 60
	p.ReshareBlocks, p.ReceiveBlocks, p.ProveBlocks = 40, 40, 200
}

func TestAShareOfTheNewEpochThatIsLostIsMadeAgain(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	second := w.rotate(false)
	w.serves(second)
	w.eventually("it holds the share", func() bool { return w.holds(2, key) })
	w.stop(2)
	objects, err := w.nodes[2].store.List()
	require.NoError(t, err)
	for _, o := range objects {
		if o.Epoch == second && (o.Kind == kindKeyShare || o.Kind == kindVector) {
			require.NoError(t, w.nodes[2].store.Delete(o))
		}
	}
	w.start(2)
	w.eventually("it holds the share again", func() bool { return w.holds(2, key) })
	w.stop(4)
	require.Equal(t, second, w.decrypts(key, 9), "its share is right")
}

func TestAMemberThatHandsOverSomethingWrongIsNamed(t *testing.T) {
	w := newWorld(t, 4, nil)
	first := w.activeEpoch()
	key := w.activeKey()
	w.stop(4)
	w.damageShare(4, first)
	w.start(4)
	second := w.rotate(false)
	w.serves(second)
	require.Equal(t, []uint32{4}, w.convicted(first), "by the equal words of the new members")
	require.Equal(t, second, w.decrypts(key, 10))
}

// damageShare changes a share that a stopped party has under seal.
func (w *world) damageShare(i int, epoch uint64) {
	w.t.Helper()
	store := w.nodes[i].store
	objects, err := store.List()
	require.NoError(w.t, err)
	at := slices.IndexFunc(objects, func(o seal.Object) bool { return o.Kind == kindKeyShare && o.Epoch == epoch })
	require.NotEqual(w.t, -1, at)
	share, err := store.Get(objects[at])
	require.NoError(w.t, err)
	share[len(share)-40] ^= 1
	require.NoError(w.t, store.Put(objects[at], share))
}

func TestAResharingThatFailsLeavesTheOldEpochServing(t *testing.T) {
	w := newWorld(t, 4, func(p *partiestypes.Params) {
		quickResharing(p)
		p.MaxReshareAttempts = 2
	})
	first := w.activeEpoch()
	key := w.activeKey()
	w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
		if leads(msg) == partiestypes.EPOCH_STATUS_RECEIVING {
			return nil
		}
		return msg
	})
	second := w.rotate(false)
	w.eventually("failed", func() bool { return w.epoch(second).Status == partiestypes.EPOCH_STATUS_FAILED })
	require.Equal(t, partiestypes.EPOCH_FAILURE_RESHARING, w.epoch(second).Failure)
	require.Equal(t, first, w.decrypts(key, 11))
	for _, n := range w.nodes[1:] {
		w.eventually("what was tried is erased", func() bool { return !w.hasSecrets(n.index, second) })
	}
	w.chain.setAlter(nil)
	third := w.rotate(false)
	w.serves(third)
	require.Equal(t, third, w.decrypts(key, 12))
}

// hasSecrets reports whether a node has anything of an epoch under seal.
func (w *world) hasSecrets(i int, epoch uint64) bool {
	objects, err := w.nodes[i].store.List()
	require.NoError(w.t, err)
	for _, o := range objects {
		if secretOfEpoch(o.Kind) && o.Epoch == epoch {
			return true
		}
	}
	return false
}

func (w *world) excluded(epoch uint64, index uint32) bool {
	record := w.epoch(epoch)
	return record.IsExcluded(index)
}

func TestCommitteesGrowAndChangeAndWhoLeftIsPowerless(t *testing.T) {
	w := newWorld(t, 8, nil)
	w.set = smallSet
	first := w.activeEpoch(4)
	key := w.activeKey()
	require.Equal(t, first, w.decrypts(key, 1))
	// What party 1 has of the first epoch, an adversary keeps for ever.
	kept := w.keep(1)

	second := w.rotate(false, 1, 2, 3, 4, 5, 6, 7)
	w.serves(second)
	record := w.epoch(second)
	require.Equal(t, 7, record.N())
	require.EqualValues(t, 2, record.T)
	require.Equal(t, second, w.decrypts(key, 2))
	w.eventually("the first epoch is retired", func() bool { return w.epoch(first).Status == partiestypes.EPOCH_STATUS_RETIRED })

	third := w.rotate(false, 5, 6, 7, 8)
	w.serves(third)
	require.Equal(t, third, w.decrypts(key, 3))
	w.eventually("the second epoch is retired", func() bool { return w.epoch(second).Status == partiestypes.EPOCH_STATUS_RETIRED })
	for i := 1; i <= 4; i++ {
		w.eventually("who left has nothing", func() bool {
			return !w.hasSecrets(i, first) && !w.hasSecrets(i, second) && len(w.nodes[i].board.Party().Main().Keys) == 0
		})
		w.stop(i)
	}
	require.Equal(t, third, w.decrypts(key, 4), "nobody waits for them")

	// With all that it had it is nobody: the chain takes nothing from it, members do not
	// talk to it, and what it put back goes again.
	for object, raw := range kept {
		require.NoError(t, w.nodes[1].store.Put(object, raw))
	}
	w.start(1)
	w.eventually("it has nothing again", func() bool { return !w.hasSecrets(1, first) })
	id := w.decrypt(key, w.encrypt(w.publicKey(key), tfhe.EUint16, number(5)))
	w.eventually("decrypted", func() bool { return w.request(id).Status == kmstypes.REQUEST_STATUS_FULFILLED })
	w.chain.view(func(ctx context.Context) {
		_, err := kmskeeper.NewMsgServer(w.chain.kms).PostResults(ctx, &kmstypes.MsgPostResults{
			Account: w.account(1), Results: []kmstypes.Result{{RequestId: id, Attempt: 1, EpochId: third}},
		})
		require.ErrorIs(t, err, kmstypes.ErrNotMember)
	})
}

func TestManyMembersGenerateAKeyOfDealtRandomness(t *testing.T) {
	w := newWorld(t, 7, func(p *partiestypes.Params) { p.PrssMaxMembers = 4 })
	epoch := w.activeEpoch()
	record := w.epoch(epoch)
	require.True(t, record.Dealt)
	require.Empty(t, record.Roots, "there is no set-up")
	key := w.activeKey()
	require.Equal(t, epoch, w.decrypts(key, 1))
	w.stop(5)
	require.Equal(t, epoch, w.decrypts(key, 2))
	w.start(5)
	w.eventually("it holds the key again", func() bool { return w.holds(5, key) })
}

func TestSixteenMembersTakeOverAndGiveBack(t *testing.T) {
	w := newWorld(t, 16, nil)
	first := w.activeEpoch(4)
	key := w.activeKey()
	all := make([]int, 16)
	for i := range all {
		all[i] = i + 1
	}
	second := w.rotate(false, all...)
	w.serves(second)
	record := w.epoch(second)
	require.True(t, record.Dealt)
	require.EqualValues(t, 5, record.T)
	require.Equal(t, second, w.decrypts(key, 1))
	w.eventually("the first epoch is retired", func() bool { return w.epoch(first).Status == partiestypes.EPOCH_STATUS_RETIRED })
	third := w.rotate(false, 13, 14, 15, 16)
	w.serves(third)
	require.Equal(t, third, w.decrypts(key, 2))
}

// keep copies all that a running party has under seal of its epochs.
func (w *world) keep(i int) map[seal.Object][]byte {
	objects, err := w.nodes[i].store.List()
	require.NoError(w.t, err)
	kept := map[seal.Object][]byte{}
	for _, o := range objects {
		if raw, err := w.nodes[i].store.Get(o); err == nil && secretOfEpoch(o.Kind) {
			kept[o] = raw
		}
	}
	return kept
}
