package evmproof_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/acl/acltest"
	"github.com/tkms-network/tkms/x/acl/evmproof"
)

func TestAnAccountIsProvenUnderTheStateRoot(t *testing.T) {
	chain := acltest.New(31337, 1, "account")
	account, err := evmproof.VerifyAccount(chain.Root(), chain.ACL, chain.AccountProof(chain.ACL))
	require.NoError(t, err)
	require.Equal(t, crypto.Keccak256Hash(chain.ACLCode), account.CodeHash)
	require.Equal(t, chain.StorageRoot(chain.ACL), account.StorageRoot)
	require.Equal(t, uint64(1), account.Nonce)
}

func TestAMissingAccountIsProvenMissing(t *testing.T) {
	chain := acltest.New(31337, 1, "missing")
	nobody := common.HexToAddress("0xdead")
	_, err := evmproof.VerifyAccount(chain.Root(), nobody, chain.AccountProof(nobody))
	require.ErrorIs(t, err, evmproof.ErrNoAccount)
}

func TestAStorageWordIsProvenUnderTheStorageRoot(t *testing.T) {
	chain := acltest.New(31337, 1, "storage")
	slot := common.HexToHash("0x1234")
	for _, word := range []common.Hash{{31: 1}, {31: 0x7f}, {31: 0x80}, {30: 1}, {0: 1}, crypto.Keccak256Hash([]byte("full"))} {
		chain.Set(chain.ACL, slot, word)
		got, err := evmproof.VerifyStorage(chain.StorageRoot(chain.ACL), slot, chain.StorageProof(chain.ACL, slot))
		require.NoError(t, err)
		require.Equal(t, word, got)
	}
}

func TestASlotThatHoldsNothingIsProvenZero(t *testing.T) {
	chain := acltest.New(31337, 1, "absent")
	absentBelow := map[int]bool{}
	for i := range 40 {
		slot := common.Hash{0: 0xab, 31: byte(i)}
		proof := chain.StorageProof(chain.ACL, slot)
		got, err := evmproof.VerifyStorage(chain.StorageRoot(chain.ACL), slot, proof)
		require.NoError(t, err)
		require.Zero(t, got)
		absentBelow[len(proof)] = true
	}
	require.Greater(t, len(absentBelow), 1, "absence shown at branches and at leaves")
}

func TestAnEmptyStorageTrieHasAnEmptyProof(t *testing.T) {
	got, err := evmproof.VerifyStorage(types.EmptyRootHash, common.Hash{1}, nil)
	require.NoError(t, err)
	require.Zero(t, got)
	_, err = evmproof.VerifyStorage(types.EmptyRootHash, common.Hash{1}, [][]byte{{0x80}})
	require.ErrorIs(t, err, evmproof.ErrMalformed)
	_, err = evmproof.VerifyAccount(types.EmptyRootHash, common.Address{1}, nil)
	require.ErrorIs(t, err, evmproof.ErrNoAccount)
}

func TestNoOtherProofThanTheCanonicalOneIsAccepted(t *testing.T) {
	chain := acltest.New(31337, 1, "attacks")
	other := acltest.New(31337, 1, "attacks")
	slot := common.HexToHash("0x1234")
	chain.Set(chain.ACL, slot, common.Hash{31: 1})
	other.Set(other.ACL, slot, common.Hash{31: 2})
	proof := chain.StorageProof(chain.ACL, slot)
	require.Greater(t, len(proof), 1)
	big := make([]byte, evmproof.MaxNodeSize+1)

	for name, c := range map[string]struct {
		nodes [][]byte
		want  error
	}{
		"no nodes":                     {nil, evmproof.ErrInvalid},
		"last node missing":            {proof[:len(proof)-1], evmproof.ErrInvalid},
		"first node missing":           {proof[1:], evmproof.ErrInvalid},
		"nodes reversed":               {reversed(proof), evmproof.ErrInvalid},
		"first node twice":             {append([][]byte{proof[0]}, proof...), evmproof.ErrInvalid},
		"last node twice":              {append(slices.Clone(proof), proof[len(proof)-1]), evmproof.ErrMalformed},
		"unused node behind":           {append(slices.Clone(proof), []byte{0xc0}), evmproof.ErrMalformed},
		"unused node before":           {append([][]byte{{0xc0}}, proof...), evmproof.ErrInvalid},
		"an empty node first":          {append([][]byte{nil}, proof...), evmproof.ErrMalformed},
		"a node too large first":       {append([][]byte{big}, proof...), evmproof.ErrMalformed},
		"too many nodes":               {slices.Repeat([][]byte{{0xc0}}, evmproof.MaxNodes+1), evmproof.ErrMalformed},
		"proof of another state":       {other.StorageProof(other.ACL, slot), evmproof.ErrInvalid},
		"proof of another slot":        {chain.StorageProof(chain.ACL, common.HexToHash("0x1235")), evmproof.ErrInvalid},
		"proof of another account":     {chain.StorageProof(chain.Registry, slot), evmproof.ErrInvalid},
		"account proof in its place":   {chain.AccountProof(chain.ACL), evmproof.ErrInvalid},
		"node with a byte behind":      {changed(proof, func(b []byte) []byte { return append(b, 0) }), evmproof.ErrInvalid},
		"leaf replaced by the other's": {append(slices.Clone(proof[:len(proof)-1]), last(other.StorageProof(other.ACL, slot))), evmproof.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := evmproof.VerifyStorage(chain.StorageRoot(chain.ACL), slot, c.nodes)
			require.ErrorIs(t, err, c.want)
			require.Zero(t, got)
		})
	}
}

func TestEveryChangedBitOfAProofIsNoticed(t *testing.T) {
	chain := acltest.New(31337, 1, "bits")
	root, proof := chain.Root(), chain.AccountProof(chain.ACL)
	for _, node := range proof {
		for bit := range len(node) * 8 {
			node[bit/8] ^= 1 << (bit % 8)
			_, err := evmproof.VerifyAccount(root, chain.ACL, proof)
			require.ErrorIs(t, err, evmproof.ErrInvalid)
			node[bit/8] ^= 1 << (bit % 8)
		}
	}
	_, err := evmproof.VerifyAccount(root, chain.ACL, proof)
	require.NoError(t, err)
}

// single is the root and only node of a trie that holds one value.
func single(t *testing.T, preimage, value []byte) (common.Hash, [][]byte) {
	t.Helper()
	key := append([]byte{0x20}, crypto.Keccak256(preimage)...)
	node, err := rlp.EncodeToBytes([][]byte{key, value})
	require.NoError(t, err)
	return crypto.Keccak256Hash(node), [][]byte{node}
}

func TestValuesThatNoEVMWritesAreRefused(t *testing.T) {
	slot := common.Hash{1}
	for name, value := range map[string][]byte{
		"zero":           {0x80},
		"zero byte":      {0x00},
		"leading zero":   {0x82, 0x00, 0x01},
		"33 bytes":       append([]byte{0xa1}, bytes.Repeat([]byte{1}, 33)...),
		"trailing byte":  {0x01, 0x01},
		"a list":         {0xc1, 0x01},
		"not canonical":  {0x81, 0x01},
		"cut off":        {0x82, 0x01},
		"no value given": {},
	} {
		t.Run(name, func(t *testing.T) {
			root, nodes := single(t, slot[:], value)
			got, err := evmproof.VerifyStorage(root, slot, nodes)
			require.ErrorIs(t, err, evmproof.ErrInvalid)
			require.Zero(t, got)
		})
	}
	root, nodes := single(t, slot[:], []byte{0x01})
	got, err := evmproof.VerifyStorage(root, slot, nodes)
	require.NoError(t, err)
	require.Equal(t, common.Hash{31: 1}, got)
}

func TestAccountsThatNoEVMWritesAreRefused(t *testing.T) {
	address := common.Address{1}
	valid := []any{uint64(1), uint64(2), common.Hash{3}, common.Hash{4}}
	for name, record := range map[string][]any{
		"code hash short":    {uint64(1), uint64(2), common.Hash{3}, make([]byte, 31)},
		"storage root short": {uint64(1), uint64(2), make([]byte, 31), common.Hash{4}},
		"three fields":       valid[:3],
		"five fields":        append(slices.Clone(valid), uint64(5)),
		"nonce with zeros":   {[]byte{0, 1}, uint64(2), common.Hash{3}, common.Hash{4}},
	} {
		t.Run(name, func(t *testing.T) {
			value, err := rlp.EncodeToBytes(record)
			require.NoError(t, err)
			root, nodes := single(t, address[:], value)
			_, err = evmproof.VerifyAccount(root, address, nodes)
			require.ErrorIs(t, err, evmproof.ErrInvalid)
		})
	}
}

func FuzzVerifyStorage(f *testing.F) {
	chain := acltest.New(31337, 1, "fuzz")
	slot := common.HexToHash("0x1234")
	chain.Set(chain.ACL, slot, common.Hash{31: 1})
	root, genuine := chain.StorageRoot(chain.ACL), chain.StorageProof(chain.ACL, slot)
	f.Add(slices.Concat(genuine...), uint16(len(genuine[0])))
	f.Add([]byte{0xc2, 0x01, 0x02}, uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		at := min(int(cut), len(b))
		nodes := [][]byte{b[:at], b[at:]}
		if word, err := evmproof.VerifyStorage(root, slot, nodes); err == nil {
			require.Equal(t, genuine, nodes)
			require.Equal(t, common.Hash{31: 1}, word)
		} else {
			require.Zero(t, word)
		}
		// A root that matches whatever was given lets the node and value decoders run.
		own := crypto.Keccak256Hash(nodes[0])
		if word, err := evmproof.VerifyStorage(own, slot, nodes[:1]); err != nil {
			require.Zero(t, word)
		}
		_, _ = evmproof.VerifyAccount(own, common.Address{1}, nodes[:1])
	})
}

func last(nodes [][]byte) []byte { return nodes[len(nodes)-1] }

func reversed(nodes [][]byte) [][]byte {
	out := slices.Clone(nodes)
	slices.Reverse(out)
	return out
}

func changed(nodes [][]byte, change func([]byte) []byte) [][]byte {
	out := slices.Clone(nodes)
	out[len(out)-1] = change(bytes.Clone(last(out)))
	return out
}
