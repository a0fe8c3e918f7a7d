package keeper_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"cosmossdk.io/math"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// guarded has a host chain name a verifier.
func (f *fixture) guarded(hosts ...uint64) {
	for _, id := range hosts {
		host := f.acl.hosts[id]
		host.Verifier, host.VerifierLayout = &acltypes.Contract{Address: make([]byte, 20)}, "fhevm-0.10"
		f.acl.hosts[id] = host
	}
}

// rotate has the n parties from number first on take over.
func (f *fixture) rotate(n, first int) {
	f.Helper()
	before := *f.parties
	from := before.epoch.Id
	before.past, before.epoch.Status = nil, partiestypes.EPOCH_STATUS_DRAINING
	past := append(f.parties.past, &before)
	*f.parties = *newCommittee(f, from+1, n, first)
	f.parties.past = past
	require.NoError(f, f.keeper.TakeOver(f.ctx, from, from+1))
	f.checkInvariants()
}

// retire ends an epoch that drained.
func (f *fixture) retire(id uint64) {
	f.Helper()
	f.parties.of(id).epoch.Status = partiestypes.EPOCH_STATUS_RETIRED
	require.NoError(f, f.keeper.Ended(f.ctx, id))
}

// follow has the verifiers take the active epoch's signatures.
func (f *fixture) follow() {
	f.acl.signers, f.acl.threshold = f.parties.signers(), uint32(f.quorum())
}

func (f *fixture) proveSigners(host, epoch uint64, header string) error {
	f.Helper()
	return f.do(func(ctx context.Context) error {
		_, err := f.msgs.ProveSigners(ctx, &types.MsgProveSigners{
			Sender: f.alice.String(), HostChainId: host, EpochId: epoch, Proof: acltypes.SignersProof{Header: []byte(header)},
		})
		return err
	})
}

func (f *fixture) hostEpoch(host uint64) *types.QueryHostEpochResponse {
	f.Helper()
	response, err := f.queries.HostEpoch(f.ctx, &types.QueryHostEpochRequest{HostChainId: host})
	require.NoError(f, err)
	return response
}

// vaults are those of the active epoch's members.
func (f *fixture) vaults() (urls []string) {
	for _, p := range f.parties.parties {
		urls = append(urls, p.VaultUrl)
	}
	return urls
}

func (f *fixture) hasWork(epoch uint64) bool {
	f.Helper()
	has, err := f.keeper.HasWork(f.ctx, epoch)
	require.NoError(f, err)
	return has
}

func (f *fixture) held(epoch uint64) [][]byte {
	f.Helper()
	ids, err := f.keeper.HeldKeys(f.ctx, epoch)
	require.NoError(f, err)
	return ids
}

func TestKeysGoToTheEpochThatTakesOverAndStayWhatTheyWere(t *testing.T) {
	f := newFixture(t, 4)
	other := f.activeKey(otherChain)
	ids := [][]byte{f.keyID, other}
	slices.SortFunc(ids, slices.Compare)
	require.Equal(t, ids, f.held(epochID))
	before := f.key(f.keyID)

	f.rotate(7, 11)
	require.Empty(t, f.held(epochID))
	require.Equal(t, ids, f.held(epochID+1))
	before.EpochId, before.GeneratedEpochId, before.Vaults = epochID+1, epochID, f.vaults()
	require.Len(t, before.Vaults, 7, "its files are where the shares are")
	require.Equal(t, before, f.key(f.keyID), "its noise, words and threshold are those of the parties that generated it")

	f.rotate(4, 21)
	before.EpochId, before.Vaults = epochID+2, f.vaults()
	require.Equal(t, before, f.key(f.keyID))
	require.Equal(t, ids, f.held(epochID+2))
	require.NoError(t, f.do(func(ctx context.Context) error {
		_, err := f.msgs.RetireKey(ctx, &types.MsgRetireKey{Authority: f.keeper.Authority(), KeyId: other})
		return err
	}))
	require.Equal(t, [][]byte{f.keyID}, f.held(epochID+2), "a key that is retired is handed over no more")
}

func TestWhoGeneratedAKeyIsPaidForItThoughOthersHoldIt(t *testing.T) {
	f := newStore(t, 4)
	f.setParams(func(p *types.Params) { p.KeyFee = 400 })
	f.keyID = f.activeKey(hostChain)
	f.rotate(4, 11)
	require.NoError(t, f.postKey(f.keyPost(f.keyID, 4, material())), "the last word on it may still come")
	f.endBlocks(105)
	require.NotZero(t, f.key(f.keyID).PaidHeight)
	for i := 1; i <= 4; i++ {
		require.Equal(t, math.NewInt(100), f.bank.balance(account(string(rune('a'+i)))), "party %d", i)
	}
}

func TestAHostChainStaysWithTheEpochWhoseSignaturesItTakes(t *testing.T) {
	f := newFixture(t, 4)
	f.guarded(hostChain)
	f.activeKey(otherChain)
	require.Equal(t, &types.QueryHostEpochResponse{
		EpochId: epochID, Signers: bytesOf(f.parties.signers()), Threshold: 3,
	}, f.hostEpoch(hostChain))

	f.rotate(7, 11)
	f.parties.epoch.Vouchers = []partiestypes.Voucher{{Index: 2, Signature: []byte{1}}}
	require.Equal(t, &types.QueryHostEpochResponse{
		EpochId: epochID, NextEpochId: epochID + 1, Signers: bytesOf(f.parties.signers()), Threshold: 5, Vouchers: f.parties.epoch.Vouchers,
	}, f.hostEpoch(hostChain))
	require.EqualValues(t, epochID+1, f.hostEpoch(otherChain).EpochId, "without a verifier")
	require.Zero(t, f.hostEpoch(otherChain).NextEpochId)

	id := f.accepted(handle(1, handles.Uint8))
	require.EqualValues(t, epochID, f.request(id).EpochId)
	require.EqualValues(t, 3, f.request(id).Threshold)
	require.EqualValues(t, 1, f.hostEpoch(hostChain).Open)
	f.answer(id, f.plaintext(id, 4), 1, 2, 3)
	require.Equal(t, types.REQUEST_STATUS_FULFILLED, f.request(id).Status)
	require.True(t, f.hasWork(epochID), "the host chain takes its signatures only")

	f.follow()
	require.NoError(t, f.proveSigners(hostChain, epochID+1, "header"))
	require.EqualValues(t, epochID+1, f.hostEpoch(hostChain).EpochId)
	require.Zero(t, f.hostEpoch(hostChain).NextEpochId)
	require.False(t, f.hasWork(epochID))
	next := f.accepted(handle(2, handles.Uint8))
	require.EqualValues(t, epochID+1, f.request(next).EpochId)
	require.EqualValues(t, 5, f.request(next).Threshold)
	f.answer(next, f.plaintext(next, 4), 1, 2, 3, 4, 7)
	require.Equal(t, types.REQUEST_STATUS_FULFILLED, f.request(next).Status)
}

func bytesOf(list [][20]byte) (out [][]byte) {
	for _, a := range list {
		out = append(out, a[:])
	}
	return out
}

func TestRequestsThatAreOpenAreAnsweredByTheEpochTheyArePinnedTo(t *testing.T) {
	f := newFixture(t, 4)
	id := f.accepted(handle(1, handles.Uint8))
	f.rotate(4, 11)
	require.True(t, f.hasWork(epochID))
	foreign := f.result(id, 1, f.plaintext(id, 4))
	foreign.EpochId = epochID + 1
	_, err := f.post(1, foreign)
	require.ErrorIs(t, err, types.ErrWrongEpoch)
	f.answer(id, f.plaintext(id, 4), 1, 2, 3)
	require.Equal(t, types.REQUEST_STATUS_FULFILLED, f.request(id).Status)
	require.False(t, f.hasWork(epochID))
}

func TestAHostChainFollowsAtOnceAnEpochWithTheSameSigners(t *testing.T) {
	f := newFixture(t, 4)
	f.guarded(hostChain)
	f.rotate(4, 1)
	require.EqualValues(t, epochID+1, f.hostEpoch(hostChain).EpochId, "a refresh")
	require.False(t, f.hasWork(epochID))

	f.rotate(7, 11)
	require.EqualValues(t, epochID+1, f.hostEpoch(hostChain).EpochId)
	f.rotate(4, 1)
	require.EqualValues(t, epochID+3, f.hostEpoch(hostChain).EpochId, "back to the signers that it still takes")
	require.False(t, f.hasWork(epochID+1))

	f.parties.epoch.T = 0
	f.rotate(4, 1)
	require.EqualValues(t, epochID+3, f.hostEpoch(hostChain).EpochId, "the same signers with another threshold")
}

func TestSignersAreProvenForTheActiveEpochOnly(t *testing.T) {
	f := newFixture(t, 4)
	f.guarded(hostChain)
	f.rotate(7, 11)
	require.ErrorIs(t, f.proveSigners(hostChain, epochID+1, "header"), acltypes.ErrOtherSigners)
	f.follow()
	require.ErrorIs(t, f.proveSigners(hostChain, epochID, "header"), types.ErrEpochNotActive)
	require.ErrorIs(t, f.proveSigners(hostChain, epochID+2, "header"), types.ErrEpochNotActive)
	require.ErrorIs(t, f.proveSigners(hostChain, epochID+1, "bad"), errProof)
	require.ErrorIs(t, f.proveSigners(4711, epochID+1, "header"), types.ErrUnknownHostChain)
	require.EqualValues(t, epochID, f.hostEpoch(hostChain).EpochId)
	slices.Reverse(f.acl.signers)
	require.ErrorIs(t, f.proveSigners(hostChain, epochID+1, "header"), acltypes.ErrOtherSigners, "clients number parties by their order")
	f.follow()
	require.NoError(t, f.proveSigners(hostChain, epochID+1, "header"))
	known, err := f.keeper.HostEpochs.Get(f.ctx, hostChain)
	require.NoError(t, err)
	require.Equal(t, types.HostEpoch{HostChainId: hostChain, EpochId: epochID + 1, HeaderHeight: 77}, known)
	require.NoError(t, f.proveSigners(hostChain, epochID+1, "header"), "who is late changes nothing")

	f.parties.inactive = true
	require.ErrorIs(t, f.proveSigners(hostChain, epochID+1, "header"), types.ErrNoEpoch)
	_, err = f.queries.HostEpoch(f.ctx, &types.QueryHostEpochRequest{HostChainId: hostChain})
	require.Equal(t, codes.NotFound, status.Code(err))
}

func TestAResultThatTheHostChainNoLongerTakesIsAskedForAgain(t *testing.T) {
	f := newFixture(t, 4)
	f.guarded(hostChain)
	id := f.accepted(handle(1, handles.Uint8))
	f.answer(id, f.plaintext(id, 4), 1, 2, 3)
	again := func() bool {
		_, created, err := f.send(f.decryption(handle(1, handles.Uint8)))
		require.NoError(t, err)
		return created
	}
	f.rotate(7, 11)
	require.False(t, again(), "the host chain still takes it")
	f.follow()
	require.NoError(t, f.proveSigners(hostChain, epochID+1, "header"))
	require.False(t, again(), "the parties are not paid yet")
	f.endBlocks(110)
	paid := f.bank.balance(f.alice)
	require.True(t, again())
	r := f.request(id)
	require.EqualValues(t, 2, r.Attempt)
	require.EqualValues(t, epochID+1, r.EpochId)
	require.Equal(t, types.REQUEST_STATUS_ACCEPTED, r.Status)
	require.EqualValues(t, 100, r.RequestedHeight)
	require.Equal(t, paid.SubRaw(int64(r.Fee)), f.bank.balance(f.alice), "for its price")
	require.False(t, again())
	f.answer(id, f.plaintext(id, 4), 1, 2, 3, 4, 5)
	require.Equal(t, types.REQUEST_STATUS_FULFILLED, f.request(id).Status)
	f.endBlocks(120)
	require.False(t, again(), "it is by the signers of now")

	f.rotate(7, 11)
	require.False(t, again(), "a refresh changes no signature")
	f.parties.inactive = true
	require.False(t, again(), "nor does it matter while nobody could answer")
}

func TestAUserAsksAgainOnceHerSharesAreOfOthersThanTheHostChainNames(t *testing.T) {
	f := newFixture(t, 4)
	id := f.acceptedUser(u64(1))
	f.answerUser(id, 1, 2, 3, 4)
	f.endBlocks(130)
	require.Len(t, f.shares(id), 4)
	f.rotate(7, 11)
	_, created, err := f.sendUser(f.userDecryption(u64(1)))
	require.NoError(t, err)
	require.True(t, created)
	require.Empty(t, f.shares(id), "shares of two sharings do not mix")
	f.answerUser(id, 7, 2, 3, 1, 5)
	require.Equal(t, types.REQUEST_STATUS_FULFILLED, f.request(id).Status)
	require.EqualValues(t, 2, f.request(id).Attempt)
	require.Len(t, f.shares(id), 5)
}

func TestAttemptsUnderWayBeginAnewUnderTheNewEpoch(t *testing.T) {
	f := newStore(t, 4)
	f.guarded(hostChain)
	f.setParams(func(p *types.Params) { p.MaxKeyAttempts = 1 })
	id, _, err := f.requestKey(hostChain)
	require.NoError(t, err)
	require.NoError(t, f.echo(id, 2, 9))
	f.rotate(4, 11)
	key := f.key(id)
	require.Equal(t, types.KEY_STATUS_GENERATING, key.Status, "no party failed: the number of attempts is no bound")
	require.Equal(t, types.KEY_FAILURE_EPOCH_OVER, key.Failure)
	require.EqualValues(t, 2, key.Attempt)
	require.EqualValues(t, epochID+1, key.EpochId)
	require.Zero(t, key.GeneratedEpochId)
	require.Empty(t, key.Echoes)
	open, err := f.queries.OpenWork(f.ctx, &types.QueryOpenWorkRequest{EpochId: epochID})
	require.NoError(t, err)
	require.Empty(t, open.KeyIds)
	for i := 1; i <= 3; i++ {
		require.NoError(t, f.echo(id, i, 9))
	}
	for i := 1; i <= 3; i++ {
		require.NoError(t, f.postKey(f.keyPost(id, i, material())))
	}
	require.Equal(t, [][]byte{id}, f.held(epochID+1))

	f.keyID = id
	_, _, err = f.send(f.decryption(handle(1, handles.Uint8)))
	require.ErrorIs(t, err, types.ErrNoEpoch, "the epoch whose signatures the host chain takes never had this key")
	f.follow()
	require.NoError(t, f.proveSigners(hostChain, epochID+1, "header"))
	f.accepted(handle(1, handles.Uint8))
}

func TestAKeyThatWaitsForAnEpochWaitsOn(t *testing.T) {
	f := newStore(t, 4)
	f.parties.inactive = true
	id, _, err := f.requestKey(hostChain)
	require.NoError(t, err)
	f.rotate(4, 11)
	require.Equal(t, types.KEY_STATUS_REQUESTED, f.key(id).Status)
	f.endBlocks(105)
	require.Equal(t, types.KEY_STATUS_GENERATING, f.key(id).Status)
	require.EqualValues(t, epochID+1, f.key(id).EpochId)
}

func TestARetiredEpochLeavesNothingBehind(t *testing.T) {
	f := newFixture(t, 4)
	f.guarded(hostChain)
	f.setParams(func(p *types.Params) { p.MaxEndBlockItems = 2 })
	var ids [][]byte
	for seed := byte(1); seed <= 5; seed++ {
		ids = append(ids, f.accepted(handle(seed, handles.Uint8)))
	}
	f.rotate(7, 11)
	next := f.accepted(handle(6, handles.Uint8))
	require.EqualValues(t, epochID, f.request(next).EpochId, "pinned while the host chain takes the old signatures only")
	f.retire(epochID)
	require.EqualValues(t, epochID+1, f.hostEpoch(hostChain).EpochId)
	require.Zero(t, f.hostEpoch(hostChain).NextEpochId)
	for _, left := range []uint64{4, 2, 0, 0} {
		f.endBlocks(f.ctx.BlockHeight())
		require.Equal(t, left, f.totals().Open)
	}
	require.Equal(t, math.NewInt(startFunds), f.bank.balance(f.alice), "with their fees")
	require.False(t, f.hasWork(epochID))
	for _, id := range append(ids, next) {
		require.Equal(t, types.REQUEST_STATUS_EXPIRED, f.request(id).Status)
	}
	again := f.accepted(handle(1, handles.Uint8))
	require.EqualValues(t, epochID+1, f.request(again).EpochId)
	require.EqualValues(t, 2, f.request(again).Attempt)
	f.endBlocks(f.ctx.BlockHeight() + 2)
	require.Equal(t, types.REQUEST_STATUS_ACCEPTED, f.request(again).Status, "requests of the new epoch stay")
}

func TestNoUserDecryptionWithAThresholdThatClientsDoNotExpect(t *testing.T) {
	f := newFixture(t, 7)
	f.parties.epoch.T = 1
	_, _, err := f.sendUser(f.userDecryption(u64(1)))
	require.ErrorIs(t, err, types.ErrCommitteeTooLarge)
	f.accepted(handle(1, handles.Uint8))
	f.parties.epoch.T = 2
	f.parties.epoch.Dealt = true
	_, _, err = f.sendUser(f.userDecryption(u64(1)))
	require.ErrorIs(t, err, types.ErrCommitteeTooLarge)
	f.parties.epoch.Dealt = false
	f.acceptedUser(u64(1))

	f.rotate(16, 1)
	_, _, err = f.sendUser(f.userDecryption(u64(2)))
	require.ErrorIs(t, err, types.ErrCommitteeTooLarge)
	require.EqualValues(t, 42, types.CodeOf(err))
}

func TestWhichEpochServesAHostChainSurvivesAnExport(t *testing.T) {
	f := newFixture(t, 4)
	f.guarded(hostChain)
	f.rotate(7, 11)
	g, err := f.keeper.ExportGenesis(f.ctx)
	require.NoError(t, err)
	require.Equal(t, []types.HostEpoch{{HostChainId: hostChain, EpochId: epochID}}, g.HostEpochs)
	next, err := imported(f, *g)
	require.NoError(t, err)
	require.Equal(t, f.hostEpoch(hostChain), next.hostEpoch(hostChain))
	require.Equal(t, f.held(epochID+1), next.held(epochID+1))
	again, err := next.keeper.ExportGenesis(next.ctx)
	require.NoError(t, err)
	require.Equal(t, g, again)

	for name, change := range map[string]func(*types.GenesisState){
		"no epoch":             func(g *types.GenesisState) { g.HostEpochs[0].EpochId = 0 },
		"a host chain twice":   func(g *types.GenesisState) { g.HostEpochs = append(g.HostEpochs, g.HostEpochs[0]) },
		"a key of later birth": func(g *types.GenesisState) { g.Keys[0].GeneratedEpochId = g.Keys[0].EpochId },
	} {
		g, err := f.keeper.ExportGenesis(f.ctx)
		require.NoError(t, err)
		change(g)
		require.ErrorIs(t, g.Validate(), types.ErrInvalidGenesis, name)
	}
}
