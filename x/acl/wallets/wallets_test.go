package wallets_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/acl/wallets"
)

var (
	wallet  = common.HexToAddress("0x5afe00000000000000000000000000000000000a")
	message = crypto.Keccak256Hash([]byte("an authorization"))
)

func TestASafeNamesAMessageByItsTypedDataHash(t *testing.T) {
	typed := apitypes.TypedData{
		Types: apitypes.Types{
			"EIP712Domain": {{Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"}},
			"SafeMessage":  {{Name: "message", Type: "bytes"}},
		},
		PrimaryType: "SafeMessage",
		Domain:      apitypes.TypedDataDomain{ChainId: math.NewHexOrDecimal256(31337), VerifyingContract: wallet.Hex()},
		Message:     apitypes.TypedDataMessage{"message": hexutil.Bytes(message[:])},
	}
	want, _, err := apitypes.TypedDataAndHash(typed)
	require.NoError(t, err)
	require.Equal(t, common.BytesToHash(want), wallets.SafeMessageHash(31337, wallet, message))
}

func TestSlotsAreThoseOfTheSafesLayout(t *testing.T) {
	got, err := wallets.Slots(wallets.SafeSignedMessage, 31337, wallet, message)
	require.NoError(t, err)
	hash := wallets.SafeMessageHash(31337, wallet, message)
	require.Equal(t, []common.Hash{
		{}, crypto.Keccak256Hash(hash[:], common.BigToHash(big.NewInt(7)).Bytes()),
	}, got)
	for name, change := range map[string]func() ([]common.Hash, error){
		"chain": func() ([]common.Hash, error) { return wallets.Slots(wallets.SafeSignedMessage, 31338, wallet, message) },
		"wallet": func() ([]common.Hash, error) {
			return wallets.Slots(wallets.SafeSignedMessage, 31337, common.Address{1}, message)
		},
		"message": func() ([]common.Hash, error) {
			return wallets.Slots(wallets.SafeSignedMessage, 31337, wallet, [32]byte{1})
		},
	} {
		other, err := change()
		require.NoError(t, err)
		require.NotEqual(t, got[1], other[1], "an approval is for one %s", name)
	}
}

func TestWordsTellImplementationAndApproval(t *testing.T) {
	implementation := common.BytesToHash(wallet[:])
	for word, want := range map[common.Hash]bool{{}: false, {31: 1}: true, {0: 1}: true} {
		got, approved, err := wallets.Read(wallets.SafeSignedMessage, []common.Hash{implementation, word})
		require.NoError(t, err)
		require.Equal(t, implementation, got)
		require.Equal(t, want, approved)
	}
}

func TestUnknownKindsAreRefused(t *testing.T) {
	for _, kind := range []wallets.Kind{-1, 0, 2} {
		require.False(t, wallets.Known(kind))
		_, err := wallets.Slots(kind, 31337, wallet, message)
		require.ErrorIs(t, err, wallets.ErrUnknownKind)
		_, _, err = wallets.Read(kind, make([]common.Hash, 2))
		require.ErrorIs(t, err, wallets.ErrUnknownKind)
	}
	for _, n := range []int{0, 1, 3} {
		_, approved, err := wallets.Read(wallets.SafeSignedMessage, make([]common.Hash, n))
		require.ErrorIs(t, err, wallets.ErrUnknownKind)
		require.False(t, approved)
	}
}
