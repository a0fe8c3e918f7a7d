package app_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/testutil/apptest"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// reshare takes a refresh from its set-up to its end by the messages of all parties.
func (w *world) reshare(id uint64) {
	w.t.Helper()
	w.EachParty(w.parties, func(p *apptest.Party) sdk.Msg {
		return &partiestypes.MsgCommitSetup{Account: p.Address().String(), EpochId: id, Attempt: 1, Root: apptest.Transcript}
	})
	w.EachParty(w.parties, func(p *apptest.Party) sdk.Msg {
		return &partiestypes.MsgConfirmSetup{Account: p.Address().String(), EpochId: id, Attempt: 1, Transcript: apptest.Transcript}
	})
	require.Equal(w.t, [][]byte{w.key}, w.Epoch(id).Resharing.KeyIds)
	digest := bytes.Repeat([]byte{5}, partiestypes.DigestSize)
	w.EachParty(w.parties, func(p *apptest.Party) sdk.Msg {
		return &partiestypes.MsgCommitResharing{Account: p.Address().String(), EpochId: id, Attempt: 1, Digest: digest}
	})
	w.EachParty(w.parties, func(p *apptest.Party) sdk.Msg {
		return &partiestypes.MsgReceiveResharing{Account: p.Address().String(), EpochId: id, Attempt: 1, Received: []uint32{1, 2, 3, 4}}
	})
	require.Equal(w.t, w.epoch, w.keyRecord(w.key).EpochId, "until the new shares are proven the key is where it was")
	w.EachParty(w.parties, func(p *apptest.Party) sdk.Msg {
		return &partiestypes.MsgConfirmResharing{Account: p.Address().String(), EpochId: id, Attempt: 1, Transcript: digest}
	})
}

func TestARefreshLosesNoRequest(t *testing.T) {
	w := newWorld(t)
	earlier := w.ask(alice, w.request(alice, w.disclosed(w.host, handles.Uint64)...)).RequestId
	w.MustGovern(&partiestypes.MsgRotate{Authority: w.Authority()})
	next := w.epoch + 1
	require.Equal(t, partiestypes.EPOCH_STATUS_COMMITTING, w.Epoch(next).Status)
	w.reshare(next)
	require.Equal(t, partiestypes.EPOCH_STATUS_ACTIVE, w.Epoch(next).Status)
	require.Equal(t, partiestypes.EPOCH_STATUS_DRAINING, w.Epoch(w.epoch).Status)
	require.Equal(t, next, w.keyRecord(w.key).EpochId)

	// What was asked before is answered by the epoch before, what is asked now by the new one.
	later := w.ask(alice, w.request(alice, w.disclosed(w.host, handles.Uint64)...)).RequestId
	require.Equal(t, w.epoch, w.record(earlier).EpochId)
	require.Equal(t, next, w.record(later).EpochId)
	w.answer(later, w.plaintext(later, 8), w.parties...)
	require.Equal(t, partiestypes.EPOCH_STATUS_DRAINING, w.Epoch(w.epoch).Status)
	w.answer(earlier, w.plaintext(earlier, 7), w.parties...)
	for _, id := range [][]byte{earlier, later} {
		require.Equal(t, kmstypes.REQUEST_STATUS_FULFILLED, w.record(id).Status)
	}
	w.Blocks(1)
	require.Equal(t, partiestypes.EPOCH_STATUS_RETIRED, w.Epoch(w.epoch).Status)
}
