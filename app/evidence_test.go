package app_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/app/ante"
	"github.com/tkms-network/tkms/enclave/evidence"
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/apptest"
	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/kms/handles"
	kmskeeper "github.com/tkms-network/tkms/x/kms/keeper"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// session is one of the committee for a request or key.
func (w *world) session(subject []byte) mpc.Session {
	return mpc.Session{
		ChainID: w.ChainID, Subject: subject, Parameters: "p", Epoch: w.epoch, Attempt: 1, Protocol: "decrypt",
		Parties: sharing.AllParties(len(w.parties)), T: sharing.Threshold(len(w.parties)),
	}
}

// equivocation proves that a party signed two roots in a session.
func (w *world) equivocation(session mpc.Session, p *apptest.Party) []byte {
	w.t.Helper()
	e := transcript.Equivocation{Phase: transcript.PhaseOpenings, Party: int(p.Index)}
	for i := range e.Signed {
		st := transcript.Statement{Session: session.ID(), Phase: e.Phase, Party: e.Party, Root: mpc.Hash("root", []byte{byte(i)})}
		digest := st.Digest()
		e.Signed[i] = transcript.Signed{Root: st.Root, Signature: ed25519.Sign(p.SessionKey(), digest[:])}
	}
	raw, err := evidence.New(session, e).Encode()
	require.NoError(w.t, err)
	return raw
}

func (w *world) trySubmit(p *apptest.Party, raw []byte) *abci.ExecTxResult {
	w.t.Helper()
	return w.DeliverParty(p.Account, &partiestypes.MsgSubmitEvidence{Account: p.Address().String(), EpochId: w.epoch, Evidence: raw})
}

func (w *world) submit(p *apptest.Party, raw []byte) {
	w.t.Helper()
	result := w.trySubmit(p, raw)
	require.Zero(w.t, result.Code, result.Log)
}

func TestACheatIsConvictedForFreeAndShownWithItsRequest(t *testing.T) {
	w := newWorld(t)
	w.Blocks(10)
	dave := w.parties[3]
	id := w.ask(alice, w.request(alice, w.disclosed(w.host, handles.Uint64)...)).RequestId
	raw := w.equivocation(w.session(id), dave)
	requireRefused(t, ante.ErrNotAParty, w.DeliverParty(alice, &partiestypes.MsgSubmitEvidence{Account: alice.Address().String(), EpochId: w.epoch, Evidence: raw}))
	had := w.balance(w.parties[0].Address())
	w.submit(w.parties[0], raw)
	require.Equal(t, had, w.balance(w.parties[0].Address()))
	require.Equal(t, []uint32{4}, w.excluded())
	requireRefused(t, partiestypes.ErrKnownEvidence, w.trySubmit(w.parties[1], raw))
	requireRefused(t, partiestypes.ErrInvalidEvidence, w.trySubmit(w.parties[1], raw[1:]))
	requireRefused(t, partiestypes.ErrConvicted, w.DeliverParty(dave.Account, w.readyOf(dave, 2)))

	response, err := kmskeeper.NewQueryServer(w.App.KMS).Request(w.Ctx(), &kmstypes.QueryRequestRequest{Id: hex.EncodeToString(id)})
	require.NoError(t, err)
	require.Len(t, response.Evidence, 1)
	require.EqualValues(t, 4, response.Evidence[0].Index)
	require.Equal(t, partiestypes.EVIDENCE_KIND_EQUIVOCATION, response.Evidence[0].Kind)

	// The others serve the request, and the next.
	w.answer(id, w.plaintext(id, 42), w.parties[:3]...)
	require.Equal(t, kmstypes.REQUEST_STATUS_FULFILLED, w.record(id).Status)
}

func TestAKeyIsGeneratedAnewWithoutACheat(t *testing.T) {
	w := newWorld(t)
	w.Blocks(10)
	w.registerHost(acltest.New(otherID, 4, "other chain"))
	var response kmstypes.MsgRequestKeyResponse
	w.Response(w.MustDeliver(alice, &kmstypes.MsgRequestKey{Requester: alice.Address().String(), HostChainId: otherID, Params: kmstypes.ProductionPKE}), &response)
	key := response.KeyId
	require.EqualValues(t, 1, w.keyRecord(key).Attempt)
	w.submit(w.parties[0], w.equivocation(w.session(key), w.parties[1]))
	require.EqualValues(t, 2, w.keyRecord(key).Attempt, "in the same block")
	require.Equal(t, []uint32{2}, w.keyRecord(key).Without)
}

func TestTheLongestEvidenceFitsIntoAPartysTransaction(t *testing.T) {
	w := newWorld(t)
	w.Blocks(10)
	params, err := w.App.Parties.Params.Get(w.Ctx())
	require.NoError(t, err)
	params.MaxEvidenceBytes = 255 << 10
	require.NoError(t, params.Validate())
	require.Error(t, func() error { params.MaxEvidenceBytes++; return params.Validate() }())
	requireRefused(t, partiestypes.ErrInvalidEvidence, w.trySubmit(w.parties[0], make([]byte, 255<<10)))
	requireRefused(t, ante.ErrPartyTxTooLarge, w.trySubmit(w.parties[0], make([]byte, ante.MaxPartyTxBytes)))
}
