package hostchain

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// provenSlots verifies an account proof against root with go-ethereum's own verifier and returns
// the slots' values.
func provenSlots(t *testing.T, root common.Hash, proof client.AccountProof) []common.Hash {
	t.Helper()
	raw, err := trie.VerifyProof(root, crypto.Keccak256(proof.Address[:]), nodeSet(t, proof.Nodes))
	require.NoError(t, err)
	var account types.StateAccount
	require.NoError(t, rlp.DecodeBytes(raw, &account))
	values := make([]common.Hash, len(proof.Storage))
	for i, s := range proof.Storage {
		if account.Root == types.EmptyRootHash {
			require.Empty(t, s.Nodes, "an account without storage has no nodes to show")
			continue
		}
		raw, err := trie.VerifyProof(account.Root, crypto.Keccak256(s.Slot[:]), nodeSet(t, s.Nodes))
		require.NoError(t, err)
		if raw != nil {
			_, content, _, err := rlp.Split(raw)
			require.NoError(t, err)
			values[i] = common.BytesToHash(content)
		}
		require.Equal(t, common.BigToHash(s.Value), values[i])
	}
	return values
}

func nodeSet(t *testing.T, nodes [][]byte) *memorydb.Database {
	t.Helper()
	db := memorydb.New()
	for _, n := range nodes {
		require.NoError(t, db.Put(crypto.Keccak256(n), n))
	}
	return db
}

func TestEvidenceProvesPermissionAndDigestUnderASealedHeader(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	open := []byte("disclosed ciphertext")
	secret := []byte("secret ciphertext")
	disclosed, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), fhevm.Uint64, open)
	require.NoError(t, err)
	kept, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), fhevm.Uint2048, secret)
	require.NoError(t, err)
	for _, in := range []*struct {
		handle fhevm.Handle
		proof  []byte
	}{{disclosed.Handle, disclosed.InputProof}, {kept.Handle, kept.InputProof}} {
		_, err = c.Submit(ctx, alice, in.handle, in.proof)
		require.NoError(t, err)
	}
	before := chain.Head().Number
	_, err = c.MakePubliclyDecryptable(ctx, alice, disclosed.Handle)
	require.NoError(t, err)
	_, err = c.Allow(ctx, alice, kept.Handle, alice.Address())
	require.NoError(t, err)
	after := chain.Head().Number
	for range 300 { // far beyond the 128 states that a node which is no archive keeps
		_, err := chain.Seal()
		require.NoError(t, err)
	}

	handles := []fhevm.Handle{disclosed.Handle, kept.Handle}
	one := common.BigToHash(big.NewInt(1))
	for _, test := range []struct {
		name        string
		number      *big.Int
		permissions []common.Hash
	}{
		{"before the permission", before, []common.Hash{{}, {}}},
		{"an old block with it", after, []common.Hash{one, {}}},
		{"the head", nil, []common.Hash{one, {}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			evidence, err := c.PublicDecryptionEvidence(ctx, handles, test.number)
			require.NoError(t, err)
			var header types.Header
			require.NoError(t, rlp.DecodeBytes(evidence.HeaderRLP, &header))
			require.Equal(t, chain.Header(evidence.Block).Hash(), header.Hash(), "the rebuilt header must be the chain's")
			require.NoError(t, VerifySeals(&header, chain.Validators()))
			require.Equal(t, test.permissions, provenSlots(t, header.Root, evidence.ACL))
			require.Equal(t, []common.Hash{crypto.Keccak256Hash(open), crypto.Keccak256Hash(secret)}, provenSlots(t, header.Root, evidence.Registry))

			// The same slots under another header's root prove nothing.
			other := chain.Header(1).Root
			_, err = trie.VerifyProof(other, crypto.Keccak256(evidence.ACL.Address[:]), nodeSet(t, evidence.ACL.Nodes))
			require.Error(t, err)
		})
	}

	persisted := []common.Hash{
		fhevm.PersistedAllowedSlot(kept.Handle, alice.Address()),
		fhevm.PersistedAllowedSlot(kept.Handle, chain.Disclosure()),
		fhevm.PersistedAllowedSlot(disclosed.Handle, alice.Address()),
	}
	proof, err := c.AccountProof(ctx, fhevm.ACLAddress, persisted, nil)
	require.NoError(t, err)
	require.Equal(t, []common.Hash{one, one, {}}, provenSlots(t, chain.Head().Root, *proof))
}

func TestProofOfAnAccountThatDoesNotExistShowsItsAbsence(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, _ := dialNoFunds(t, chain)
	stranger := common.Address{0xde, 0xad}
	proof, err := c.AccountProof(ctx, stranger, []common.Hash{{1}}, nil)
	require.NoError(t, err)
	raw, err := trie.VerifyProof(chain.Head().Root, crypto.Keccak256(stranger[:]), nodeSet(t, proof.Nodes))
	require.NoError(t, err)
	require.Nil(t, raw)
	require.Empty(t, proof.Storage[0].Nodes)
}
