package party

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/tfhe"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func (w *world) account(i int) string { return w.record(w.nodes[i]).Account }

func TestAPartyRestartedBeforeTheConfirmationOpensTheRootThatItPosted(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.registerAll()
	epoch := w.form()
	w.chain.start()
	w.start(1, 2, 3)
	w.eventually("three roots", func() bool { return len(w.epoch(epoch).Roots) == 3 })
	before := w.epoch(epoch).Roots[1].Digest
	w.stop(2)
	w.start(2, 4)
	w.eventually("the epoch is active", func() bool { return w.epoch(epoch).Status == partiestypes.EPOCH_STATUS_ACTIVE })
	require.Equal(t, before, w.epoch(epoch).Roots[1].Digest)
	require.Len(t, w.epoch(epoch).Confirmations, 4)
	require.Equal(t, uint32(1), w.epoch(epoch).Attempt)
}

func TestAPartyThatLostItsKeysBeforeTheConfirmationGetsTheOpeningsAgain(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.registerAll()
	epoch := w.form()
	w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
		if m, ok := msg.(*partiestypes.MsgConfirmSetup); ok && m.Account == w.account(2) {
			return nil
		}
		return msg
	})
	w.chain.start()
	w.startAll()
	keys := seal.Object{Kind: kindKeys, Key: "attempt-1", Epoch: epoch}
	w.eventually("the others confirm, and party 2 would", func() bool {
		raw, err := w.nodes[2].store.Get(keys)
		raw.Zero()
		return err == nil && len(w.epoch(epoch).Confirmations) == 3
	})
	// Nobody's process remembers the session; party 2 has nothing but its contribution.
	for _, n := range w.nodes[1:] {
		w.stop(n.index)
	}
	require.NoError(t, w.nodes[2].store.Delete(keys))
	require.NoError(t, w.nodes[2].store.Delete(seal.Object{Kind: kindOpenings, Key: "attempt-1", Epoch: epoch}))
	w.chain.setAlter(nil)
	w.startAll()
	w.eventually("the epoch is active", func() bool { return w.epoch(epoch).Status == partiestypes.EPOCH_STATUS_ACTIVE })
	require.Len(t, w.epoch(epoch).Confirmations, 4)
	excluded := w.epoch(epoch)
	require.Empty(t, excluded.Excluded())
}

func TestAPartyThatMissedTheSetUpComesInWithKeysAndNotBefore(t *testing.T) {
	w := newWorld(t, 4, func(p *partiestypes.Params) { p.SetupCommitBlocks = 60 })
	w.registerAll()
	epoch := w.form()
	w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
		if m, ok := msg.(*partiestypes.MsgReady); ok {
			raw, err := w.nodes[4].store.Get(seal.Object{Kind: kindKeys, Key: "attempt-1", Epoch: epoch})
			if raw.Zero(); err != nil || m.Account != w.account(4) {
				t.Errorf("READY of %s without keys: %v", m.Account, err)
			}
		}
		return msg
	})
	w.chain.start()
	w.start(1, 2, 3)
	w.eventually("the epoch is active", func() bool { return w.epoch(epoch).Status == partiestypes.EPOCH_STATUS_ACTIVE })
	now := w.epoch(epoch)
	require.Equal(t, []uint32{4}, now.Excluded())
	w.start(4)
	w.eventually("party 4 is counted again", func() bool { now := w.epoch(epoch); return len(now.Excluded()) == 0 })
	key := w.activeKey()
	w.stop(1) // without party 4 there is no quorum now
	w.requireValues(w.decrypt(key, w.encrypt(w.publicKey(key), tfhe.EUint8, number(77))), number(77))
}

func TestAnEpochThatEndsIsLeftAndItsSecretsAreErased(t *testing.T) {
	w := newWorld(t, 4, nil)
	epoch := w.activeEpoch()
	key := w.activeKey()
	public := w.publicKey(key)
	set := func(status partiestypes.EpochStatus) {
		w.chain.do(func(ctx context.Context) error {
			e, err := w.chain.parties.EpochByID(ctx, epoch)
			if err != nil {
				return err
			}
			e.Status = status
			return w.chain.parties.Epochs.Set(ctx, epoch, e)
		})
	}
	w.requireValues(w.decrypt(key, w.encrypt(public, tfhe.EUint8, number(5))), number(5))
	set(partiestypes.EPOCH_STATUS_RETIRED)
	for _, n := range w.nodes[1:] {
		w.eventually("the secrets are erased", func() bool { return !w.hasSecrets(n.index, epoch) })
	}
	again := w.form()
	w.eventually("the next epoch is active", func() bool { return w.epoch(again).Status == partiestypes.EPOCH_STATUS_ACTIVE })
}
