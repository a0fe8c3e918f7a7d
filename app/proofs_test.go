package app_test

import (
	"bytes"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	ics23 "github.com/cosmos/ics23/go"
	"github.com/stretchr/testify/require"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// proven returns the value of a key as of the last block, which a light client believes by its application
// hash; nil if the key is proven to be absent.
func (w *world) proven(store string, key []byte) []byte {
	w.t.Helper()
	response, err := w.App.Query(w.t.Context(), &abci.RequestQuery{Path: "/store/" + store + "/key", Data: key, Height: w.Height, Prove: true})
	require.NoError(w.t, err)
	require.Zero(w.t, response.Code, response.Log)
	require.Len(w.t, response.ProofOps.Ops, 2)
	var inner, outer ics23.CommitmentProof
	require.NoError(w.t, inner.Unmarshal(response.ProofOps.Ops[0].Data))
	require.NoError(w.t, outer.Unmarshal(response.ProofOps.Ops[1].Data))
	root, err := inner.Calculate()
	require.NoError(w.t, err)
	require.True(w.t, ics23.VerifyMembership(ics23.TendermintSpec, w.AppHash, &outer, []byte(store), root), "%s under the application hash", store)
	if len(response.Value) == 0 {
		require.True(w.t, ics23.VerifyNonMembership(ics23.IavlSpec, root, &inner, key), "absence of %s/%x at height %d", store, key, w.Height)
		return nil
	}
	require.True(w.t, ics23.VerifyMembership(ics23.IavlSpec, root, &inner, key, response.Value), "presence of %s/%x at height %d", store, key, w.Height)
	return response.Value
}

func (w *world) requireProven(store string, key []byte) {
	w.t.Helper()
	require.NotNil(w.t, w.proven(store, key))
}

// requireAbsenceProvable proves, of every kind of record that parties and relayers read by proof, that
// records are not there: below, above and between those that may be.
func (w *world) requireAbsenceProvable() {
	w.t.Helper()
	for _, fill := range []byte{0x00, 0x7f, 0xff} {
		id := bytes.Repeat([]byte{fill}, 32)
		id[31] = 1
		require.Nil(w.t, w.proven(kmstypes.StoreKey, kmstypes.StoreKeyOfKey(id)))
		require.Nil(w.t, w.proven(kmstypes.StoreKey, kmstypes.StoreKeyOfRequest(id)))
	}
	for _, number := range []uint64{0, 77, 1 << 40, ^uint64(0)} {
		require.Nil(w.t, w.proven(kmstypes.StoreKey, kmstypes.StoreKeyOfItemCounter(number)))
		require.Nil(w.t, w.proven(partiestypes.StoreKey, partiestypes.PartyKey(number)))
		require.Nil(w.t, w.proven(partiestypes.StoreKey, partiestypes.EpochKey(number)))
		require.Nil(w.t, w.proven(partiestypes.StoreKey, partiestypes.EvidenceKey(number)))
		require.Nil(w.t, w.proven(partiestypes.StoreKey, partiestypes.SetupAnswerKey(number, 2, 3)))
		require.Nil(w.t, w.proven(acltypes.StoreKey, acltypes.StoreKeyOfHostChain(number)))
	}
	for _, height := range []uint64{0, uint64(w.Height) + 1, ^uint64(0)} {
		require.Nil(w.t, w.proven(kmstypes.StoreKey, kmstypes.StoreKeyOfWork(height)))
	}
}

func TestAbsenceOfEveryRecordIsProvableInEveryState(t *testing.T) {
	w := emptyWorld(t)
	active := func() []byte { return w.proven(partiestypes.StoreKey, partiestypes.ActiveEpochKey()) }
	step := func(do func()) { do(); w.requireAbsenceProvable() }

	step(func() { w.Blocks(2) }) // the node proves nothing of the first block
	require.Nil(t, active())
	step(func() { w.acceptImage(); w.Register(w.enclaves, w.parties...) })
	require.Nil(t, active())
	step(func() { w.epoch = w.Form(w.parties...) }) // the first index with an empty value
	require.Nil(t, active())
	step(func() { w.SetUp(w.epoch, w.parties...) })
	require.NotNil(t, active())
	step(func() { w.registerHost(w.host) })
	step(func() { w.key = w.activeKey(hostID) })
	require.Nil(t, w.proven(kmstypes.StoreKey, kmstypes.StoreKeyOfItemCounter(w.epoch)), "no item is given yet")
	step(func() { w.Blocks(10) })

	var id []byte
	step(func() { id = w.ask(alice, w.request(alice, w.disclosed(w.host, handles.Uint64)...)).RequestId })
	accepted := uint64(w.Height)
	for _, key := range [][]byte{
		kmstypes.StoreKeyOfRequest(id), kmstypes.StoreKeyOfKey(w.key), kmstypes.StoreKeyOfWork(accepted), kmstypes.StoreKeyOfItemCounter(w.epoch),
	} {
		w.requireProven(kmstypes.StoreKey, key)
	}
	w.requireProven(partiestypes.StoreKey, partiestypes.PartyKey(1))
	w.requireProven(partiestypes.StoreKey, partiestypes.EpochKey(w.epoch))
	w.requireProven(acltypes.StoreKey, acltypes.StoreKeyOfHostChain(hostID))
	step(func() { w.NextBlock() })
	require.Nil(t, w.proven(kmstypes.StoreKey, kmstypes.StoreKeyOfWork(accepted+1)), "the block accepted nothing")
	step(func() { w.answer(id, w.plaintext(id, 1), w.parties...) })
	step(func() { w.Blocks(10) })
	step(func() { w.submit(w.parties[0], w.equivocation(w.session(id), w.parties[3])) })
	w.requireProven(partiestypes.StoreKey, partiestypes.EvidenceKey(1))
	expiring := w.disclosed(w.host, handles.Bool)
	step(func() { w.ask(alice, w.request(alice, expiring...)) })
	step(func() { w.Blocks(60) })
}
