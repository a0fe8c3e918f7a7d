package keeper_test

import (
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/kms/eip712"
	"github.com/tkms-network/tkms/x/parties/types"
)

func TestWhoHandedOverWrongVectorsIsConvictedByTheQuorum(t *testing.T) {
	r := newRotation(t)
	id := r.rotate(types.MsgRotate{PartyIds: []uint64{5, 6, 7, 1}})
	r.setUp(id)
	r.reshare(id, 3)
	r.requireStatus(id, types.EPOCH_STATUS_ACTIVE)
	response, err := r.queries.Evidence(r.ctx, &types.QueryEvidenceRequest{})
	require.NoError(t, err)
	require.Len(t, response.Evidence, 1)
	found := response.Evidence[0]
	require.Equal(t, types.EVIDENCE_KIND_WRONG_RESHARING, found.Kind)
	require.Equal(t, []uint64{1, 3, 3, 0}, []uint64{found.EpochId, uint64(found.Index), found.PartyId, found.Reporter})
	before := r.epoch(1)
	require.Equal(t, []uint32{3}, before.Excluded())
	require.ErrorIs(t, r.report(r.parties[2], 1), types.ErrConvicted)
	require.ErrorIs(t, r.certify(r.parties[2], id), types.ErrConvicted)
	genesis, err := r.keeper.ExportGenesis(r.ctx)
	require.NoError(t, err)
	require.NoError(t, genesis.Validate())
}

func TestOnlyMembersOfEachCommitteeHaveAWordInItsPart(t *testing.T) {
	r := newRotation(t)
	id := r.rotate(types.MsgRotate{PartyIds: []uint64{2, 3, 4, 5}})
	alice, erin := r.parties[0], r.parties[4]
	r.setUp(id)
	require.ErrorIs(t, r.commitVectors(erin, id), types.ErrNotMember)
	_, err := r.messages.CommitResharing(r.ctx, &types.MsgCommitResharing{Account: alice.Account, EpochId: 1, Attempt: 1, Digest: r.secret("", "")})
	require.ErrorIs(t, err, types.ErrWrongStatus, "epoch 1 takes nothing over")
	_, err = r.messages.CommitResharing(r.ctx, &types.MsgCommitResharing{Account: alice.Account, EpochId: 9, Attempt: 1, Digest: r.secret("", "")})
	require.ErrorIs(t, err, types.ErrUnknownEpoch)
	_, err = r.messages.CommitResharing(r.ctx, &types.MsgCommitResharing{Account: "nobody", EpochId: id, Attempt: 1, Digest: r.secret("", "")})
	require.ErrorIs(t, err, types.ErrInvalidMessage)
	_, err = r.messages.CommitResharing(r.ctx, &types.MsgCommitResharing{Account: alice.Account, EpochId: id, Attempt: 2, Digest: r.secret("", "")})
	require.ErrorIs(t, err, types.ErrWrongAttempt)
	require.NoError(t, r.commitVectors(r.parties[1], id))
	require.Equal(t, uint32(2), r.epoch(id).Resharing.Digests[0].Index, "bob is 2 in epoch 1, 1 in epoch 2")
	lapsed := r.ctx
	r.ctx = r.ctx.WithBlockTime(alice.AttestedUntil)
	require.ErrorIs(t, r.commitVectors(alice, id), types.ErrAttestationLapsed)
	r.ctx = lapsed
	for _, party := range []types.Party{alice, r.parties[2], r.parties[3]} {
		require.NoError(t, r.commitVectors(party, id))
	}
	r.blocks(1)
	require.ErrorIs(t, r.receive(alice, id), types.ErrNotMember)
	require.NoError(t, r.receive(erin, id))
}

func TestARemovedPartyNeitherVetoesNorStallsARotation(t *testing.T) {
	r := newRotation(t)
	id := r.rotate(types.MsgRotate{})
	r.setUp(id)
	_, err := r.messages.RemoveParty(r.ctx, &types.MsgRemoveParty{Authority: address(t, "authority"), PartyId: 4})
	require.NoError(t, err)
	requireEvent(t, r.fixture, &types.EventMemberExcluded{EpochId: 1, Index: 4, Generation: 2})
	requireEvent(t, r.fixture, &types.EventMemberExcluded{EpochId: id, Index: 4, Generation: 2})
	require.ErrorIs(t, r.commitVectors(r.parties[3], id), types.ErrPartyRemoved)
	r.blocks(1)
	require.Equal(t, uint32(2), r.epoch(id).Resharing.Attempt)
	rest := r.parties[:3]
	for _, step := range []func(types.Party) error{
		func(p types.Party) error { return r.commitVectors(p, id) },
		func(p types.Party) error { return r.receive(p, id) },
		func(p types.Party) error { return r.confirmShares(p, id) },
	} {
		for _, party := range rest {
			require.NoError(t, step(party))
		}
		r.blocks(1)
	}
	r.requireStatus(id, types.EPOCH_STATUS_ACTIVE)
	epoch := r.epoch(id)
	require.Equal(t, []uint32{4}, epoch.Excluded())
	require.ErrorIs(t, r.ready(r.parties[3], id), types.ErrPartyRemoved)
}

func TestARotationThatFailsLeavesTheEpochBeforeAsItWas(t *testing.T) {
	r := newRotation(t)
	id := r.rotate(types.MsgRotate{})
	r.setUp(id)
	before := r.epoch(1)
	r.blocks(12)
	r.requireStatus(id, types.EPOCH_STATUS_FAILED)
	require.Equal(t, types.EPOCH_FAILURE_RESHARING, r.epoch(id).Failure)
	require.Equal(t, before, r.epoch(1))
	require.Empty(t, r.work.took)
	require.ErrorIs(t, r.receive(r.parties[0], id), types.ErrWrongStatus)
	r.rotate(types.MsgRotate{})
}

// certify has a member of epoch 1 sign the signers of an epoch.
func (r *rotation) certify(party types.Party, epoch uint64) error {
	return r.certifyAs(party, epoch, 2*r.epoch(epoch).T+1, chainID)
}

func (r *rotation) certifyAs(party types.Party, epoch uint64, threshold uint32, chain string) error {
	var signers [][20]byte
	for _, member := range r.epoch(epoch).Members {
		signers = append(signers, [20]byte(r.party(member.PartyId).SigningAddress))
	}
	key := secp256k1.PrivKeyFromBytes(r.secret(party.Moniker, "signing")).ToECDSA()
	signature, err := eip712.Sign(eip712.EpochVerification(chain, epoch, signers, threshold), key)
	require.NoError(r.t, err)
	_, err = r.messages.CertifyEpoch(r.ctx, &types.MsgCertifyEpoch{Account: party.Account, EpochId: epoch, Signature: signature})
	return err
}

func TestTheEpochBeforeCertifiesTheSigners(t *testing.T) {
	r := newRotation(t)
	id := r.rotate(types.MsgRotate{PartyIds: []uint64{5, 6, 7, 1}})
	require.ErrorIs(t, r.certify(r.parties[1], id), types.ErrWrongStatus, "it is not active")
	r.setUp(id)
	r.reshare(id)
	bob, carol := r.parties[1], r.parties[2]
	require.ErrorIs(t, r.certifyAs(bob, id, 2, chainID), types.ErrInvalidVoucher, "the threshold is 2t+1")
	require.ErrorIs(t, r.certifyAs(bob, id, 3, "elsewhere-1"), types.ErrInvalidVoucher)
	require.ErrorIs(t, r.certify(r.parties[4], id), types.ErrNotMember, "erin was not in epoch 1")
	_, err := r.messages.CertifyEpoch(r.ctx, &types.MsgCertifyEpoch{Account: bob.Account, EpochId: id, Signature: make([]byte, 65)})
	require.ErrorIs(t, err, types.ErrInvalidVoucher)
	stolen := bob
	stolen.Account = carol.Account
	require.ErrorIs(t, r.certify(stolen, id), types.ErrInvalidVoucher)

	require.NoError(t, r.certify(carol, id))
	require.NoError(t, r.certify(bob, id))
	require.NoError(t, r.certify(bob, id), "repeating it is no fault")
	vouchers := r.epoch(id).Vouchers
	require.Len(t, vouchers, 2)
	require.Equal(t, []uint32{2, 3}, []uint32{vouchers[0].Index, vouchers[1].Index})
	r.work.busy[1] = false
	r.blocks(1)
	r.requireStatus(1, types.EPOCH_STATUS_RETIRED)
	require.NoError(t, r.certify(r.parties[0], id), "after the epoch has ended, too: it takes no share")
	_, err = r.messages.CertifyEpoch(r.ctx, &types.MsgCertifyEpoch{Account: bob.Account, EpochId: 1, Signature: make([]byte, 65)})
	require.ErrorIs(t, err, types.ErrWrongStatus, "nobody was before epoch 1")
}

// The chain is exported and imported at each step of a rotation and goes on from there.
func TestARotationGoesOnAfterAnExportAtAnyStep(t *testing.T) {
	r := newRotation(t)
	reload := func() {
		genesis, err := r.keeper.ExportGenesis(r.ctx)
		require.NoError(t, err)
		require.NoError(t, genesis.Validate())
		next := newEmptyFixture(t)
		next.ctx = next.ctx.WithBlockHeight(r.ctx.BlockHeight()).WithBlockTime(r.ctx.BlockTime())
		require.NoError(t, next.keeper.InitGenesis(next.ctx, *genesis))
		next.keeper.SetWork(r.work)
		require.Equal(t, r.export(), next.export())
		had, err := r.keeper.RefreshMark.Get(r.ctx)
		require.NoError(t, err)
		has, err := next.keeper.RefreshMark.Get(next.ctx)
		require.NoError(t, err)
		require.Equal(t, had, has)
		r.fixture = next
	}
	id := r.rotate(types.MsgRotate{PartyIds: []uint64{1, 2, 3, 5}})
	reload()
	r.setUp(id)
	reload()
	for _, party := range r.parties[:4] {
		require.NoError(t, r.commitVectors(party, id))
	}
	reload()
	r.blocks(1)
	members := []types.Party{r.parties[0], r.parties[1], r.parties[2], r.parties[4]}
	for _, party := range members {
		require.NoError(t, r.receive(party, id))
	}
	reload()
	r.blocks(1)
	for _, party := range members[:3] {
		require.NoError(t, r.confirmShares(party, id, 4))
	}
	reload()
	r.blocks(6)
	r.requireStatus(id, types.EPOCH_STATUS_ACTIVE)
	require.NoError(t, r.certify(r.parties[0], id))
	reload()
	r.blocks(15)
	r.requireStatus(1, types.EPOCH_STATUS_RETIRED)
	reload()
	rehearsal := r.rotate(types.MsgRotate{Rehearsal: true})
	r.rotate(types.MsgRotate{})
	r.requireStatus(rehearsal, types.EPOCH_STATUS_FAILED)
	reload()
}

func TestASuccessionThatCouldNotHaveBeenIsRefused(t *testing.T) {
	r := newRotation(t)
	id := r.rotate(types.MsgRotate{})
	r.setUp(id)
	r.each(1, func(p types.Party) error { return r.commitVectors(p, id) })
	r.each(id, func(p types.Party) error { return r.receive(p, id) })
	require.NoError(t, r.confirmShares(r.parties[0], id))
	for name, spoil := range map[string]func(first, second *types.Epoch){
		"following itself":         func(_, e *types.Epoch) { e.From = 2 },
		"following nobody":         func(_, e *types.Epoch) { e.From = 0 },
		"following one that fell":  func(e, _ *types.Epoch) { e.Status, e.Failure = types.EPOCH_STATUS_FAILED, types.EPOCH_FAILURE_SETUP },
		"active beside another":    func(_, e *types.Epoch) { e.Status = types.EPOCH_STATUS_ACTIVE },
		"draining before the time": func(e, _ *types.Epoch) { e.Status = types.EPOCH_STATUS_DRAINING },
		"a failure of none":        func(_, e *types.Epoch) { e.Failure = types.EPOCH_FAILURE_SETUP },
		"failed for nothing":       func(_, e *types.Epoch) { e.Status = types.EPOCH_STATUS_FAILED },
		"rehearsed for real":       func(_, e *types.Epoch) { e.Status = types.EPOCH_STATUS_REHEARSED },
		"a serving rehearsal":      func(e, _ *types.Epoch) { e.Rehearsal = true },
		"no resharing":             func(_, e *types.Epoch) { e.Resharing = nil },
		"attempt 0":                func(_, e *types.Epoch) { e.Resharing.Attempt = 0 },
		"no keys":                  func(_, e *types.Epoch) { e.Resharing.KeyIds = nil },
		"without one that counts":  func(_, e *types.Epoch) { e.Resharing.Without = []uint32{1} },
		"digests out of order":     func(_, e *types.Epoch) { e.Resharing.Digests[0].Index = 3 },
		"used of nobody":           func(_, e *types.Epoch) { e.Resharing.Used[3] = 5 },
		"receipt of nobody":        func(_, e *types.Epoch) { e.Resharing.Receipts[3].Index = 5 },
		"received of nobody":       func(_, e *types.Epoch) { e.Resharing.Receipts[0].Received[3] = 5 },
		"word of nobody":           func(_, e *types.Epoch) { e.Resharing.Words[0].Index = 5 },
		"a short word":             func(_, e *types.Epoch) { e.Resharing.Words[0].Transcript = nil },
		"wrong of nobody":          func(_, e *types.Epoch) { e.Resharing.Words[0].Wrong = []uint32{5} },
		"accepted by nobody":       func(_, e *types.Epoch) { e.Accepted[3] = 5 },
		"dealt with a set-up":      func(_, e *types.Epoch) { e.Dealt = true },
		"a short voucher":          func(_, e *types.Epoch) { e.Vouchers = []types.Voucher{{Index: 1, Signature: []byte{1}}} },
		"a voucher of nobody":      func(_, e *types.Epoch) { e.Vouchers = []types.Voucher{{Index: 5, Signature: make([]byte, 65)}} },
		"a bad measurement":        func(_, e *types.Epoch) { e.Rejects = make([]types.Measurement, 1) },
		"a threshold of none":      func(_, e *types.Epoch) { e.T = 0 },
	} {
		genesis, err := r.keeper.ExportGenesis(r.ctx)
		require.NoError(t, err)
		require.NoError(t, genesis.Validate())
		spoil(&genesis.Epochs[0], &genesis.Epochs[1])
		require.Error(t, genesis.Validate(), name)
	}
}
