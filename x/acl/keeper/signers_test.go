package keeper_test

import (
	"math"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"

	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/types"
)

// committee are the signing addresses of n parties.
func committee(n int) []common.Address { return acltest.Addresses(acltest.Keys(n, "parties")) }

func asked(signers []common.Address) [][20]byte {
	out := make([][20]byte, len(signers))
	for i, s := range signers {
		out[i] = s
	}
	return out
}

func TestTheSignersThatTheVerifierTakesAreProven(t *testing.T) {
	f := newFixture(t)
	for _, n := range []int{4, 7, 1, 16, 4} {
		height, threshold := uint64(20+n), uint32(2*((n-1)/3)+1)
		f.chain.Take(committee(n), threshold)
		proof := f.chain.SignersProof(f.chain.Sealed(height, now), n)
		shown, err := f.keeper.VerifySigners(f.ctx, 31337, proof, asked(committee(n)), threshold)
		require.NoError(t, err)
		require.Equal(t, height, shown)
	}
}

func TestSignersAreProvenWholeInOrderAndNoOthers(t *testing.T) {
	f := newFixture(t)
	c, v := f.chain, f.chain.Validators
	seven := committee(7)
	c.Take(seven, 5)
	good := c.SignersProof(c.Sealed(20, now), 7)
	// The same under other sets, other contracts and in other states.
	variant := func(change func(c *acltest.Chain)) types.SignersProof {
		other := acltest.New(31337, 4, "host chain")
		other.Take(seven, 5)
		change(other)
		return other.SignersProof(other.Sealed(20, now), 7)
	}
	slots := acltest.VerifierLayout().Slots(8)

	type request struct {
		id        uint64
		proof     types.SignersProof
		signers   []common.Address
		threshold uint32
	}
	for _, test := range []struct {
		name   string
		change func(r *request)
		want   error
	}{
		{"unknown host chain", func(r *request) { r.id = 1 }, types.ErrUnknownHostChain},
		{"a signer too few asked for", func(r *request) { r.signers = seven[:6] }, types.ErrMalformedProof},
		{"a signer too many asked for", func(r *request) { r.signers = committee(8) }, types.ErrMalformedProof},
		{"a signer too few asked for and shown", func(r *request) {
			r.signers, r.proof = seven[:6], c.SignersProof(r.proof.Header, 6)
		}, types.ErrOtherSigners},
		{"a signer too many asked for and shown", func(r *request) {
			r.signers, r.proof = append(slices.Clone(seven), common.Address{}), c.SignersProof(r.proof.Header, 8)
		}, types.ErrOtherSigners},
		{"no signers", func(r *request) { r.signers, r.proof = nil, c.SignersProof(r.proof.Header, 0) }, types.ErrOtherSigners},
		{"another order", func(r *request) { slices.Reverse(r.signers) }, types.ErrOtherSigners},
		{"one signer another", func(r *request) { r.signers[3] = common.Address{3} }, types.ErrOtherSigners},
		{"a lower threshold than wanted", func(r *request) { r.threshold = 6 }, types.ErrOtherSigners},
		{"a higher threshold than wanted", func(r *request) { r.threshold = 4 }, types.ErrOtherSigners},
		{"a threshold of 2^32 more", func(r *request) {
			r.proof = variant(func(c *acltest.Chain) { c.Set(c.Verifier, slots[1], common.Hash{27: 1, 31: 5}) })
		}, types.ErrOtherSigners},
		{"a signer with more than an address", func(r *request) {
			r.proof = variant(func(c *acltest.Chain) {
				word := common.BytesToHash(seven[6][:])
				word[0] = 1
				c.Set(c.Verifier, slots[8], word)
			})
		}, types.ErrOtherSigners},
		{"a set that is cleared", func(r *request) {
			r.proof = variant(func(c *acltest.Chain) { c.Take(nil, 0) })
		}, types.ErrOtherSigners},
		{"a verifier with other code", func(r *request) {
			r.proof = variant(func(c *acltest.Chain) {
				c.VerifierCode = []byte("code of a verifier that takes anybody")
				c.Take(seven, 5)
			})
		}, types.ErrForeignCode},
		{"no verifier on the chain", func(r *request) {
			bare := acltest.New(31337, 4, "host chain")
			r.proof.Header, r.proof.Verifier.AccountNodes = bare.Sealed(20, now), bare.AccountProof(bare.Verifier)
		}, types.ErrBadAccountProof},
		{"another contract with the same storage", func(r *request) {
			r.proof.Verifier.AccountNodes = c.AccountProof(c.ACL)
		}, types.ErrBadAccountProof},

		{"no header", func(r *request) { r.proof.Header = nil }, types.ErrMalformedHeader},
		{"header sealed by fewer than a quorum", func(r *request) { r.proof.Header = acltest.Seal(c.Header(20, now), 0, v, v[:2]) }, types.ErrNoQuorum},
		{"header sealed by strangers", func(r *request) {
			r.proof.Header = acltest.Seal(c.Header(20, now), 0, v, acltest.Keys(4, "strangers"))
		}, types.ErrStranger},
		{"stale header", func(r *request) { r.proof.Header = c.Sealed(20, now-61) }, types.ErrStaleHeader},
		{"future header", func(r *request) { r.proof.Header = c.Sealed(20, now+6) }, types.ErrFutureHeader},
		{"header below the floor", func(r *request) { r.proof.Header = c.Sealed(9, now) }, types.ErrHeightTooLow},

		{"tampered account proof", func(r *request) { flip(r.proof.Verifier.AccountNodes) }, types.ErrBadAccountProof},
		{"tampered storage proof", func(r *request) { flip(r.proof.Verifier.Storage[4].Nodes) }, types.ErrBadStorageProof},
		{"storage proofs in another order", func(r *request) { slices.Reverse(r.proof.Verifier.Storage) }, types.ErrBadStorageProof},
		{"one signer's proof twice", func(r *request) { r.proof.Verifier.Storage[3] = r.proof.Verifier.Storage[2] }, types.ErrBadStorageProof},
		{"a storage proof too many", func(r *request) {
			r.proof.Verifier.Storage = append(r.proof.Verifier.Storage, types.StorageProof{})
		}, types.ErrMalformedProof},
		{"an unused node", func(r *request) {
			r.proof.Verifier.Storage[0].Nodes = append(r.proof.Verifier.Storage[0].Nodes, []byte{0xc0})
		}, types.ErrMalformedProof},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := request{id: 31337, proof: c.SignersProof(c.Sealed(20, now), 7), signers: slices.Clone(seven), threshold: 5}
			test.change(&r)
			before := f.state()
			height, err := f.keeper.VerifySigners(f.ctx, r.id, r.proof, asked(r.signers), r.threshold)
			require.ErrorIs(t, err, test.want)
			require.Zero(t, height)
			require.Equal(t, before, f.state())
		})
	}
	_, err := f.keeper.VerifySigners(f.ctx, 31337, good, asked(seven), 5)
	require.NoError(t, err, "what the cases changed was good")
}

func TestAHostChainWithoutVerifierHasNoSignersToProve(t *testing.T) {
	f := newFixture(t)
	f.chain.Take(committee(4), 3)
	proof := f.chain.SignersProof(f.chain.Sealed(20, now), 4)
	record := f.stored()
	record.Verifier, record.VerifierLayout = nil, ""
	_, err := f.msgs.UpdateHostChain(f.ctx, &types.MsgUpdateHostChain{Authority: governance, HostChain: record})
	require.NoError(t, err)
	_, err = f.keeper.VerifySigners(f.ctx, 31337, proof, asked(committee(4)), 3)
	require.ErrorIs(t, err, types.ErrNoVerifier)
}

func TestAPausedOrFrozenHostChainShowsNoSigners(t *testing.T) {
	f := newFixture(t)
	f.chain.Take(committee(4), 3)
	verify := func() error {
		_, err := f.keeper.VerifySigners(f.ctx, 31337, f.chain.SignersProof(f.chain.Sealed(20, now), 4), asked(committee(4)), 3)
		return err
	}
	record := f.stored()
	record.Paused = true
	require.NoError(t, f.keeper.HostChains.Set(f.ctx, record.Id, record))
	require.ErrorIs(t, verify(), types.ErrHostChainPaused)
	record.Paused, record.Frozen = false, true
	require.NoError(t, f.keeper.HostChains.Set(f.ctx, record.Id, record))
	require.ErrorIs(t, verify(), types.ErrHostChainFrozen)
}

func TestAProofOfSignersIsBoundedAndPaidForBeforeItIsRead(t *testing.T) {
	f := newFixture(t)
	f.chain.Take(committee(16), 11)
	proof := f.chain.SignersProof(f.chain.Sealed(20, now), 16)
	size, nodes := len(proof.Header), 0
	for _, list := range append([]types.StorageProof{{Nodes: proof.Verifier.AccountNodes}}, proof.Verifier.Storage...) {
		nodes += len(list.Nodes)
		for _, node := range list.Nodes {
			size += len(node)
		}
	}
	params := types.DefaultParams()
	params.GasPerProofNode = 1000
	verify := func(limit storetypes.Gas) error {
		require.NoError(t, f.keeper.Params.Set(f.ctx, params))
		_, err := f.keeper.VerifySigners(f.ctx.WithGasMeter(storetypes.NewGasMeter(limit)), 31337, proof, asked(committee(16)), 11)
		return err
	}
	params.MaxProofBytes = uint32(size - 1)
	require.ErrorIs(t, verify(math.MaxUint64), types.ErrMalformedProof)
	params.MaxProofBytes = uint32(size)
	require.NoError(t, verify(math.MaxUint64))
	params.GasPerProofNode = 1_000_000_000
	require.Panics(t, func() { _ = verify(storetypes.Gas(nodes)*params.GasPerProofNode - 1) })
	require.NoError(t, verify(storetypes.Gas(nodes)*params.GasPerProofNode+1_000_000))
}
