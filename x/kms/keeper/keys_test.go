package keeper_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/math"

	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func TestAKeyBecomesActiveWhen2tPlus1PartiesPostEqualMaterial(t *testing.T) {
	for _, n := range []int{1, 4, 7} {
		f := newStore(t, n)
		id := f.activeKey(hostChain)
		key := f.key(id)
		require.Equal(t, material(), *key.Material)
		require.EqualValues(t, 100, key.ActiveHeight)
		require.Equal(t, bytes.Repeat([]byte{9}, 32), key.EchoDigest)
		require.Equal(t, []string{types.StandInEnclave}, key.Simulated)
		require.Equal(t, "http://vault1", key.Contributions[0].VaultUrl)
		bound, err := f.queries.HostKey(f.ctx, &types.QueryHostKeyRequest{HostChainId: hostChain})
		require.NoError(t, err)
		require.Equal(t, key, bound.Key)
		open, err := f.queries.OpenWork(f.ctx, &types.QueryOpenWorkRequest{EpochId: epochID})
		require.NoError(t, err)
		require.Empty(t, open.KeyIds)
	}
}

func TestNoMaterialIsTakenBefore2tPlus1EqualEchoes(t *testing.T) {
	f := newStore(t, 4)
	id, _, err := f.requestKey(hostChain)
	require.NoError(t, err)
	require.NoError(t, f.echo(id, 1, 9))
	require.NoError(t, f.echo(id, 2, 8))
	require.NoError(t, f.echo(id, 3, 9))
	require.Empty(t, f.key(id).EchoDigest)
	require.ErrorIs(t, f.postKey(f.keyPost(id, 1, material())), types.ErrNoEchoQuorum)
	require.ErrorIs(t, f.echo(id, 2, 9), types.ErrDuplicate, "the first word stands")
	require.NoError(t, f.echo(id, 4, 9))
	require.Len(t, f.key(id).EchoDigest, 32)
	require.NoError(t, f.postKey(f.keyPost(id, 1, material())))
}

func (f *fixture) generating(n int) []byte {
	f.Helper()
	id, _, err := f.requestKey(hostChain)
	require.NoError(f, err)
	for i := 1; i <= n; i++ {
		require.NoError(f, f.echo(id, i, 9))
	}
	return id
}

func TestEachRefusedWordOnAKeyHasItsError(t *testing.T) {
	f := newStore(t, 4)
	id := f.generating(4)
	require.NoError(t, f.postKey(f.keyPost(id, 2, material())))
	type msg = types.MsgPostKey
	for name, c := range map[string]struct {
		change func(*msg)
		want   error
	}{
		"unknown key":          {func(m *msg) { m.KeyId = make([]byte, 32) }, types.ErrUnknownKey},
		"attempt":              {func(m *msg) { m.Attempt = 2 }, types.ErrWrongAttempt},
		"no party":             {func(m *msg) { m.Account = f.alice.String() }, types.ErrNotMember},
		"no account":           {func(m *msg) { m.Account = "x" }, types.ErrMalformed},
		"seed":                 {func(m *msg) { m.Material.Seed = m.Material.Seed[1:] }, types.ErrMalformed},
		"digest":               {func(m *msg) { m.Material.PublicKeyDigest = nil }, types.ErrMalformed},
		"keccak":               {func(m *msg) { m.Material.PublicKeyKeccak = append(bytes.Clone(m.Material.PublicKeyKeccak), 0) }, types.ErrMalformed},
		"size":                 {func(m *msg) { m.Material.PublicKeySize = 0 }, types.ErrMalformed},
		"other material":       {func(m *msg) { m.Material.PublicKeySize++ }, types.ErrInvalidSignature},
		"no signature":         {func(m *msg) { m.Signature = nil }, types.ErrInvalidSignature},
		"signature of another": {func(m *msg) { m.Signature = f.keyPost(id, 3, material()).Signature }, types.ErrInvalidSignature},
		"twice":                {func(m *msg) { m.Account = partyAccount(2).String() }, types.ErrDuplicate},
	} {
		before := f.key(id)
		m := f.keyPost(id, 1, material())
		c.change(m)
		require.ErrorIs(t, f.postKey(m), c.want, name)
		require.Equal(t, before, f.key(id))
	}
	_, err := f.msgs.CommitKeyEcho(f.ctx, &types.MsgCommitKeyEcho{Account: partyAccount(1).String(), KeyId: id, Attempt: 1, Digest: []byte{1}})
	require.ErrorIs(t, err, types.ErrMalformed)
	f.setParams(func(p *types.Params) { p.PauseKeyPosts = true })
	require.ErrorIs(t, f.postKey(f.keyPost(id, 1, material())), types.ErrPaused)
	f.setParams(func(p *types.Params) { p.PauseKeyPosts = false })
	require.NoError(t, f.postKey(f.keyPost(id, 1, material())))
}

func TestAKeyWhoseTestDecryptionFailedIsNotActivated(t *testing.T) {
	f := newStore(t, 4)
	id := f.generating(4)
	failed := material()
	failed.TestDecryptionOk, failed.Tested = false, nil
	require.NoError(t, f.postKey(f.keyPost(id, 1, failed)))
	require.EqualValues(t, 1, f.key(id).Attempt, "three others may still agree")
	require.NoError(t, f.postKey(f.keyPost(id, 2, failed)))
	key := f.key(id)
	require.EqualValues(t, 2, key.Attempt, "2t+1 successes have become impossible")
	require.Equal(t, types.KEY_STATUS_GENERATING, key.Status)
	require.Empty(t, key.Echoes)
	require.Empty(t, key.EchoDigest)
	require.Empty(t, key.Contributions)
	work, err := f.queries.Work(f.ctx, &types.QueryWorkRequest{Height: 100})
	require.NoError(t, err)
	require.Equal(t, [][]byte{id, id}, work.Work.KeyIds)
}

func TestAPartyThatPostsOtherMaterialDoesNotStopTheKeyAndIsNotPaid(t *testing.T) {
	f := newStore(t, 4)
	f.setParams(func(p *types.Params) { p.KeyFee = 1000 })
	id := f.generating(4)
	other := material()
	other.Seed = bytes.Repeat([]byte{5}, 16)
	require.NoError(t, f.postKey(f.keyPost(id, 1, other)))
	for i := 2; i <= 4; i++ {
		require.NoError(t, f.postKey(f.keyPost(id, i, material())))
	}
	require.Equal(t, types.KEY_STATUS_ACTIVE, f.key(id).Status)
	require.EqualValues(t, 1000, f.totals().Escrow)
	f.endBlocks(105)
	require.Equal(t, []int64{0, 334, 333, 333}, []int64{f.paidTo(1), f.paidTo(2), f.paidTo(3), f.paidTo(4)})
	require.EqualValues(t, 105, f.key(id).PaidHeight)
}

func TestALateWordOnAKeyIsTakenUntilThePayout(t *testing.T) {
	f := newStore(t, 4)
	f.setParams(func(p *types.Params) { p.KeyFee = 1000 })
	id := f.activeKey(hostChain)
	late := f.keyPost(id, 4, material())
	f.endBlocks(102)
	require.NoError(t, f.postKey(late))
	f.endBlocks(105)
	require.EqualValues(t, 250, f.paidTo(4))

	id = f.activeKey(otherChain)
	late = f.keyPost(id, 4, material())
	f.endBlocks(115)
	require.ErrorIs(t, f.postKey(late), types.ErrClosed)
}

func TestAnAttemptEndsAtItsDeadlineAndTheLastOneReturnsTheFee(t *testing.T) {
	f := newStore(t, 4)
	f.setParams(func(p *types.Params) { p.KeyFee, p.KeyDeadlineBlocks, p.MaxKeyAttempts = 1000, 10, 2 })
	id := f.generating(3)
	stale := f.keyPost(id, 1, material())
	f.endBlocks(109)
	require.EqualValues(t, 1, f.key(id).Attempt)
	f.endBlocks(110)
	key := f.key(id)
	require.EqualValues(t, 2, key.Attempt)
	require.Equal(t, types.KEY_STATUS_GENERATING, key.Status)
	require.EqualValues(t, 110, key.StartedHeight)
	require.EqualValues(t, 120, key.Deadline)
	require.ErrorIs(t, f.postKey(stale), types.ErrWrongAttempt)

	f.endBlocks(120)
	key = f.key(id)
	require.Equal(t, types.KEY_STATUS_FAILED, key.Status)
	require.EqualValues(t, 120, key.ClosedHeight)
	require.Equal(t, math.NewInt(startFunds), f.bank.balance(f.alice))
	require.ErrorIs(t, f.echo(id, 1, 9), types.ErrClosed)

	again, created, err := f.requestKey(hostChain)
	require.NoError(t, err)
	require.True(t, created)
	require.NotEqual(t, id, again)
}

func TestAnAttemptEndsAtOnceWhenAMemberOfItIsExcluded(t *testing.T) {
	f := newStore(t, 7)
	id, _, err := f.requestKey(hostChain)
	require.NoError(t, err)
	require.Empty(t, f.key(id).Without)
	f.endBlocks(102)
	require.EqualValues(t, 1, f.key(id).Attempt)

	f.parties.exclude(3)
	f.endBlocks(103)
	key := f.key(id)
	require.EqualValues(t, 2, key.Attempt)
	require.Equal(t, []uint32{3}, key.Without)
	require.EqualValues(t, 103, key.StartedHeight)

	// The next attempt has nothing to do with member 3.
	f.parties.exclude()
	f.endBlocks(104)
	f.parties.exclude(3)
	f.endBlocks(106)
	require.EqualValues(t, 2, f.key(id).Attempt)

	f.parties.exclude(3, 5)
	f.endBlocks(107)
	require.EqualValues(t, 3, f.key(id).Attempt)
	require.Equal(t, []uint32{3, 5}, f.key(id).Without)
}

func TestABlockLooksAtABoundedNumberOfOpenKeys(t *testing.T) {
	f := newStore(t, 4)
	f.setParams(func(p *types.Params) { p.MaxEndBlockItems = 1 })
	first, _, err := f.requestKey(hostChain)
	require.NoError(t, err)
	second, _, err := f.requestKey(otherChain)
	require.NoError(t, err)
	f.parties.exclude(2)
	f.endBlocks(101)
	require.EqualValues(t, 3, f.key(first).Attempt+f.key(second).Attempt)
}

func TestConvictionsAreShownWithWhatTheyAreAbout(t *testing.T) {
	f := newFixture(t, 4)
	id := f.accepted(handle(1, handles.Bool))
	f.parties.evidence = []partiestypes.Evidence{{Id: 1, Subject: id, Index: 3}, {Id: 2, Subject: f.keyID, Index: 2}}
	request, err := f.queries.Request(f.ctx, &types.QueryRequestRequest{Id: hex.EncodeToString(id)})
	require.NoError(t, err)
	require.Equal(t, f.parties.evidence[:1], request.Evidence)
	key, err := f.queries.Key(f.ctx, &types.QueryKeyRequest{Id: hex.EncodeToString(f.keyID)})
	require.NoError(t, err)
	require.Equal(t, f.parties.evidence[1:], key.Evidence)
}

func TestAKeyWaitsForAnActiveEpoch(t *testing.T) {
	f := newStore(t, 4)
	f.setParams(func(p *types.Params) { p.KeyDeadlineBlocks = 30 })
	f.parties.inactive = true
	id, created, err := f.requestKey(hostChain)
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, types.KEY_STATUS_REQUESTED, f.key(id).Status)
	f.endBlocks(112)
	require.Equal(t, types.KEY_STATUS_REQUESTED, f.key(id).Status)
	f.parties.inactive = false
	f.endBlocks(115)
	key := f.key(id)
	require.Equal(t, types.KEY_STATUS_GENERATING, key.Status)
	require.EqualValues(t, 1, key.Attempt)
	require.EqualValues(t, 145, key.Deadline)

	g := newStore(t, 4)
	g.setParams(func(p *types.Params) { p.KeyDeadlineBlocks, p.KeyFee = 13, 5 })
	g.parties.inactive = true
	id, _, err = g.requestKey(hostChain)
	require.NoError(t, err)
	g.endBlocks(112)
	require.Equal(t, types.KEY_STATUS_REQUESTED, g.key(id).Status)
	g.endBlocks(113)
	require.Equal(t, types.KEY_STATUS_FAILED, g.key(id).Status)
	require.Equal(t, math.NewInt(startFunds), g.bank.balance(g.alice))
}

func TestAHostChainHasOneKeyUnlessGovernanceSaysOtherwise(t *testing.T) {
	f := newFixture(t, 4)
	again, created, err := f.requestKey(hostChain)
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, f.keyID, again)

	msg := &types.MsgRequestKey{Requester: f.alice.String(), HostChainId: hostChain, Params: types.ProductionCompute}
	_, _, err = f.requestKeyAs(msg)
	require.ErrorIs(t, err, types.ErrHostChainHasKey)
	msg.Additional = true
	_, _, err = f.requestKeyAs(msg)
	require.ErrorIs(t, err, types.ErrUnauthorized)

	msg.Requester = f.keeper.Authority()
	second, created, err := f.requestKeyAs(msg)
	require.NoError(t, err)
	require.True(t, created)
	bound := func() []byte {
		response, err := f.queries.HostKey(f.ctx, &types.QueryHostKeyRequest{HostChainId: hostChain})
		require.NoError(t, err)
		return response.Key.Id
	}
	require.Equal(t, f.keyID, bound(), "the new key is bound when it is active")
	for i := 1; i <= 3; i++ {
		require.NoError(t, f.echo(second, i, 9))
	}
	for i := 1; i <= 3; i++ {
		require.NoError(t, f.postKey(f.keyPost(second, i, materialOf(types.ProductionCompute))))
	}
	require.Equal(t, second, bound())
	f.accepted(handle(1, handles.Bool)) // ciphertexts under the earlier key stay readable
}

func TestWhoMayRequestAKeyIsBounded(t *testing.T) {
	f := newStore(t, 4)
	msg := &types.MsgRequestKey{Requester: f.alice.String(), HostChainId: hostChain, Params: "toy"}
	_, _, err := f.requestKeyAs(msg)
	require.ErrorIs(t, err, types.ErrUnknownParams)
	msg.Params, msg.HostChainId = types.ProductionPKE, 5
	_, _, err = f.requestKeyAs(msg)
	require.ErrorIs(t, err, types.ErrUnknownHostChain)
	msg.HostChainId = hostChain
	f.setParams(func(p *types.Params) { p.KeyRequesters = []string{account("bob").String()} })
	_, _, err = f.requestKeyAs(msg)
	require.ErrorIs(t, err, types.ErrUnauthorized)
	f.setParams(func(p *types.Params) { p.KeyRequesters, p.PauseKeyRequests = []string{f.alice.String()}, true })
	_, _, err = f.requestKeyAs(msg)
	require.ErrorIs(t, err, types.ErrPaused)
	f.setParams(func(p *types.Params) { p.PauseKeyRequests, p.KeyFee = false, startFunds+1 })
	_, _, err = f.requestKeyAs(msg)
	require.Error(t, err, "the fee cannot be paid")
	require.Zero(t, f.totals().Escrow)

	msg.Requester = f.keeper.Authority()
	id, created, err := f.requestKeyAs(msg)
	require.NoError(t, err)
	require.True(t, created)
	require.Zero(t, f.key(id).Fee, "governance pays nothing")
}

func TestGovernanceRetiresAKey(t *testing.T) {
	f := newFixture(t, 4)
	open := f.accepted(handle(1, handles.Bool))
	retire := func(sender string, id []byte) error {
		return f.do(func(ctx context.Context) error {
			_, err := f.msgs.RetireKey(ctx, &types.MsgRetireKey{Authority: sender, KeyId: id})
			return err
		})
	}
	require.ErrorIs(t, retire(f.alice.String(), f.keyID), types.ErrUnauthorized)
	require.ErrorIs(t, retire(f.keeper.Authority(), make([]byte, 32)), types.ErrUnknownKey)
	require.NoError(t, retire(f.keeper.Authority(), f.keyID))
	require.Equal(t, types.KEY_STATUS_RETIRED, f.key(f.keyID).Status)
	_, _, err := f.send(f.decryption(handle(2, handles.Bool)))
	require.ErrorIs(t, err, types.ErrKeyNotActive)
	f.answer(open, f.plaintext(open, 1), 1, 2, 3)
	require.Equal(t, types.REQUEST_STATUS_FULFILLED, f.request(open).Status)
	require.ErrorIs(t, retire(f.keeper.Authority(), f.keyID), types.ErrClosed)

	f.setParams(func(p *types.Params) { p.KeyFee = 77 })
	next, created, err := f.requestKey(hostChain)
	require.NoError(t, err)
	require.True(t, created)
	require.NoError(t, retire(f.keeper.Authority(), next))
	require.Equal(t, types.KEY_STATUS_FAILED, f.key(next).Status)
	f.endBlocks(4000)
	require.Equal(t, types.KEY_STATUS_FAILED, f.key(next).Status)
}

func TestOnlyGovernanceSetsValidParams(t *testing.T) {
	f := newStore(t, 4)
	_, err := f.msgs.UpdateParams(f.ctx, &types.MsgUpdateParams{Authority: f.alice.String(), Params: types.DefaultParams()})
	require.ErrorIs(t, err, types.ErrUnauthorized)
	for name, change := range map[string]func(*types.Params){
		"deadline":      func(p *types.Params) { p.KeyDeadlineBlocks = 0 },
		"attempts":      func(p *types.Params) { p.MaxKeyAttempts = 0 },
		"many attempts": func(p *types.Params) { p.MaxKeyAttempts = 101 },
		"delay":         func(p *types.Params) { p.PayoutDelayBlocks = 1<<30 + 1 },
		"items":         func(p *types.Params) { p.MaxEndBlockItems = 0 },
		"window":        func(p *types.Params) { p.WorkWindowBlocks = 0 },
		"retention":     func(p *types.Params) { p.RetentionBlocks = 1 << 41 },
		"sets":          func(p *types.Params) { p.ParameterSets = nil },
		"set name":      func(p *types.Params) { p.ParameterSets = []string{"toy"} },
		"set twice":     func(p *types.Params) { p.ParameterSets = []string{types.Production, types.Production} },
		"insecure set":  func(p *types.Params) { p.ParameterSets = []string{types.Production, types.TestParameters} },
		"progress":      func(p *types.Params) { p.ProgressBlocks = 0 },
		"requester":     func(p *types.Params) { p.KeyRequesters = []string{"x"} },
		"requesters":    func(p *types.Params) { p.KeyRequesters = make([]string, 257) },
	} {
		params := types.DefaultParams()
		change(&params)
		_, err := f.msgs.UpdateParams(f.ctx, &types.MsgUpdateParams{Authority: f.keeper.Authority(), Params: params})
		require.ErrorIs(t, err, types.ErrInvalidParams, name)
	}
}
