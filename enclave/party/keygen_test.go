package party

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// share returns a party's sealed share of a key, nil if there is none.
func (w *world) share(i int, id []byte) *keygen.KeyShare {
	key := w.key(id)
	raw, err := w.nodes[i].store.Get(keyObject(kindKeyShare, &key))
	if err != nil {
		require.ErrorIs(w.t, err, seal.ErrNotFound)
		return nil
	}
	defer raw.Zero()
	share, err := keygen.UnmarshalKeyShare(raw)
	require.NoError(w.t, err)
	return share
}

// height is that of the newest block.
func (w *world) height() int64 {
	w.chain.mu.Lock()
	defer w.chain.mu.Unlock()
	return w.chain.height
}

// wait lets the chain make some blocks.
func (w *world) wait(blocks int64) {
	until := w.height() + blocks
	w.eventually("blocks", func() bool { return w.height() >= until })
}

func TestNothingIsOpenedBeforeTheChainAgreesOnTheSharedBits(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
		if m, ok := msg.(*kmstypes.MsgCommitKeyEcho); ok && (m.Account == w.account(2) || m.Account == w.account(3)) {
			return nil
		}
		return msg
	})
	id := w.requestKey()
	w.eventually("two digests", func() bool { return len(w.key(id).Echoes) == 2 })
	w.wait(20)
	for _, n := range w.nodes[1:] {
		require.Nil(t, w.share(n.index, id))
	}
	// A message that got lost is posted again.
	w.chain.setAlter(nil)
	w.eventually("the key is active", func() bool { return w.key(id).Status == kmstypes.KEY_STATUS_ACTIVE })
}

func TestAPartyThatSeesAnotherDigestStops(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
		if m, ok := msg.(*kmstypes.MsgCommitKeyEcho); ok && m.Account != w.account(3) {
			m.Digest = bytes.Repeat([]byte{1}, 32)
		}
		return msg
	})
	id := w.requestKey()
	w.eventually("the chain agrees on what nobody made", func() bool { return len(w.key(id).EchoDigest) > 0 })
	w.wait(40)
	require.Empty(t, w.key(id).Contributions)
	for _, n := range w.nodes[1:] {
		require.Nil(t, w.share(n.index, id))
	}
}

func TestAPartyRestartedInTheMiddleOfKeyGenerationTakesPart(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	w.chain.setAlter(func(msg sdk.Msg) sdk.Msg {
		if _, ok := msg.(*kmstypes.MsgCommitKeyEcho); ok {
			return nil
		}
		return msg
	})
	id := w.requestKey()
	w.wait(20) // the offline stage is over, or under way
	w.stop(2)
	w.chain.setAlter(nil)
	w.start(2)
	w.eventually("all parties have a word", func() bool { return len(w.key(id).Contributions) == 4 })
	require.Equal(t, kmstypes.KEY_STATUS_ACTIVE, w.key(id).Status)
}

func TestAPartyWithoutItsShareRebuildsIt(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	id := w.activeKey()
	key := w.key(id)
	before := w.share(2, id)
	// Who loses a batch in the making is told what was opened by t+1 that finished it:
	// too few are left here.
	w.stocked()
	w.stop(2)
	w.stop(3)
	for _, kind := range []string{kindKeyShare, kindKeyOpened} {
		require.NoError(t, w.nodes[2].store.Delete(keyObject(kind, &key)))
	}
	// Party 3 has a damaged share: it needs nobody for what it keeps beside it.
	require.NoError(t, w.nodes[3].store.Put(keyObject(kindKeyShare, &key), []byte("damaged")))
	w.start(2, 3)
	for _, i := range []int{2, 3} {
		w.eventually("the share is rebuilt", func() bool { return w.holds(i, id) })
	}
	require.Equal(t, before.Part(tfhe.SecretCompute), w.share(2, id).Part(tfhe.SecretCompute))
	w.stop(1)
	w.requireValues(w.decrypt(id, w.encrypt(w.publicKey(id), tfhe.EUint16, number(4711))), number(4711))
}

func TestALiarAloneDoesNotDecideWhatAShareIsRebuiltFrom(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	id := w.activeKey()
	key := w.key(id)
	raw, err := w.nodes[1].store.Get(keyObject(kindKeyOpened, &key))
	require.NoError(t, err)
	before := w.share(2, id)
	w.stop(2)
	raw[100] ^= 1
	require.NoError(t, w.nodes[1].store.Put(keyObject(kindKeyOpened, &key), raw))
	for _, kind := range []string{kindKeyShare, kindKeyOpened} {
		require.NoError(t, w.nodes[2].store.Delete(keyObject(kind, &key)))
	}
	// The liar and one honest member: no t+1 say the same.
	w.stop(4)
	w.start(2)
	w.wait(40)
	require.False(t, w.holds(2, id))
	w.start(4)
	w.eventually("the share is rebuilt", func() bool { return w.holds(2, id) })
	require.Equal(t, before.Part(tfhe.SecretPKE), w.share(2, id).Part(tfhe.SecretPKE))
}

func TestASilentPartyDelaysAKeyAndRebuildsItsShareLater(t *testing.T) {
	w := newWorld(t, 4, nil)
	epoch := w.activeEpoch()
	w.stop(4)
	id := w.requestKey()
	w.eventually("the silent party is excluded", func() bool { now := w.epoch(epoch); return fmt.Sprint(now.Excluded()) == "[4]" })
	w.eventually("the key is active", func() bool { return w.key(id).Status == kmstypes.KEY_STATUS_ACTIVE })
	w.start(4)
	w.eventually("the share is rebuilt", func() bool { return w.holds(4, id) })
	w.eventually("party 4 is counted again", func() bool { now := w.epoch(epoch); return len(now.Excluded()) == 0 })
	w.stop(3)
	w.requireValues(w.decrypt(id, w.encrypt(w.publicKey(id), tfhe.EUint8, number(42))), number(42))
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func TestOneRequestMayMixCiphertextsUnderBothKeys(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	id := w.activeKey()
	raw, err := clientkey.Encrypt(rand.Reader, w.clientKey(id), tfhe.EUint8, number(99))
	require.NoError(t, err)
	public := w.publicKey(id)
	request := w.decrypt(id, w.encrypt(public, tfhe.EBool, number(1)), w.handle(tfhe.EUint8, w.blobs.put(raw)), w.encrypt(public, tfhe.EUint32, number(123456)))
	w.requireValues(request, number(1), number(99), number(123456))
}
