package party

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/tfhe"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// requireSilence demands that no result of a request was sent.
func (w *world) requireSilence(id []byte) {
	w.t.Helper()
	w.chain.mu.Lock()
	defer w.chain.mu.Unlock()
	for who := range w.chain.results {
		require.NotEqual(w.t, string(id), who[:len(id)], "a result was sent")
	}
}

func (w *world) requireReason(id []byte, reason status.Reason) {
	w.t.Helper()
	for _, n := range w.nodes[1:] {
		w.eventually(string(reason), func() bool {
			r := w.at(n.index, id)
			return r.State == status.StateRefused && r.Reason == reason
		})
	}
}

func TestBytesWithAnotherDigestAreRefusedUntilTheStoreIsHonest(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	public := w.publicKey(key)
	for _, c := range []struct {
		reason status.Reason
		answer func(string, []byte) []byte
	}{
		{status.ReasonDigest, func(_ string, stored []byte) []byte { return append([]byte{1}, stored[1:]...) }},
		{status.ReasonUnavailable, func(string, []byte) []byte { return nil }},
		{status.ReasonTooLarge, func(string, []byte) []byte { return make([]byte, 1<<20) }},
	} {
		w.blobs.behave(c.answer)
		id := w.decrypt(key, w.encrypt(public, tfhe.EUint8, number(33)))
		w.requireReason(id, c.reason)
		w.wait(20)
		w.requireSilence(id)
		w.blobs.behave(nil)
		w.requireValues(id, number(33))
	}
}

// Party 4 is away, so that every share counts: a party that had used the items of
// the request that it cannot work on for another one would spoil both.
func TestAPartyWithoutABlobUsesItsItemsForNothingElse(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	public := w.publicKey(key)
	for _, n := range w.nodes[1:] {
		w.eventually("stock", func() bool { return n.board.Party().Main().StockItems > 0 })
	}
	w.stop(4)
	held := w.encrypt(public, tfhe.EUint64, number(11))
	w.nodes[2].without.Store(fmt.Sprintf("%x", w.chain.digests[[32]byte(held)]))
	missing := w.decrypt(key, held)
	w.eventually("the blob is missed", func() bool { return w.at(2, missing).Reason == status.ReasonUnavailable })
	for i := range int64(3) {
		w.requireValues(w.decrypt(key, w.encrypt(public, tfhe.EUint64, number(20+i))), number(20+i))
	}
	w.requireSilence(missing)
	w.nodes[2].without.Store("")
	w.requireValues(missing, number(11))
	w.requireOneAnswer()
}

func TestOneBadStoreDoesNotHoldUpOtherRequests(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.activeEpoch()
	key := w.activeKey()
	public := w.publicKey(key)
	for range 8 { // more than are downloaded at once
		w.decrypt(key, w.handle(tfhe.EUint8, [32]byte{1}))
	}
	w.requireValues(w.decrypt(key, w.encrypt(public, tfhe.EUint8, number(3))), number(3))
}

func TestMalformedCiphertextsAreRefusedForGood(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	public := w.publicKey(key)
	list, err := public.Encrypt(zeros{}, tfhe.EUint64, number(1), true)
	require.NoError(t, err)
	raw, err := list.MarshalBinary()
	require.NoError(t, err)
	digest := w.blobs.put(raw)
	for name, handle := range map[string][]byte{
		"no ciphertext":   w.handle(tfhe.EUint8, w.blobs.put([]byte("no ciphertext"))),
		"trailing byte":   w.handle(tfhe.EUint64, w.blobs.put(append(append([]byte(nil), raw...), 0))),
		"wrong type":      w.handle(tfhe.EUint32, digest),
		"too many blocks": w.handle(tfhe.EBool, digest),
	} {
		id := w.decrypt(key, handle)
		w.requireReason(id, status.ReasonMalformed)
		w.requireSilence(id)
		require.Equal(t, kmstypes.REQUEST_STATUS_ACCEPTED, w.request(id).Status, name)
	}
	// Beside bytes that are missing it is refused all the same, and at once.
	id := w.decrypt(key, w.handle(tfhe.EUint8, [32]byte{7}), w.handle(tfhe.EUint32, digest))
	w.requireReason(id, status.ReasonMalformed)
	w.requireSilence(id)
}

// zeros are the coins of a test.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestOneSilentPartyDoesNotDelayWhatIsInStock(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	public := w.publicKey(key)
	for _, n := range w.nodes[1:] {
		w.eventually("stock", func() bool { return n.board.Party().Main().StockItems > 0 })
	}
	w.stop(4)
	id := w.decrypt(key, w.encrypt(public, tfhe.EUint64, number(1<<50)))
	w.requireValues(id, number(1<<50))
	require.True(t, w.at(1, id).FromStock)
}

// The items of the request are a whole batch: a party that would erase it, or use
// other items, after the restart could not finish. Party 4 is away all the time, so
// that every message of the other three is needed, those too that party 2 had
// received before it was restarted.
func TestAPartyRestartedInTheMiddleOfADecryptionAnswers(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	public := w.publicKey(key)
	for _, n := range w.nodes[1:] {
		w.eventually("stock", func() bool { return n.board.Party().Main().StockItems >= 512 })
	}
	w.stop(3)
	w.stop(4)
	id := w.decrypt(key, w.encrypt(public, tfhe.EUint256, number(1)), w.encrypt(public, tfhe.EUint256, number(2)),
		w.encrypt(public, tfhe.EUint256, number(3)), w.encrypt(public, tfhe.EUint256, number(4)))
	for _, i := range []int{1, 2} {
		w.eventually("two parties compute", func() bool { return w.at(i, id).State == status.StateComputing })
	}
	w.wait(10)
	w.stop(2)
	w.start(2, 3)
	w.requireValues(id, number(1), number(2), number(3), number(4))
	w.requireOneAnswer()
	for _, i := range []int{1, 2, 3} {
		w.eventually("the spent batch is erased", func() bool { return !w.hasBatch(i) })
	}
}

// hasBatch reports whether a party has the first batch under seal.
func (w *world) hasBatch(i int) bool {
	objects, err := w.nodes[i].store.List()
	require.NoError(w.t, err)
	return slices.ContainsFunc(objects, func(o seal.Object) bool {
		return o.Kind == kindBatch && strings.Contains(o.Key, "-batch-0000000000000000-")
	})
}

func TestAPartyThatComesBackWithSpentBatchesErasesThemAndGoesOn(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	public := w.publicKey(key)
	for _, n := range w.nodes[1:] {
		w.eventually("stock", func() bool { return w.hasBatch(n.index) })
	}
	w.stop(4)
	w.requireValues(w.decrypt(key, w.encrypt(public, tfhe.EUint256, number(1)), w.encrypt(public, tfhe.EUint256, number(2)),
		w.encrypt(public, tfhe.EUint256, number(3)), w.encrypt(public, tfhe.EUint256, number(4))), number(1), number(2), number(3), number(4))
	require.True(t, w.hasBatch(4))
	w.start(4)
	w.eventually("the spent batch is erased", func() bool { return !w.hasBatch(4) })
	w.stop(1)
	w.requireValues(w.decrypt(key, w.encrypt(public, tfhe.EUint8, number(5))), number(5))
}

func TestResultsThatAreLostArePostedAgainAndTheSame(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	w.chain.setAlter(dropResults)
	id := w.decrypt(key, w.encrypt(w.publicKey(key), tfhe.EUint8, number(8)))
	for _, n := range w.nodes[1:] {
		w.eventually("posted", func() bool { return w.at(n.index, id).State == status.StatePosted })
	}
	w.stop(1)
	w.chain.setAlter(nil)
	w.start(1)
	w.requireValues(id, number(8))
	w.requireOneAnswer()
}

func TestANodeThatFailsForAWhileCostsNoAnswer(t *testing.T) {
	w := newWorld(t, 4, nil)
	w.activeEpoch()
	key := w.activeKey()
	id := w.decrypt(key, w.encrypt(w.publicKey(key), tfhe.EUint8, number(8)))
	w.chain.setFailing(errors.New("the node is overloaded"))
	w.wait(20)
	w.eventually("the trouble shows", func() bool { return w.nodes[1].board.Party().Failing })
	w.chain.setFailing(nil)
	w.requireValues(id, number(8))
}

func TestRequestsThatMustNotBeAnsweredAreRefused(t *testing.T) {
	good := func() *kmstypes.Request {
		handle := func(i byte) []byte { return append(append([]byte{i}, make([]byte, 29)...), 2, 0) }
		return &kmstypes.Request{
			Id: make([]byte, 32), KeyId: make([]byte, 32), Kind: kmstypes.REQUEST_KIND_PUBLIC_DECRYPTION,
			Domain: acltypes.VerifierDomain{VerifyingContract: make([]byte, 20)},
			Ciphertexts: []kmstypes.Ciphertext{
				{Handle: handle(1), Digest: make([]byte, 32), Blocks: 4, FirstItem: 14},
				{Handle: handle(2), Digest: make([]byte, 32), Blocks: 4, FirstItem: 10},
			},
		}
	}
	require.NoError(t, checkRequest(good(), 16))
	for name, spoil := range map[string]func(*kmstypes.Request){
		"another kind":           func(r *kmstypes.Request) { r.Kind += 2 },
		"short id":               func(r *kmstypes.Request) { r.Id = r.Id[1:] },
		"short key id":           func(r *kmstypes.Request) { r.KeyId = nil },
		"no contract":            func(r *kmstypes.Request) { r.Domain.VerifyingContract = nil },
		"no ciphertext":          func(r *kmstypes.Request) { r.Ciphertexts = nil },
		"too many":               func(r *kmstypes.Request) { r.Ciphertexts = make([]kmstypes.Ciphertext, 5000) },
		"handle":                 func(r *kmstypes.Request) { r.Ciphertexts[0].Handle = nil },
		"digest":                 func(r *kmstypes.Request) { r.Ciphertexts[1].Digest = nil },
		"other number of blocks": func(r *kmstypes.Request) { r.Ciphertexts[0].Blocks = 5 },
		"one item for two":       func(r *kmstypes.Request) { r.Ciphertexts[0].FirstItem = 13 },
		"same items":             func(r *kmstypes.Request) { r.Ciphertexts[0].FirstItem = 10 },
		"overflow":               func(r *kmstypes.Request) { r.Ciphertexts[0].FirstItem = math.MaxUint64 - 1 },
	} {
		r := good()
		spoil(r)
		require.ErrorIs(t, checkRequest(r, 4), errRequest, name)
	}
}
