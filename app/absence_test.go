package app_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/tkms-network/tkms/app/ante"
	"github.com/tkms-network/tkms/testutil/apptest"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// report has parties say, in one block, who is silent now.
func (w *world) report(indices []uint32, reporters ...*apptest.Party) {
	w.t.Helper()
	generation := w.Epoch(w.epoch).Generation
	w.EachParty(reporters, func(p *apptest.Party) sdk.Msg {
		return &partiestypes.MsgReportAbsent{Account: p.Address().String(), EpochId: w.epoch, Generation: generation, Indices: indices}
	})
}

func (w *world) readyOf(p *apptest.Party, generation uint32) sdk.Msg {
	digest := partiestypes.ReadyDigest(apptest.Transcript, generation)
	return &partiestypes.MsgReady{Account: p.Address().String(), EpochId: w.epoch, Digest: digest[:]}
}

func (w *world) excluded() []uint32 {
	epoch := w.Epoch(w.epoch)
	return epoch.Excluded()
}

func TestAnAbsentPartyIsExcludedByReportsAndReturnsByReady(t *testing.T) {
	w := newWorld(t)
	w.Blocks(10)
	dave := w.parties[3]

	w.report([]uint32{4}, w.parties[0])
	w.Blocks(absenceBlocks + 1)
	require.Empty(t, w.excluded(), "one report of four parties is none")
	w.report([]uint32{4}, w.parties[1])
	w.Blocks(absenceBlocks - 1)
	require.Empty(t, w.excluded())
	w.Blocks(1)
	require.Equal(t, []uint32{4}, w.excluded())
	require.EqualValues(t, 2, w.Epoch(w.epoch).Generation)
	requireRefused(t, partiestypes.ErrOldGeneration, w.DeliverParty(w.parties[0].Account,
		&partiestypes.MsgReportAbsent{Account: w.parties[0].Address().String(), EpochId: w.epoch, Generation: 1, Indices: []uint32{2}}))

	// The others serve without it, and what it signs counts nevertheless.
	id := w.ask(alice, w.request(alice, w.disclosed(w.host, handles.Uint64)...)).RequestId
	w.answer(id, w.plaintext(id, 42), dave)
	w.answer(id, w.plaintext(id, 42), w.parties[:2]...)
	require.Equal(t, kmstypes.REQUEST_STATUS_FULFILLED, w.record(id).Status)
	require.Equal(t, []uint32{4}, w.excluded(), "only READY brings it back")

	// A second one is not excluded: three must remain.
	w.report([]uint32{3}, w.parties[0], w.parties[1])
	w.Blocks(absenceBlocks + 1)
	require.Equal(t, []uint32{4}, w.excluded())
	w.report(nil, w.parties[0], w.parties[1])

	requireRefused(t, partiestypes.ErrReadyDigest, w.DeliverParty(dave.Account, w.readyOf(dave, 1)))
	require.Zero(t, w.DeliverParty(dave.Account, w.readyOf(dave, 2)).Code)
	w.Blocks(readyBlocks - 1)
	require.Equal(t, []uint32{4}, w.excluded())
	w.Blocks(1)
	require.Empty(t, w.excluded())
	require.EqualValues(t, 3, w.Epoch(w.epoch).Generation)

	id = w.ask(alice, w.request(alice, w.disclosed(w.host, handles.Uint64)...)).RequestId
	w.answer(id, w.plaintext(id, 43), w.parties[1:]...)
	counted, err := w.certificate(id).Verify()
	require.NoError(t, err)
	require.Equal(t, []uint32{2, 3, 4}, counted)
}

func TestAWordOfAPartyVoidsReportsOfItsAbsence(t *testing.T) {
	w := newWorld(t)
	w.report([]uint32{4}, w.parties[0], w.parties[1])
	w.Blocks(absenceBlocks - 2)
	id := w.ask(alice, w.request(alice, w.disclosed(w.host, handles.Uint64)...)).RequestId
	w.answer(id, w.plaintext(id, 1), w.parties[3])
	w.Blocks(absenceBlocks)
	require.Empty(t, w.excluded())
}

func TestAnUnansweredRequestExpiresReturnsItsFeeAndMayBeAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.Blocks(10)
	batch := w.disclosed(w.host, handles.Uint64)
	had := w.balance(alice.Address())
	id := w.ask(alice, w.request(alice, batch...)).RequestId
	const price, gas = 32*10 + 7, apptest.DefaultGas / 1000
	plaintext := w.plaintext(id, 42)
	stale := w.result(id, w.parties[2], plaintext)
	w.answer(id, plaintext, w.parties[:2]...)
	require.Equal(t, had-price-gas, w.balance(alice.Address()))

	w.Blocks(int(w.record(id).Deadline - w.Height - 1))
	require.Equal(t, kmstypes.REQUEST_STATUS_ACCEPTED, w.record(id).Status)
	w.Blocks(1)
	require.Equal(t, kmstypes.REQUEST_STATUS_EXPIRED, w.record(id).Status)
	require.Equal(t, had-gas, w.balance(alice.Address()))
	require.Equal(t, kmstypes.Totals{Requests: 1}, w.totals())
	requireRefused(t, kmstypes.ErrClosed, w.DeliverParty(w.parties[2].Account, results(w.parties[2], stale)))

	firstItem, count := w.record(id).Items()
	response := w.ask(bob, w.request(bob, batch...))
	require.True(t, response.Created)
	require.Equal(t, id, response.RequestId)
	again := w.record(id)
	require.EqualValues(t, 2, again.Attempt)
	nextItem, _ := again.Items()
	require.Equal(t, firstItem+count, nextItem, "an item is never given twice")
	requireRefused(t, kmstypes.ErrWrongAttempt, w.DeliverParty(w.parties[2].Account, results(w.parties[2], stale)))
	w.answer(id, plaintext, w.parties...)
	require.Equal(t, kmstypes.REQUEST_STATUS_FULFILLED, w.record(id).Status)
}

func TestTheLaneIsClosedToPartiesThatAreRemovedOrWhoseAttestationLapsed(t *testing.T) {
	w := newWorld(t)
	p := w.parties[3]
	w.MustGovern(&partiestypes.MsgRemoveParty{Authority: w.Authority(), PartyId: p.ID})
	require.Equal(t, []uint32{4}, w.excluded())
	requireRefused(t, ante.ErrNotAParty, w.DeliverParty(p.Account, w.readyOf(p, 2)))

	parties, err := w.App.Parties.Params.Get(w.Ctx())
	require.NoError(t, err)
	w.Wait(parties.AttestationLifetime)
	first := w.parties[0]
	requireRefused(t, partiestypes.ErrAttestationLapsed, w.DeliverParty(first.Account, w.readyOf(first, 2)))
	w.MustDeliver(first.Operator, w.Registration(w.enclaves, first)) // renewed by a new document
	require.Zero(t, w.DeliverParty(first.Account, w.readyOf(first, 2)).Code)
}

func TestTheLaneCarriesNobodysMessagesForAnother(t *testing.T) {
	w := newWorld(t)
	requireRefused(t, ante.ErrNotAParty, w.DeliverParty(alice, &partiestypes.MsgReady{Account: alice.Address().String(), EpochId: w.epoch, Digest: apptest.Transcript}))
	// Paying and ordered is no way round for a stranger either.
	requireRefused(t, ante.ErrNotUnordered, w.Deliver(alice, &partiestypes.MsgReady{Account: alice.Address().String(), EpochId: w.epoch, Digest: apptest.Transcript}))
	// A party's other messages are everybody's: they cost.
	requireRefused(t, ante.ErrFeeTooLow, w.DeliverParty(w.parties[0].Account, send(w.parties[0].Account)))
	// Another party's message is not signed by it.
	requireRefused(t, sdkerrors.ErrInvalidPubKey, w.DeliverParty(w.parties[0].Account, w.readyOf(w.parties[1], 1)))
	require.Zero(t, w.DeliverParty(w.parties[1].Account, w.readyOf(w.parties[1], 1)).Code)
}
