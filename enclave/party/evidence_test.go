package party

import (
	"context"
	"encoding/hex"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/fault"
	kmskeeper "github.com/tkms-network/tkms/x/kms/keeper"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
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

// requireConvicted waits until the chain has convicted member 4 by evidence of a kind.
func (w *world) requireConvicted(epoch uint64, protocol, kind string) {
	w.t.Helper()
	w.eventually("member 4 is convicted", func() bool { return slices.Equal(w.convicted(epoch), []uint32{4}) })
	w.eventually("the culprit shows", func() bool {
		return slices.ContainsFunc(w.nodes[1].board.Party().Culprits, func(c status.Culprit) bool {
			return c.Index == 4 && c.Moniker == w.record(w.nodes[4]).Moniker && c.Protocol == protocol && c.Evidence == kind
		})
	})
}

func TestAMemberWithWrongSharesOfABatchIsConvictedAndTheRestGoOn(t *testing.T) {
	w := newWorld(t, 4, nil)
	epoch := w.activeEpoch()
	key := w.activeKey()
	public := w.publicKey(key)
	// Of a batch in the making it would sign a second vector, which is another offence.
	w.stocked()
	w.stop(4)
	w.damageKeys(4, epoch)
	w.start(4)
	// More items than can be in stock.
	id := w.decrypt(key, w.encrypt(public, tfhe.EUint2048, number(6)))
	w.requireConvicted(epoch, "offline batch", "wrong-vector")
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
	w.requireConvicted(epoch, keygen.Protocol(keygen.Exact, 0), "wrong-vector")
	w.eventually("the key is active", func() bool { now := w.key(id); return now.Status == kmstypes.KEY_STATUS_ACTIVE })
	require.Greater(t, w.key(id).Attempt, uint32(1))
	w.requireValues(w.decrypt(id, w.encrypt(w.publicKey(id), tfhe.EUint8, number(5))), number(5))
}

// lieIn has member 4, once the switch that it returns is on, send wrong shares and sign
// them in the machines of one type.
func lieIn[M mpc.Machine](w *world) *atomic.Bool {
	var on atomic.Bool
	liar := &fault.Party{Kind: fault.BadShare}
	w.nodes[4].wrap = func(session mpc.Digest, members sharing.Parties, identity *mpc.Identity, machine mpc.Machine) mpc.Machine {
		if _, ok := machine.(M); ok && on.Load() {
			return liar.Wrap(session, members, identity, machine)
		}
		return machine
	}
	return &on
}

// requireWrongOpening demands that the chain's evidence of a subject is that of wrong
// openings of member 4, in a protocol and maybe in those that followed.
func requireWrongOpening(t testing.TB, found []partiestypes.Evidence, subject []byte, protocol string) {
	t.Helper()
	require.True(t, slices.ContainsFunc(found, func(e partiestypes.Evidence) bool { return e.Protocol == protocol }))
	for _, e := range found {
		require.Equal(t, partiestypes.EVIDENCE_KIND_WRONG_OPENING, e.Kind)
		require.EqualValues(t, 4, e.Index)
		require.Equal(t, subject, e.Subject)
	}
}

func TestAMemberWithWrongSharesOfAValueIsConvictedUnderTheRequest(t *testing.T) {
	w := newWorld(t, 4, nil)
	lies := lieIn[*decrypt.Machine](w)
	epoch := w.activeEpoch()
	key := w.activeKey()
	public := w.publicKey(key)
	require.Empty(t, w.convicted(epoch))
	lies.Store(true)
	id := w.decrypt(key, w.encrypt(public, tfhe.EUint8, number(201)))
	w.requireValues(id, number(201))
	protocol := "decrypt/" + tfhe.PublicKeyEncryptionKey.String()
	w.requireConvicted(epoch, protocol, "wrong-opening")
	for i := 1; i < 4; i++ {
		w.eventually("the culprit shows with the request", func() bool { return slices.Equal(w.at(i, id).Culprits, []int{4}) })
	}
	w.chain.view(func(ctx context.Context) {
		found, err := kmskeeper.NewQueryServer(w.chain.kms).Request(ctx, &kmstypes.QueryRequestRequest{Id: hex.EncodeToString(id)})
		require.NoError(t, err)
		requireWrongOpening(t, found.Evidence, id, protocol)
	})
	w.requireValues(w.decrypt(key, w.encrypt(public, tfhe.EUint8, number(7))), number(7))
	w.requireOneAnswer()
}

func TestAMemberWithWrongSharesInTheOpeningsOfAKeyIsConvictedUnderTheKey(t *testing.T) {
	for protocol, lieIn := range map[string]func(*world) *atomic.Bool{
		keygen.Protocol(keygen.Exact, 2): lieIn[*keygen.Opening],
		"key test 0":                     lieIn[*decrypt.Machine],
	} {
		t.Run(protocol, func(t *testing.T) { requireKeyDespite(t, protocol, lieIn) })
	}
}

func requireKeyDespite(t *testing.T, protocol string, lieIn func(*world) *atomic.Bool) {
	w := newWorld(t, 4, nil)
	lieIn(w).Store(true)
	epoch := w.activeEpoch()
	id := w.requestKey()
	w.requireConvicted(epoch, protocol, "wrong-opening")
	require.False(t, slices.ContainsFunc(w.nodes[1].board.Party().Culprits, func(c status.Culprit) bool { return c.Evidence == "" }), "it is shown twice")
	w.chain.view(func(ctx context.Context) {
		found, err := kmskeeper.NewQueryServer(w.chain.kms).Key(ctx, &kmstypes.QueryKeyRequest{Id: hex.EncodeToString(id)})
		require.NoError(t, err)
		requireWrongOpening(t, found.Evidence, id, protocol)
	})
	w.eventually("the key is active", func() bool { return w.key(id).Status == kmstypes.KEY_STATUS_ACTIVE })
	w.requireValues(w.decrypt(id, w.encrypt(w.publicKey(id), tfhe.EUint8, number(5))), number(5))
}
