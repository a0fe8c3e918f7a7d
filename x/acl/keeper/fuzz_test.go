package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/acl/types"
)

// FuzzVerifyPublicDecryption mutates an encoded proof: whatever is accepted proves the one digest there is.
func FuzzVerifyPublicDecryption(f *testing.F) {
	fixture := newFixture(f)
	genuine := fixture.fresh(20, fixture.one)
	encoded, err := genuine.Marshal()
	require.NoError(f, err)
	f.Add(encoded)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var proof types.DecryptionProof
		if proof.Unmarshal(b) != nil {
			return
		}
		ctx, _ := fixture.ctx.CacheContext()
		verified, err := fixture.keeper.VerifyPublicDecryption(ctx, 31337, proof, words(fixture.one), nil)
		if err != nil {
			require.Zero(t, verified)
			return
		}
		require.Equal(t, words(digestOf("one")), verified.Digests)
		require.Equal(t, genuine.Acl, proof.Acl)
		require.Equal(t, genuine.Registry, proof.Registry)
	})
}

// FuzzVerifyUserDecryption mutates an encoded proof of a delegate's wallet: whatever is accepted proves the
// digests that there are, and only the header may have come in another form.
func FuzzVerifyUserDecryption(f *testing.F) {
	fixture := newUserFixture(f)
	access := fixture.approved()
	genuine := fixture.shown(access)
	encoded, err := genuine.Marshal()
	require.NoError(f, err)
	f.Add(encoded)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var proof types.DecryptionProof
		if proof.Unmarshal(b) != nil {
			return
		}
		ctx, _ := fixture.ctx.CacheContext()
		verified, err := fixture.keeper.VerifyUserDecryption(ctx, 31337, proof, access)
		if err != nil {
			require.Zero(t, verified)
			return
		}
		require.Equal(t, words(digestOf("one"), digestOf("two")), verified.Digests)
		require.Equal(t, genuine.Acl, proof.Acl)
		require.Equal(t, genuine.Registry, proof.Registry)
		require.Equal(t, genuine.Wallet, proof.Wallet)
	})
}

// FuzzRegisterHostChain mutates an encoded record: one that is accepted can be used without panic.
func FuzzRegisterHostChain(f *testing.F) {
	fixture := emptyFixture(f)
	chain := newUserFixture(f)
	record, access := recordOf(chain.chain), chain.approved()
	proof, approved := chain.fresh(20, chain.one), chain.shown(access)
	encoded, err := record.Marshal()
	require.NoError(f, err)
	f.Add(encoded)
	f.Fuzz(func(t *testing.T, b []byte) {
		var record types.HostChain
		if record.Unmarshal(b) != nil {
			return
		}
		ctx, _ := fixture.ctx.CacheContext()
		_, err := fixture.msgs.RegisterHostChain(ctx, &types.MsgRegisterHostChain{Authority: governance, HostChain: record})
		if err != nil {
			return
		}
		_, _ = fixture.keeper.VerifyPublicDecryption(ctx, record.Id, proof, words(chain.one), nil)
		_, _ = fixture.keeper.VerifyUserDecryption(ctx, record.Id, approved, access)
		exported, err := fixture.keeper.ExportGenesis(ctx)
		require.NoError(t, err)
		require.NoError(t, exported.Validate())
	})
}

// FuzzVerifySigners mutates an encoded proof: whatever is accepted is the one proof that there is, and only the
// header may have come in another form.
func FuzzVerifySigners(f *testing.F) {
	fixture := newFixture(f)
	fixture.chain.Take(committee(4), 3)
	genuine := fixture.chain.SignersProof(fixture.chain.Sealed(20, now), 4)
	encoded, err := genuine.Marshal()
	require.NoError(f, err)
	f.Add(encoded)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var proof types.SignersProof
		if proof.Unmarshal(b) != nil {
			return
		}
		ctx, _ := fixture.ctx.CacheContext()
		height, err := fixture.keeper.VerifySigners(ctx, 31337, proof, asked(committee(4)), 3)
		if err != nil {
			require.Zero(t, height)
			return
		}
		require.Equal(t, genuine.Verifier, proof.Verifier)
	})
}
