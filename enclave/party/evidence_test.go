package party

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// damageKeys changes a key of the set-up that a stopped party has under seal: all
// that it draws then is wrong, signed and sent like what is right.
func (w *world) damageKeys(i int, epoch uint64) {
	w.t.Helper()
	store := w.nodes[i].store
	objects, err := store.List()
	require.NoError(w.t, err)
	at := slices.IndexFunc(objects, func(o seal.Object) bool { return o.Kind == kindKeys && o.Epoch == epoch })
	require.NotEqual(w.t, -1, at)
	keys, err := store.Get(objects[at])
	require.NoError(w.t, err)
	keys[len(keys)-40] ^= 1 // the last set is that of all parties
	require.NoError(w.t, store.Put(objects[at], keys))
}

// requireConvicted waits until the chain has convicted member 4 of a wrong vector.
func (w *world) requireConvicted(epoch uint64, protocol string) {
	w.t.Helper()
	w.eventually("member 4 is convicted", func() bool { return slices.Equal(w.convicted(epoch), []uint32{4}) })
	w.eventually("the culprit shows", func() bool {
		return slices.ContainsFunc(w.nodes[1].board.Party().Culprits, func(c status.Culprit) bool {
			return c.Index == 4 && c.Moniker == w.record(w.nodes[4]).Moniker && c.Protocol == protocol && c.Evidence == "wrong-vector"
		})
	})
}

func TestAMemberWithWrongSharesOfABatchIsConvictedAndTheRestGoOn(t *testing.T) {
	w := newWorld(t, 4, nil)
	epoch := w.activeEpoch()
	key := w.activeKey()
	public := w.publicKey(key)
	w.stop(4)
	w.damageKeys(4, epoch)
	w.start(4)
	// More items than can be in stock.
	id := w.decrypt(key, w.encrypt(public, tfhe.EUint2048, number(6)))
	w.requireConvicted(epoch, "offline batch")
	w.requireValues(id, number(6))
	w.requireOneAnswer()
	w.requireValues(w.decrypt(key, w.encrypt(public, tfhe.EUint8, number(7))), number(7))
}

func TestAMemberWithWrongSharesOfAKeyIsConvictedAndTheNextAttemptIsMadeWithoutIt(t *testing.T) {
	w := newWorld(t, 4, nil)
	epoch := w.activeEpoch()
	w.stop(4)
	w.damageKeys(4, epoch)
	w.start(4)
	id := w.requestKey()
	w.requireConvicted(epoch, protocolBits)
	w.eventually("the key is active", func() bool { now := w.key(id); return now.Status == kmstypes.KEY_STATUS_ACTIVE })
	require.NotZero(t, w.key(id).Attempt)
	w.requireValues(w.decrypt(id, w.encrypt(w.publicKey(id), tfhe.EUint8, number(5))), number(5))
}
