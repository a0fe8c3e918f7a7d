package keeper_test

import (
	"context"
	"math/big"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain"
	"github.com/tkms-network/tkms/testutil/hostchain/api"
	"github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/types"
)

// realChain is a running EVM with the unmodified fhEVM contracts, registered on the fixture.
type realChain struct {
	*fixture
	context context.Context
	host    *hostchain.Chain
	client  *client.Client
	// account gave the dApp the handles.
	account *client.Account
	// open was made publicly decryptable, kept was not.
	open, kept fhevm.Handle
}

func newRealChain(t *testing.T) *realChain {
	t.Helper()
	artifacts, err := hostchain.BuildArtifacts()
	if err != nil {
		t.Skipf("contract artifacts are missing and could not be built by %s: %v", hostchain.BuildScript, err)
	}
	host, err := hostchain.New(hostchain.Config{Seed: make([]byte, hostchain.SeedLength), Artifacts: artifacts})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, host.Close()) })
	handler, stop, err := host.Handler(nil)
	require.NoError(t, err)
	t.Cleanup(stop)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	c, err := client.Dial(ctx, server.URL)
	require.NoError(t, err)
	t.Cleanup(c.Close)

	account, err := client.NewAccount()
	require.NoError(t, err)
	r := &realChain{fixture: emptyFixture(t), context: ctx, host: host, client: c, account: account}
	require.NoError(t, c.Fund(ctx, account.Address(), nil))
	for i, handle := range []*fhevm.Handle{&r.open, &r.kept} {
		input, err := c.SubmitCiphertext(ctx, common.Address{}, account.Address(), fhevm.Uint64, []byte{byte(i)})
		require.NoError(t, err)
		_, err = c.Submit(ctx, account, input.Handle, input.InputProof)
		require.NoError(t, err)
		*handle = input.Handle
	}
	_, err = c.MakePubliclyDecryptable(ctx, account, r.open)
	require.NoError(t, err)

	r.chain = acltest.New(c.Info().ChainID, 1, "a real chain's stand-in for what records need besides")
	_, err = r.msgs.RegisterHostChain(r.ctx, &types.MsgRegisterHostChain{Authority: governance, HostChain: r.record()})
	require.NoError(t, err)
	r.ctx = r.ctx.WithBlockTime(time.Unix(int64(host.Head().Time), 0))
	return r
}

// record describes the running chain as an operator would.
func (r *realChain) record() types.HostChain {
	info := r.client.Info()
	code := func(address common.Address) []byte {
		b, err := r.client.Eth().CodeAt(r.context, address, nil)
		require.NoError(r.t, err)
		require.NotEmpty(r.t, b)
		return crypto.Keccak256(b)
	}
	record := recordOf(r.chain)
	record.ValidatorsHeight = 0
	record.Validators = nil
	for _, address := range info.Validators {
		record.Validators = append(record.Validators, address.Bytes())
	}
	record.Acl = types.Contract{Address: info.Contracts.ACL.Bytes(), CodeHash: code(info.Contracts.ACL)}
	record.Registry = types.Contract{Address: info.Contracts.Registry.Bytes(), CodeHash: code(info.Contracts.Registry)}
	record.RegistrySlot = info.Slots.RegistryBase.Bytes()
	return record
}

// evidence fetches a proof of handles at the head.
func (r *realChain) evidence(handles ...fhevm.Handle) types.DecryptionProof {
	r.t.Helper()
	evidence, err := r.client.PublicDecryptionEvidence(r.context, handles, nil)
	require.NoError(r.t, err)
	return types.DecryptionProof{Header: evidence.HeaderRLP, Acl: accountProof(evidence.ACL), Registry: accountProof(evidence.Registry)}
}

// accountProof is a proof as consensus takes it.
func accountProof(p client.AccountProof) types.AccountProof {
	proof := types.AccountProof{AccountNodes: p.Nodes}
	for _, s := range p.Storage {
		proof.Storage = append(proof.Storage, types.StorageProof{Nodes: s.Nodes})
	}
	return proof
}

func (r *realChain) verify(proof types.DecryptionProof, handle fhevm.Handle) (types.Verified, error) {
	return r.keeper.VerifyPublicDecryption(r.ctx, r.chain.ID, proof, [][32]byte{handle}, nil)
}

func (r *realChain) forge(kind api.Forgery) []byte {
	r.t.Helper()
	header, err := r.client.ForgeHeader(r.context, kind, r.host.Head().Number.Uint64())
	require.NoError(r.t, err)
	return header
}

func TestARunningHostChainsProofsAreJudgedRight(t *testing.T) {
	r := newRealChain(t)
	proof := r.evidence(r.open)
	verified, err := r.verify(proof, r.open)
	require.NoError(t, err)
	hash, err := hostchain.BesuHash(r.host.Head())
	require.NoError(t, err)
	require.Equal(t, types.Verified{
		HeaderHash: hash,
		Height:     r.host.Head().Number.Uint64(),
		Timestamp:  r.host.Head().Time,
		Digests:    [][32]byte{crypto.Keccak256Hash([]byte{0})},
	}, verified)

	_, err = r.verify(r.evidence(r.kept), r.kept)
	require.ErrorIs(t, err, types.ErrNotPermitted)
	unbound := r.open
	unbound[0] ^= 1
	_, err = r.verify(r.evidence(unbound), unbound)
	require.ErrorIs(t, err, types.ErrNotPermitted)

	for kind, want := range map[api.Forgery]error{
		api.Subquorum:  types.ErrNoQuorum,
		api.Unsealed:   types.ErrNoQuorum,
		api.Repeated:   types.ErrBadSeal,
		api.Strangers:  types.ErrStranger,
		api.ForeignSet: types.ErrStranger,
		api.HostileSet: types.ErrStranger,
		api.Tampered:   types.ErrStranger,
		api.Succession: types.ErrStranger,
		api.Stale:      types.ErrConflictingHeader,
		api.Future:     types.ErrConflictingHeader,
		api.Fork:       types.ErrConflictingHeader,
	} {
		forged := proof
		forged.Header = r.forge(kind)
		before := r.state()
		_, err := r.verify(forged, r.open)
		require.ErrorIs(t, err, want, string(kind))
		require.Equal(t, before, r.state(), string(kind))
	}

	_, err = r.client.Mine(r.context, 1)
	require.NoError(t, err)
	for kind, want := range map[api.Forgery]error{api.Stale: types.ErrStaleHeader, api.Future: types.ErrFutureHeader} {
		forged := proof
		forged.Header = r.forge(kind)
		_, err := r.verify(forged, r.open)
		require.ErrorIs(t, err, want, string(kind))
	}
}

func TestARunningHostChainsSuccessionAndForksAreFollowed(t *testing.T) {
	r := newRealChain(t)
	_, err := r.client.SetValidators(r.context, []int{1, 2, 3, 4})
	require.NoError(t, err)
	_, err = r.client.Mine(r.context, 1)
	require.NoError(t, err)
	_, err = r.verify(r.evidence(r.open), r.open)
	require.Error(t, err)

	header, err := r.client.HeaderRLP(r.context, nil)
	require.NoError(t, err)
	response, err := r.submit(header)
	require.NoError(t, err)
	require.True(t, response.NewValidators)
	_, err = r.client.Mine(r.context, 1)
	require.NoError(t, err)
	_, err = r.verify(r.evidence(r.open), r.open)
	require.NoError(t, err)

	_, err = r.submit(r.forge(api.HostileSet))
	require.ErrorIs(t, err, types.ErrNoSuccession)
	genuine, err := r.client.HeaderRLP(r.context, new(big.Int).SetUint64(r.host.Head().Number.Uint64()))
	require.NoError(t, err)
	_, err = qbft.DecodeHeader(genuine)
	require.NoError(t, err)
	_, err = r.msgs.SubmitForkEvidence(r.ctx, &types.MsgSubmitForkEvidence{
		Sender: alice, HostChainId: r.chain.ID, HeaderA: genuine, HeaderB: r.forge(api.Fork),
	})
	require.NoError(t, err)
	require.True(t, r.stored().Frozen)
}
