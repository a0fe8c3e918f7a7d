package slots_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/acl/slots"
)

// publishedBase is the constant in the published ACL contract's source.
var publishedBase = common.HexToHash("0xa688f31953c2015baaf8c0a488ee1ee22eb0e05273cc1fd31ea4cbee42febc00")

// at is Solidity's rule for a mapping, through go-ethereum's ABI encoder.
func at(t *testing.T, kind string, key any, slot *big.Int) *big.Int {
	t.Helper()
	keyType, err := abi.NewType(kind, "", nil)
	require.NoError(t, err)
	word, err := abi.NewType("uint256", "", nil)
	require.NoError(t, err)
	packed, err := abi.Arguments{{Type: keyType}, {Type: word}}.Pack(key, slot)
	require.NoError(t, err)
	return new(big.Int).SetBytes(crypto.Keccak256(packed))
}

func base(offset int64) *big.Int { return new(big.Int).Add(publishedBase.Big(), big.NewInt(offset)) }

func TestTheNamespaceOfTheACLIsThePublishedConstant(t *testing.T) {
	require.Equal(t, publishedBase, slots.Namespace("fhevm.storage.ACL"))
}

func TestSlotsFollowSoliditysMappingRule(t *testing.T) {
	acl, err := slots.NewACL(slots.LayoutFhevm010)
	require.NoError(t, err)
	handle := crypto.Keccak256Hash([]byte("handle"))
	alice, bob, dapp := common.Address{0xa}, common.Address{0xb}, common.Address{0xc}

	require.Equal(t, common.BigToHash(at(t, "bytes32", handle, base(1))), acl.AllowedForDecryption(handle))
	require.Equal(t,
		common.BigToHash(at(t, "address", alice, at(t, "bytes32", handle, base(0)))),
		acl.Persisted(handle, alice))
	require.Equal(t,
		common.BigToHash(at(t, "address", dapp, at(t, "address", bob, at(t, "address", alice, base(2))))),
		acl.Delegation(alice, bob, dapp))
	registry := slots.Namespace("tkms.test")
	require.Equal(t, common.BigToHash(at(t, "bytes32", handle, registry.Big())), slots.RegistryDigest(registry, handle))
}

func TestUnknownLayoutsAreRefused(t *testing.T) {
	for _, name := range []string{"", "fhevm-0.8", "FHEVM-0.10", "fhevm-0.10 "} {
		_, err := slots.NewACL(name)
		require.ErrorIs(t, err, slots.ErrUnknownLayout)
	}
}

func TestABooleanIsZeroOrOne(t *testing.T) {
	yes, err := slots.DecodeBool(common.Hash{31: 1})
	require.NoError(t, err)
	require.True(t, yes)
	no, err := slots.DecodeBool(common.Hash{})
	require.NoError(t, err)
	require.False(t, no)
	for _, word := range []common.Hash{{31: 2}, {31: 0xff}, {30: 1}, {0: 1, 31: 1}} {
		yes, err := slots.DecodeBool(word)
		require.ErrorIs(t, err, slots.ErrBadWord)
		require.False(t, yes)
	}
}

func TestADelegationIsReadFromItsPackedWord(t *testing.T) {
	word := common.Hash{15: 3, 22: 1, 23: 2, 24: 0x80, 31: 9}
	d, err := slots.DecodeDelegation(word)
	require.NoError(t, err)
	require.Equal(t, slots.Delegation{Expires: 1<<63 + 9, LastBlock: 258, Counter: 3}, d)
	_, err = slots.DecodeDelegation(common.Hash{7: 1})
	require.ErrorIs(t, err, slots.ErrBadWord)
}

func TestADelegationHoldsThroughItsExpirySecond(t *testing.T) {
	d := slots.Delegation{Expires: 100}
	require.True(t, d.ActiveAt(99))
	require.True(t, d.ActiveAt(100))
	require.False(t, d.ActiveAt(101))
	require.False(t, slots.Delegation{}.ActiveAt(0), "a revoked delegation never holds")
}

func FuzzDecodeWords(f *testing.F) {
	f.Add(common.Hash{31: 1}.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		word := common.BytesToHash(b)
		if yes, err := slots.DecodeBool(word); err == nil {
			require.Equal(t, yes, word.Big().Cmp(common.Big1) == 0)
		}
		if d, err := slots.DecodeDelegation(word); err == nil {
			again := new(big.Int).SetUint64(d.Counter)
			again.Lsh(again, 64).Or(again, new(big.Int).SetUint64(d.LastBlock))
			again.Lsh(again, 64).Or(again, new(big.Int).SetUint64(d.Expires))
			require.Equal(t, word, common.BigToHash(again))
		}
	})
}
