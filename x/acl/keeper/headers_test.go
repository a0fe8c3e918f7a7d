package keeper_test

import (
	"crypto/ecdsa"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"

	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/types"
)

func (f *fixture) headers() []types.VerifiedHeader {
	f.t.Helper()
	response, err := f.queries.Headers(f.ctx, &types.QueryHeadersRequest{HostChainId: f.chain.ID})
	require.NoError(f.t, err)
	return response.Headers
}

func TestTheSameHeaderBytesAreVerifiedOnce(t *testing.T) {
	f := newFixture(t)
	params := types.DefaultParams()
	params.GasPerSeal = 1_000_000
	require.NoError(t, f.keeper.Params.Set(f.ctx, params))
	gas := func(header []byte) storetypes.Gas {
		ctx := f.ctx.WithGasMeter(storetypes.NewInfiniteGasMeter())
		_, err := f.keeper.VerifyPublicDecryption(ctx, 31337, f.chain.PublicProof(header, f.one), words(f.one), nil)
		require.NoError(t, err)
		return ctx.GasMeter().GasConsumed()
	}
	v, header := f.chain.Validators, f.chain.Header(20, now)
	first := acltest.Seal(header, 0, v, v[:3])
	require.Greater(t, gas(first), storetypes.Gas(3_000_000))
	require.Less(t, gas(first), storetypes.Gas(1_000_000))
	require.Greater(t, gas(acltest.Seal(header, 0, v, v[1:])), storetypes.Gas(3_000_000), "the same block with other seals")
	require.Less(t, gas(first), storetypes.Gas(1_000_000))
	require.Len(t, f.headers(), 1)

	_, err := f.keeper.VerifyPublicDecryption(f.ctx, 31337, f.chain.PublicProof(acltest.Seal(header, 0, v, v[:2]), f.one), words(f.one), nil)
	require.ErrorIs(t, err, types.ErrNoQuorum, "a block that is known does not excuse missing seals")
}

func TestOnlyTheHighestHeadersAreKept(t *testing.T) {
	f := newFixture(t)
	params := types.DefaultParams()
	params.HeaderCache = 3
	require.NoError(t, f.keeper.Params.Set(f.ctx, params))
	heights := func() []uint64 {
		var out []uint64
		for _, h := range f.headers() {
			out = append(out, h.Height)
		}
		return out
	}
	for _, height := range []uint64{20, 25, 22, 24, 21, 23} {
		_, err := f.submit(f.chain.Sealed(height, now))
		require.NoError(t, err)
	}
	require.Equal(t, []uint64{25, 24, 23}, heights())

	params.HeaderCache = 1
	require.NoError(t, f.keeper.Params.Set(f.ctx, params))
	_, err := f.submit(f.chain.Sealed(30, now))
	require.NoError(t, err)
	require.Equal(t, []uint64{30}, heights())

	params.HeaderCache = 0
	require.NoError(t, f.keeper.Params.Set(f.ctx, params))
	_, err = f.submit(f.chain.Sealed(31, now))
	require.NoError(t, err)
	require.Empty(t, heights())
}

func TestForgottenHeadersTakeNoRoom(t *testing.T) {
	f := newFixture(t)
	params := types.DefaultParams()
	params.HeaderCache = 2
	require.NoError(t, f.keeper.Params.Set(f.ctx, params))
	for _, height := range []uint64{20, 21} {
		_, err := f.submit(f.chain.Sealed(height, now))
		require.NoError(t, err)
	}
	f.grow()
	for _, height := range []uint64{30, 31} {
		_, err := f.submit(f.chain.Sealed(height, now))
		require.NoError(t, err)
	}
	require.Len(t, f.headers(), 2)
}

func TestARelayedHeaderNeedNotBeFreshButBeSealed(t *testing.T) {
	f := newFixture(t)
	response, err := f.submit(f.chain.Sealed(20, now-100_000))
	require.NoError(t, err)
	require.Equal(t, uint64(20), response.Header.Height)
	require.False(t, response.NewValidators)
	require.Equal(t, []types.VerifiedHeader{response.Header}, f.headers())

	v := f.chain.Validators
	for name, c := range map[string]struct {
		header []byte
		want   error
	}{
		"malformed":             {[]byte{0xc0}, types.ErrMalformedHeader},
		"below quorum":          {acltest.Seal(f.chain.Header(21, now), 0, v, v[:2]), types.ErrNoQuorum},
		"by strangers":          {acltest.Seal(f.chain.Header(21, now), 0, v, acltest.Keys(3, "strangers")), types.ErrStranger},
		"below the floor":       {f.chain.Sealed(9, now), types.ErrHeightTooLow},
		"a set without the old": {acltest.Seal(f.chain.Header(21, now), 0, acltest.Keys(4, "x"), acltest.Keys(4, "x")), types.ErrNoSuccession},
	} {
		t.Run(name, func(t *testing.T) {
			before := f.state()
			_, err := f.submit(c.header)
			require.ErrorIs(t, err, c.want)
			require.Equal(t, before, f.state())
		})
	}
	_, err = f.msgs.SubmitHeader(f.ctx, &types.MsgSubmitHeader{Sender: alice, HostChainId: 7, Header: f.chain.Sealed(21, now)})
	require.ErrorIs(t, err, types.ErrUnknownHostChain)
}

// grow replaces one of the chain's validators and returns the old list.
func (f *fixture) grow() (old []*ecdsa.PrivateKey) {
	old = f.chain.Validators
	f.chain.Validators = append(slices.Clone(old[1:]), acltest.Key("newcomer"))
	return old
}

func TestANewValidatorSetTakesOver(t *testing.T) {
	f := newFixture(t)
	before := f.fresh(20, f.one)
	_, err := f.keeper.VerifyPublicDecryption(f.ctx, 31337, before, words(f.one), nil)
	require.NoError(t, err)
	old := f.grow()

	_, err = f.keeper.VerifyPublicDecryption(f.ctx, 31337, f.fresh(30, f.one), words(f.one), nil)
	require.ErrorIs(t, err, types.ErrForeignValidators, "not before the change was shown")

	response, err := f.submit(f.chain.Sealed(30, now))
	require.NoError(t, err)
	require.True(t, response.NewValidators)
	require.Equal(t, uint64(30), f.stored().ValidatorsHeight)
	set, err := f.stored().ValidatorSet()
	require.NoError(t, err)
	require.ElementsMatch(t, acltest.Addresses(f.chain.Validators), set.Addresses())
	require.Equal(t, "tkms.acl.v1.EventValidatorsChanged", f.ctx.EventManager().Events()[len(f.ctx.EventManager().Events())-1].Type)

	_, err = f.keeper.VerifyPublicDecryption(f.ctx, 31337, f.fresh(31, f.one), words(f.one), nil)
	require.NoError(t, err)
	_, err = f.keeper.VerifyPublicDecryption(f.ctx, 31337, before, words(f.one), nil)
	require.ErrorIs(t, err, types.ErrHeightTooLow, "what the old set sealed before is believed no longer")
	late := f.chain.PublicProof(acltest.Seal(f.chain.Header(40, now), 0, old, old[:3]), f.one)
	_, err = f.keeper.VerifyPublicDecryption(f.ctx, 31337, late, words(f.one), nil)
	require.Error(t, err, "nor what it seals afterwards")
}

func TestHistoryCannotSucceed(t *testing.T) {
	f := newFixture(t)
	old := f.chain.Validators
	_, err := f.submit(f.chain.Sealed(50, now))
	require.NoError(t, err)
	_, err = f.submit(f.chain.Sealed(20, now))
	require.NoError(t, err, "an older header of the same set")
	f.grow()
	before := f.state()
	for _, height := range []uint64{30, 49} {
		_, err = f.submit(f.chain.Sealed(height, now))
		require.ErrorIs(t, err, types.ErrNoSuccession, "the old set is known to have sealed block 50")
		require.Equal(t, before, f.state())
	}
	_, err = f.submit(f.chain.Sealed(51, now))
	require.NoError(t, err)

	f.chain.Validators = old
	_, err = f.submit(f.chain.Sealed(51, now))
	require.NoError(t, err)
	require.True(t, f.stored().Frozen, "two sets for one height are a fork")
}

func TestTheHeightOfTheKnownSetHasNoOther(t *testing.T) {
	f := newFixture(t)
	f.grow()
	before := f.state()
	_, err := f.submit(f.chain.Sealed(f.stored().ValidatorsHeight, now))
	require.ErrorIs(t, err, types.ErrNoSuccession)
	require.Equal(t, before, f.state())
	_, err = f.submit(f.chain.Sealed(f.stored().ValidatorsHeight+1, now))
	require.NoError(t, err)
}

func TestASuccessionThatMakesTwoHostChainsAlikeIsRefused(t *testing.T) {
	f := newFixture(t)
	other := acltest.New(4242, 4, "other chain")
	other.Validators = append(acltest.Keys(2, "other keys"), f.chain.Validators[:2]...)
	f.register(other)
	f.chain.Validators = append(slices.Clone(f.chain.Validators[:3]), other.Validators[0])
	before := f.state()
	_, err := f.submit(f.chain.Sealed(30, now))
	require.ErrorIs(t, err, types.ErrValidatorsShared)
	require.Equal(t, before, f.state())
}

func TestForkEvidenceFreezesTheHostChain(t *testing.T) {
	f := newFixture(t)
	v := f.chain.Validators
	a := f.chain.Sealed(20, now)
	b := f.chain.Sealed(20, now+1)
	send := func(a, b []byte) error {
		_, err := f.msgs.SubmitForkEvidence(f.ctx, &types.MsgSubmitForkEvidence{Sender: alice, HostChainId: 31337, HeaderA: a, HeaderB: b})
		return err
	}
	before := f.state()
	require.ErrorIs(t, send(a, a), types.ErrNoFork)
	require.ErrorIs(t, send(a, acltest.Seal(f.chain.Header(20, now), 2, v, v)), types.ErrNoFork)
	require.ErrorIs(t, send(a, f.chain.Sealed(21, now)), types.ErrNoFork)
	require.ErrorIs(t, send(a, acltest.Seal(f.chain.Header(20, now+1), 0, v, v[:2])), types.ErrNoQuorum)
	require.ErrorIs(t, send(a, b[1:]), types.ErrMalformedHeader)
	require.Equal(t, before, f.state())

	require.NoError(t, send(a, b))
	require.True(t, f.stored().Frozen)
	_, err := f.keeper.VerifyPublicDecryption(f.ctx, 31337, f.fresh(22, f.one), words(f.one), nil)
	require.ErrorIs(t, err, types.ErrHostChainFrozen)
	_, err = f.submit(f.chain.Sealed(22, now))
	require.ErrorIs(t, err, types.ErrHostChainFrozen)
	require.ErrorIs(t, send(a, b), types.ErrHostChainFrozen)
}

func TestAHeaderThatForksFromAVerifiedOneIsRefusedAndFreezes(t *testing.T) {
	f := newFixture(t)
	_, err := f.keeper.VerifyPublicDecryption(f.ctx, 31337, f.fresh(20, f.one), words(f.one), nil)
	require.NoError(t, err)
	fork := f.chain.Sealed(20, now+1)
	_, err = f.keeper.VerifyPublicDecryption(f.ctx, 31337, f.chain.PublicProof(fork, f.one), words(f.one), nil)
	require.ErrorIs(t, err, types.ErrConflictingHeader)
	require.False(t, f.stored().Frozen, "a refused request changes nothing")

	response, err := f.submit(fork)
	require.NoError(t, err)
	require.True(t, response.Frozen)
	require.True(t, f.stored().Frozen)
	require.Empty(t, f.headers(), "neither branch is believed")
}
