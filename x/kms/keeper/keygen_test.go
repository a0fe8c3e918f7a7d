package keeper_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/kms/types"
)

func (f *fixture) progress(id []byte, index int, change func(*types.MsgPostKeyProgress)) error {
	f.Helper()
	msg := &types.MsgPostKeyProgress{
		Account: partyAccount(index).String(), KeyId: id, Attempt: f.key(id).Attempt, Stage: types.KEY_STAGE_ROWS, Done: 30, Total: 100,
	}
	if change != nil {
		change(msg)
	}
	return f.do(func(ctx context.Context) error {
		_, err := f.msgs.PostKeyProgress(ctx, msg)
		return err
	})
}

func (f *fixture) keyOf(params string) []byte {
	f.Helper()
	f.setParams(func(p *types.Params) { p.KeyRequesters = nil })
	id, _, err := f.requestKeyAs(&types.MsgRequestKey{Requester: f.alice.String(), HostChainId: hostChain, Params: params})
	require.NoError(f, err)
	for i := 1; i <= f.quorum(); i++ {
		require.NoError(f, f.echo(id, i, 9))
	}
	return id
}

func TestAPartySaysHowFarItIsOnceInSomeBlocks(t *testing.T) {
	f := newStore(t, 4)
	id := f.generating(3)
	require.NoError(t, f.progress(id, 3, nil))
	require.NoError(t, f.progress(id, 1, func(m *types.MsgPostKeyProgress) { m.Stage, m.Done = types.KEY_STAGE_NOISE, 2 }))
	require.Equal(t, []types.KeyProgress{
		{Index: 1, Stage: types.KEY_STAGE_NOISE, Done: 2, Total: 100, Height: 100},
		{Index: 3, Stage: types.KEY_STAGE_ROWS, Done: 30, Total: 100, Height: 100},
	}, f.key(id).Progress)

	f.endBlocks(108)
	require.ErrorIs(t, f.progress(id, 3, nil), types.ErrTooSoon)
	f.endBlocks(109)
	require.NoError(t, f.progress(id, 3, func(m *types.MsgPostKeyProgress) { m.Done = 100 }))
	require.Equal(t, types.KeyProgress{Index: 3, Stage: types.KEY_STAGE_ROWS, Done: 100, Total: 100, Height: 110}, f.key(id).Progress[1])
	require.Len(t, f.key(id).Progress, 2)

	events := f.ctx.EventManager().Events()
	require.Equal(t, "tkms.kms.v1.EventKeyProgress", events[len(events)-1].Type)
}

func TestEachRefusedWordOnProgressHasItsError(t *testing.T) {
	f := newStore(t, 4)
	id := f.generating(3)
	type msg = types.MsgPostKeyProgress
	for name, c := range map[string]struct {
		change func(*msg)
		want   error
	}{
		"unknown key":   {func(m *msg) { m.KeyId = make([]byte, 32) }, types.ErrUnknownKey},
		"attempt":       {func(m *msg) { m.Attempt = 2 }, types.ErrWrongAttempt},
		"no party":      {func(m *msg) { m.Account = f.alice.String() }, types.ErrNotMember},
		"no stage":      {func(m *msg) { m.Stage = 0 }, types.ErrMalformed},
		"unknown stage": {func(m *msg) { m.Stage = 9 }, types.ErrMalformed},
		"no work":       {func(m *msg) { m.Done, m.Total = 0, 0 }, types.ErrMalformed},
		"too much done": {func(m *msg) { m.Done = 101 }, types.ErrMalformed},
	} {
		require.ErrorIs(t, f.progress(id, 1, c.change), c.want, name)
		require.Empty(t, f.key(id).Progress, name)
	}
	f.setParams(func(p *types.Params) { p.PauseKeyPosts = true })
	require.ErrorIs(t, f.progress(id, 1, nil), types.ErrPaused)
	f.setParams(func(p *types.Params) { p.PauseKeyPosts = false })
	for i := 1; i <= 3; i++ {
		require.NoError(t, f.postKey(f.keyPost(id, i, material())))
	}
	require.ErrorIs(t, f.progress(id, 4, nil), types.ErrClosed, "there is none once the key is active")
}

func TestProgressIsOfTheCurrentAttemptOnly(t *testing.T) {
	f := newStore(t, 7)
	id := f.generating(5)
	require.NoError(t, f.progress(id, 1, nil))
	f.parties.exclude(2)
	f.endBlocks(100)
	key := f.key(id)
	require.EqualValues(t, 2, key.Attempt)
	require.Empty(t, key.Progress)
	require.Equal(t, types.KEY_FAILURE_MEMBER_EXCLUDED, key.Failure)
	require.NoError(t, f.progress(id, 1, nil), "the wait is of an attempt too")

	f = newStore(t, 4)
	id = f.generating(3)
	require.NoError(t, f.progress(id, 1, nil))
	for i := 1; i <= 3; i++ {
		require.NoError(t, f.postKey(f.keyPost(id, i, material())))
	}
	require.Equal(t, types.KEY_STATUS_ACTIVE, f.key(id).Status)
	require.Empty(t, f.key(id).Progress)
}

func TestMembersThatAreSilentInTurnsAreLeftOutTogether(t *testing.T) {
	f := newStore(t, 7)
	id := f.generating(5)
	f.parties.exclude(6)
	f.endBlocks(100)
	require.Equal(t, []uint32{6}, f.key(id).Without)
	f.parties.exclude(7)
	f.endBlocks(200)
	key := f.key(id)
	require.Equal(t, []uint32{6, 7}, key.Without, "the one that is back, too")
	require.EqualValues(t, 3, key.Attempt)
	// The others are needed all: whoever is excluded now is what counts.
	f.parties.exclude(1)
	f.endBlocks(300)
	require.Equal(t, []uint32{1}, f.key(id).Without)
}

func TestMaterialNamesWhatItsParameterSetHas(t *testing.T) {
	for _, params := range []string{types.Production, types.ProductionCompute, types.ProductionPKE} {
		f := newStore(t, 4)
		id := f.keyOf(params)
		for name, change := range map[string]func(*types.KeyMaterial){
			"a file more": func(m *types.KeyMaterial) {
				m.Objects = append(m.Objects, types.KeyObject{Kind: types.ObjectServerKey, Digest: m.PublicKeyDigest, ByteSize: 1})
			},
			"untested":        func(m *types.KeyMaterial) { m.Tested = nil },
			"a form more":     func(m *types.KeyMaterial) { m.Tested = append(m.Tested[:len(m.Tested):len(m.Tested)], "FheArray") },
			"tested in vain":  func(m *types.KeyMaterial) { m.TestDecryptionOk = false },
			"large public":    func(m *types.KeyMaterial) { m.PublicKeySize = 1<<20 + 1 },
			"unknown form":    func(m *types.KeyMaterial) { m.TestDecryptionOk, m.Tested = false, []string{"FheArray"} },
			"form of another": func(m *types.KeyMaterial) { m.Tested = append([]string{types.FormSquashed}, m.Tested...) },
		} {
			m := materialOf(params)
			change(&m)
			require.ErrorIs(t, f.postKey(f.keyPost(id, 1, m)), types.ErrMalformed, "%s: %s", params, name)
		}
		partly := materialOf(params)
		partly.TestDecryptionOk, partly.Tested = false, partly.Tested[1:]
		require.NoError(t, f.postKey(f.keyPost(id, 4, partly)), params)
		for i := 1; i <= 3; i++ {
			require.NoError(t, f.postKey(f.keyPost(id, i, materialOf(params))))
		}
		require.Equal(t, types.KEY_STATUS_ACTIVE, f.key(id).Status, params)
		require.Equal(t, materialOf(params), *f.key(id).Material)
	}
}

func TestTheFilesOfAKeyAreNamedInOrderWithDigestAndSize(t *testing.T) {
	f := newStore(t, 4)
	id := f.keyOf(types.ProductionCompute)
	signed := f.keyPost(id, 1, materialOf(types.ProductionCompute))
	for name, c := range map[string]struct {
		change func(*types.KeyMaterial)
		want   error
	}{
		"no files":     {func(m *types.KeyMaterial) { m.Objects = nil }, types.ErrMalformed},
		"one file":     {func(m *types.KeyMaterial) { m.Objects = m.Objects[:1] }, types.ErrMalformed},
		"order":        {func(m *types.KeyMaterial) { m.Objects[0], m.Objects[1] = m.Objects[1], m.Objects[0] }, types.ErrMalformed},
		"digest":       {func(m *types.KeyMaterial) { m.Objects[1].Digest = m.Objects[1].Digest[1:] }, types.ErrMalformed},
		"empty":        {func(m *types.KeyMaterial) { m.Objects[0].ByteSize = 0 }, types.ErrMalformed},
		"large":        {func(m *types.KeyMaterial) { m.Objects[0].ByteSize = 2<<30 + 1 }, types.ErrMalformed},
		"other digest": {func(m *types.KeyMaterial) { m.Objects[1].Digest[0] ^= 1 }, types.ErrInvalidSignature},
		"other size":   {func(m *types.KeyMaterial) { m.Objects[1].ByteSize++ }, types.ErrInvalidSignature},
	} {
		m := *signed
		m.Material = materialOf(types.ProductionCompute)
		c.change(&m.Material)
		require.ErrorIs(t, f.postKey(&m), c.want, name)
	}
	require.NoError(t, f.postKey(signed))
}

func TestAKeyKeepsToTheFailuresThatItsRequesterAccepts(t *testing.T) {
	ask := func(n int, governance bool, change func(*types.MsgRequestKey)) (types.Key, error) {
		f := newStore(t, n)
		msg := &types.MsgRequestKey{Requester: f.alice.String(), HostChainId: hostChain, Params: types.Production}
		if governance {
			msg.Requester = f.keeper.Authority()
		}
		change(msg)
		id, _, err := f.requestKeyAs(msg)
		if err != nil {
			return types.Key{}, err
		}
		return f.key(id), nil
	}
	key, err := ask(4, false, func(*types.MsgRequestKey) {})
	require.NoError(t, err)
	require.Equal(t, types.NoiseExact, key.Noise)
	require.EqualValues(t, -129_580, key.Log2FailureMilli)
	require.EqualValues(t, -128_000, key.MaxLog2FailureMilli)

	type msg = types.MsgRequestKey
	prss := func(bound int32) func(*msg) {
		return func(m *msg) { m.Noise, m.MaxLog2FailureMilli = types.NoisePRSS, bound }
	}
	for name, c := range map[string]struct {
		parties    int
		governance bool
		change     func(*msg)
		want       error
	}{
		"unknown noise":            {4, true, func(m *msg) { m.Noise = "none" }, types.ErrMalformed},
		"more than certain":        {4, true, func(m *msg) { m.MaxLog2FailureMilli = 1 }, types.ErrMalformed},
		"exact, but less accepted": {4, false, func(m *msg) { m.MaxLog2FailureMilli = -129_581 }, types.ErrFailureTooLikely},
		"prss by default":          {7, true, prss(0), types.ErrFailureTooLikely},
		"prss, almost accepted":    {7, true, prss(-115_301), types.ErrFailureTooLikely},
		"prss by anybody":          {7, false, prss(-115_300), types.ErrUnauthorized},
		"prss among too few":       {4, true, prss(-1), types.ErrUnsupportedNoise},
	} {
		_, err := ask(c.parties, c.governance, c.change)
		require.ErrorIs(t, err, c.want, name)
	}
	key, err = ask(7, true, prss(-115_300))
	require.NoError(t, err)
	require.EqualValues(t, -115_300, key.Log2FailureMilli)
}

func TestAKeyFailsIfTheNextEpochWouldMakeItNoisier(t *testing.T) {
	f := newStore(t, 7)
	id, _, err := f.requestKeyAs(&types.MsgRequestKey{
		Requester: f.keeper.Authority(), HostChainId: hostChain, Params: types.Production, Noise: types.NoisePRSS, MaxLog2FailureMilli: -115_300,
	})
	require.NoError(t, err)
	f.parties.epoch.Members = f.parties.epoch.Members[:4]
	f.parties.exclude(1)
	f.endBlocks(100)
	key := f.key(id)
	require.Equal(t, types.KEY_STATUS_FAILED, key.Status)
	require.Equal(t, types.KEY_FAILURE_NOISE, key.Failure)
	require.EqualValues(t, 100, key.ClosedHeight)
	work, err := f.queries.OpenWork(f.ctx, &types.QueryOpenWorkRequest{EpochId: epochID})
	require.NoError(t, err)
	require.Empty(t, work.KeyIds)
}

func TestAHostChainsKeyAnswersOnlyWhoAcceptsItsNoise(t *testing.T) {
	f := newStore(t, 7)
	msg := &types.MsgRequestKey{
		Requester: f.keeper.Authority(), HostChainId: hostChain, Params: types.Production, Noise: types.NoisePRSS, MaxLog2FailureMilli: -115_300,
	}
	id, _, err := f.requestKeyAs(msg)
	require.NoError(t, err)
	again, created, err := f.requestKeyAs(msg)
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, id, again)
	msg.MaxLog2FailureMilli = 0
	_, _, err = f.requestKeyAs(msg)
	require.ErrorIs(t, err, types.ErrHostChainHasKey)
	msg.Noise = ""
	_, _, err = f.requestKeyAs(msg)
	require.ErrorIs(t, err, types.ErrHostChainHasKey)
}

func TestAnInsecureKeyIsOnlyOfAChainMadeForItAndIsMarked(t *testing.T) {
	f := newStore(t, 4)
	msg := &types.MsgRequestKey{Requester: f.alice.String(), HostChainId: hostChain, Params: types.TestParameters}
	_, _, err := f.requestKeyAs(msg)
	require.ErrorIs(t, err, types.ErrUnknownParams)

	params := types.DefaultParams()
	params.ParameterSets = append(params.ParameterSets, types.TestParameters)
	require.NoError(t, f.keeper.Params.Set(f.ctx, params)) // as from genesis
	id, _, err := f.requestKeyAs(msg)
	require.NoError(t, err)
	key := f.key(id)
	require.Equal(t, []string{types.StandInEnclave, types.StandInParameters}, key.Simulated)
	require.EqualValues(t, -40_000, key.Log2FailureMilli, "it is told, and bounds nothing")
	f.setParams(func(p *types.Params) { p.KeyFee = 1 }) // what is listed may stay
	msg.MaxLog2FailureMilli = -40_001
	msg.HostChainId = otherChain
	_, _, err = f.requestKeyAs(msg)
	require.ErrorIs(t, err, types.ErrFailureTooLikely, "unless a bound is named")
}

func TestAKeySaysWhyItFailed(t *testing.T) {
	f := newStore(t, 4)
	f.setParams(func(p *types.Params) { p.KeyDeadlineBlocks, p.MaxKeyAttempts = 10, 2 })
	id := f.generating(4)
	failed := material()
	failed.TestDecryptionOk, failed.Tested = false, nil
	require.NoError(t, f.postKey(f.keyPost(id, 1, failed)))
	require.NoError(t, f.postKey(f.keyPost(id, 2, failed)))
	require.Equal(t, types.KEY_FAILURE_DISAGREEMENT, f.key(id).Failure)
	f.endBlocks(110)
	require.Equal(t, types.KEY_STATUS_FAILED, f.key(id).Status)
	require.Equal(t, types.KEY_FAILURE_DEADLINE, f.key(id).Failure)

	f.parties.inactive = true
	id, _, err := f.requestKey(hostChain)
	require.NoError(t, err)
	f.endBlocks(121)
	require.Equal(t, types.KEY_FAILURE_NO_EPOCH, f.key(id).Failure)

	f.parties.inactive = false
	id, _, err = f.requestKey(hostChain)
	require.NoError(t, err)
	require.NoError(t, f.do(func(ctx context.Context) error {
		_, err := f.msgs.RetireKey(ctx, &types.MsgRetireKey{Authority: f.keeper.Authority(), KeyId: id})
		return err
	}))
	require.Equal(t, types.KEY_FAILURE_WITHDRAWN, f.key(id).Failure)
}
