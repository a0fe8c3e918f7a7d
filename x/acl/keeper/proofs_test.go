package keeper_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"

	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/types"
)

func TestAProvenPermissionIsAcceptedWithItsDigests(t *testing.T) {
	f := newFixture(t)
	proof := f.fresh(20, f.two, f.one)
	verified, err := f.keeper.VerifyPublicDecryption(f.ctx, 31337, proof, words(f.two, f.one), nil)
	require.NoError(t, err)
	header, err := qbft.DecodeHeader(proof.Header)
	require.NoError(t, err)
	require.Equal(t, types.Verified{
		HeaderHash: header.BlockHash(),
		Height:     20,
		Timestamp:  now,
		Digests:    words(digestOf("two"), digestOf("one")),
	}, verified)

	_, err = f.keeper.VerifyPublicDecryption(f.ctx, 31337, proof, words(f.two, f.one), words(digestOf("two"), digestOf("one")))
	require.NoError(t, err, "with the right digests claimed")
}

func TestEachReasonForRefusalHasItsOwnCodeAndWritesNothing(t *testing.T) {
	f := newFixture(t)
	c, v := f.chain, f.chain.Validators
	strangers := acltest.Keys(4, "strangers")
	unbound, forbidden, odd := c.Handle(3, 5), c.Handle(4, 5), c.Handle(5, 5)
	c.Allow(unbound)
	c.Bind(forbidden, digestOf("forbidden"))
	c.Set(c.ACL, acltest.Layout().AllowedForDecryption(odd), common.Hash{31: 2})
	c.Bind(odd, digestOf("odd"))

	foreign := acltest.New(31338, 4, "host chain").Handle(1, 5)
	versioned := c.Handle(6, 5)
	versioned[31] = 1

	header := func(change func(h *qbft.Header)) []byte {
		h, err := qbft.DecodeHeader(c.Sealed(20, now))
		require.NoError(t, err)
		change(h)
		return h.Encode()
	}
	// A registry with other code, of which a stranger is the owner, bound the handle.
	stranger := acltest.New(31337, 4, "host chain")
	stranger.RegistryCode = []byte("code of a registry that anybody may write")
	stranger.Allow(f.one)
	stranger.Bind(f.one, digestOf("a stranger's"))
	swapped := acltest.New(31337, 4, "host chain")
	swapped.ACLCode = []byte("code of another ACL")
	swapped.Allow(f.one)
	swapped.Bind(f.one, digestOf("one"))
	bare := acltest.New(31337, 4, "host chain")
	bare.Allow(f.one, f.two)
	bare.Drop(bare.Registry)

	type request struct {
		id      uint64
		proof   types.DecryptionProof
		handles [][32]byte
		claimed [][32]byte
	}
	for _, test := range []struct {
		name   string
		change func(r *request)
		want   error
	}{
		{"unknown host chain", func(r *request) { r.id = 1 }, types.ErrUnknownHostChain},
		{"no handles", func(r *request) {
			r.handles, r.proof.Acl.Storage, r.proof.Registry.Storage = nil, nil, nil
		}, types.ErrMalformedProof},
		{"too many handles", func(r *request) { r.handles = make([][32]byte, 9) }, types.ErrMalformedProof},
		{"a handle twice", func(r *request) { r.handles = words(f.one, f.one) }, types.ErrMalformedProof},
		{"a handle of another chain", func(r *request) { r.handles = words(f.one, foreign) }, types.ErrForeignHandle},
		{"an unknown handle version", func(r *request) { r.handles = words(f.one, versioned) }, types.ErrUnknownHandleVersion},
		{"fewer digests claimed than handles", func(r *request) { r.claimed = words(digestOf("one")) }, types.ErrMalformedProof},
		{"one storage proof too few in the ACL", func(r *request) { r.proof.Acl.Storage = r.proof.Acl.Storage[:1] }, types.ErrMalformedProof},
		{"one storage proof too many in the ACL", func(r *request) {
			r.proof.Acl.Storage = append(r.proof.Acl.Storage, types.StorageProof{})
		}, types.ErrMalformedProof},
		{"no storage proof in the registry", func(r *request) { r.proof.Registry.Storage = nil }, types.ErrMalformedProof},

		{"no header", func(r *request) { r.proof.Header = nil }, types.ErrMalformedHeader},
		{"header of another form", func(r *request) { r.proof.Header = append(r.proof.Header, 0) }, types.ErrMalformedHeader},
		{"header sealed by fewer than a quorum", func(r *request) { r.proof.Header = acltest.Seal(c.Header(20, now), 0, v, v[:2]) }, types.ErrNoQuorum},
		{"header sealed by strangers", func(r *request) { r.proof.Header = acltest.Seal(c.Header(20, now), 0, v, strangers) }, types.ErrStranger},
		{"header with a list of strangers", func(r *request) {
			r.proof.Header = acltest.Seal(c.Header(20, now), 0, strangers, strangers)
		}, types.ErrStranger},
		{"header with another list", func(r *request) { r.proof.Header = acltest.Seal(c.Header(20, now), 0, v[:3], v[:3]) }, types.ErrForeignValidators},
		{"header with one seal twice", func(r *request) {
			r.proof.Header = header(func(h *qbft.Header) { h.Extra.Seals[1] = h.Extra.Seals[0] })
		}, types.ErrBadSeal},
		{"header with a broken seal", func(r *request) {
			r.proof.Header = header(func(h *qbft.Header) { h.Extra.Seals[1][64] = 9 })
		}, types.ErrBadSeal},
		{"stale header", func(r *request) { r.proof.Header = c.Sealed(20, now-61) }, types.ErrStaleHeader},
		{"future header", func(r *request) { r.proof.Header = c.Sealed(20, now+6) }, types.ErrFutureHeader},
		{"header below the floor", func(r *request) { r.proof.Header = c.Sealed(9, now) }, types.ErrHeightTooLow},

		{"tampered account proof of the ACL", func(r *request) { flip(r.proof.Acl.AccountNodes) }, types.ErrBadAccountProof},
		{"tampered account proof of the registry", func(r *request) { flip(r.proof.Registry.AccountNodes) }, types.ErrBadAccountProof},
		{"tampered storage proof in the ACL", func(r *request) { flip(r.proof.Acl.Storage[1].Nodes) }, types.ErrBadStorageProof},
		{"tampered storage proof in the registry", func(r *request) { flip(r.proof.Registry.Storage[1].Nodes) }, types.ErrBadStorageProof},
		{"storage proofs in another order", func(r *request) { slices.Reverse(r.proof.Acl.Storage) }, types.ErrBadStorageProof},
		{"the registry's proof for the ACL", func(r *request) { r.proof.Acl = r.proof.Registry }, types.ErrBadAccountProof},
		{"a wallet where no approval is asked for", func(r *request) { r.proof.Wallet = &r.proof.Acl }, types.ErrMalformedProof},
		{"an unused node", func(r *request) {
			r.proof.Registry.Storage[0].Nodes = append(r.proof.Registry.Storage[0].Nodes, []byte{0xc0})
		}, types.ErrMalformedProof},
		{"proof of another state", func(r *request) {
			r.proof.Acl = stranger.PublicProof(nil, f.one, f.two).Acl
		}, types.ErrBadAccountProof},
		{"no registry on the chain", func(r *request) {
			r.proof.Header = bare.Sealed(20, now)
			r.proof.Registry.AccountNodes = bare.AccountProof(bare.Registry)
			for i, h := range []common.Hash{f.one, f.two} {
				r.proof.Acl.Storage[i].Nodes = bare.StorageProof(bare.ACL, acltest.Layout().AllowedForDecryption(h))
			}
			r.proof.Acl.AccountNodes = bare.AccountProof(bare.ACL)
		}, types.ErrBadAccountProof},
		{"digest written by a stranger into a registry of its own", func(r *request) {
			r.handles = words(f.one)
			r.proof = stranger.PublicProof(stranger.Sealed(20, now), f.one)
		}, types.ErrForeignCode},
		{"an ACL with other code", func(r *request) {
			r.handles = words(f.one)
			r.proof = swapped.PublicProof(swapped.Sealed(20, now), f.one)
		}, types.ErrForeignCode},
		{"no ACL permission", func(r *request) {
			r.handles, r.proof = words(f.one, forbidden), f.fresh(20, f.one, forbidden)
		}, types.ErrNotPermitted},
		{"a permission that is no boolean", func(r *request) {
			r.handles, r.proof = words(odd), f.fresh(20, odd)
		}, types.ErrBadStorageProof},
		{"no ciphertext registered", func(r *request) {
			r.handles, r.proof = words(f.one, unbound), f.fresh(20, f.one, unbound)
		}, types.ErrNoDigest},
		{"another ciphertext claimed", func(r *request) { r.claimed = words(digestOf("one"), digestOf("one")) }, types.ErrDigestMismatch},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := request{id: 31337, proof: f.fresh(20, f.one, f.two), handles: words(f.one, f.two)}
			test.change(&r)
			before := f.state()
			verified, err := f.keeper.VerifyPublicDecryption(f.ctx, r.id, r.proof, r.handles, r.claimed)
			require.ErrorIs(t, err, test.want)
			require.Zero(t, verified)
			require.Equal(t, before, f.state())
		})
	}
	_, err := f.keeper.VerifyPublicDecryption(f.ctx, 31337, f.fresh(20, f.one, f.two), words(f.one, f.two), nil)
	require.NoError(t, err, "what the cases changed was good")
}

// flip changes one bit of the last node.
func flip(nodes [][]byte) {
	last := nodes[len(nodes)-1]
	last[len(last)-1] ^= 1
}

func TestTheFreshnessWindowIncludesBothEnds(t *testing.T) {
	f := newFixture(t)
	for time, want := range map[uint64]error{
		now - 61:  types.ErrStaleHeader,
		now - 60:  nil,
		now + 5:   nil,
		now + 6:   types.ErrFutureHeader,
		1<<64 - 1: types.ErrFutureHeader,
		0:         types.ErrStaleHeader,
	} {
		proof := f.chain.PublicProof(f.chain.Sealed(20+time%100, time), f.one)
		_, err := f.keeper.VerifyPublicDecryption(f.ctx, 31337, proof, words(f.one), nil)
		if want == nil {
			require.NoError(t, err, "header time %d", time)
		} else {
			require.ErrorIs(t, err, want, "header time %d", time)
		}
	}
}

func TestAHeaderThatWasFreshGrowsStale(t *testing.T) {
	f := newFixture(t)
	proof := f.fresh(20, f.one)
	_, err := f.keeper.VerifyPublicDecryption(f.ctx, 31337, proof, words(f.one), nil)
	require.NoError(t, err)
	f.ctx = f.ctx.WithBlockTime(time.Unix(now+61, 0))
	_, err = f.keeper.VerifyPublicDecryption(f.ctx, 31337, proof, words(f.one), nil)
	require.ErrorIs(t, err, types.ErrStaleHeader, "though its seals are remembered")
}

func TestProofsOfOneHostChainAreRefusedForAnother(t *testing.T) {
	f := newFixture(t)
	other := acltest.New(4242, 4, "other chain")
	handle := other.Handle(1, 5)
	other.Allow(handle, f.one)
	other.Bind(handle, digestOf("one"))
	other.Bind(f.one, digestOf("one"))
	f.register(other)

	_, err := f.keeper.VerifyPublicDecryption(f.ctx, 4242, other.PublicProof(other.Sealed(20, now), handle), words(handle), nil)
	require.NoError(t, err)
	_, err = f.keeper.VerifyPublicDecryption(f.ctx, 31337, f.fresh(20, f.one), words(f.one), nil)
	require.NoError(t, err)

	_, err = f.keeper.VerifyPublicDecryption(f.ctx, 31337, other.PublicProof(other.Sealed(20, now), handle), words(handle), nil)
	require.ErrorIs(t, err, types.ErrForeignHandle)
	_, err = f.keeper.VerifyPublicDecryption(f.ctx, 31337, other.PublicProof(other.Sealed(20, now), f.one), words(f.one), nil)
	require.ErrorIs(t, err, types.ErrStranger)
	_, err = f.keeper.VerifyPublicDecryption(f.ctx, 4242, f.fresh(20, f.one), words(f.one), nil)
	require.ErrorIs(t, err, types.ErrForeignHandle)
}

func TestAnUnpinnedACLMayHaveAnyCode(t *testing.T) {
	f := newFixture(t)
	record := f.stored()
	record.Acl.CodeHash = nil
	_, err := f.msgs.UpdateHostChain(f.ctx, &types.MsgUpdateHostChain{Authority: governance, HostChain: record})
	require.NoError(t, err)
	f.chain.ACLCode = []byte("code of another ACL")
	f.chain.Allow(f.one)
	_, err = f.keeper.VerifyPublicDecryption(f.ctx, 31337, f.fresh(20, f.one), words(f.one), nil)
	require.NoError(t, err)
}

func TestAPausedHostChainIsRefusedUntilItIsResumed(t *testing.T) {
	f := newFixture(t)
	for _, paused := range []bool{true, false} {
		_, err := f.msgs.SetHostChainPaused(f.ctx, &types.MsgSetHostChainPaused{Authority: governance, HostChainId: 31337, Paused: paused})
		require.NoError(t, err)
		_, err = f.keeper.VerifyPublicDecryption(f.ctx, 31337, f.fresh(20, f.one), words(f.one), nil)
		if paused {
			require.ErrorIs(t, err, types.ErrHostChainPaused)
		} else {
			require.NoError(t, err)
		}
	}
}

func TestGovernanceBoundsTheSizeOfHeadersAndProofs(t *testing.T) {
	f := newFixture(t)
	proof := f.fresh(20, f.one)
	size := len(proof.Header)
	for _, account := range []types.AccountProof{proof.Acl, proof.Registry} {
		for _, node := range append(slices.Clone(account.AccountNodes), account.Storage[0].Nodes...) {
			size += len(node)
		}
	}
	for _, c := range []struct {
		header, proof int
		want          error
	}{
		{len(proof.Header) - 1, size, types.ErrMalformedHeader},
		{len(proof.Header), size - 1, types.ErrMalformedProof},
		{len(proof.Header), size, nil},
	} {
		params := types.DefaultParams()
		params.MaxHeaderBytes, params.MaxProofBytes = uint32(c.header), uint32(c.proof)
		require.NoError(t, f.keeper.Params.Set(f.ctx, params))
		_, err := f.keeper.VerifyPublicDecryption(f.ctx, 31337, proof, words(f.one), nil)
		require.ErrorIs(t, err, c.want)
	}
}

func TestGasIsTakenBeforeTheWorkItPaysFor(t *testing.T) {
	f := newFixture(t)
	params := types.DefaultParams()
	params.GasPerSeal, params.GasPerProofNode = 1_000_000_000, 1_000_000_000
	require.NoError(t, f.keeper.Params.Set(f.ctx, params))
	proof := f.fresh(20, f.one)
	flip(proof.Acl.AccountNodes)

	verify := func(limit storetypes.Gas, proof types.DecryptionProof) func() {
		return func() {
			ctx := f.ctx.WithGasMeter(storetypes.NewGasMeter(limit))
			_, _ = f.keeper.VerifyPublicDecryption(ctx, 31337, proof, words(f.one), nil)
		}
	}
	require.Panics(t, verify(500_000_000, proof), "nodes")
	nodes := len(proof.Acl.AccountNodes) + len(proof.Acl.Storage[0].Nodes) + len(proof.Registry.AccountNodes) + len(proof.Registry.Storage[0].Nodes)
	enough := storetypes.Gas(nodes)*params.GasPerProofNode + 500_000_000
	require.Panics(t, verify(enough, proof), "seals")
	require.NotPanics(t, verify(enough+3*params.GasPerSeal, proof))
}
