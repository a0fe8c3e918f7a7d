package slots_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/acl/slots"
)

// publishedVerifierBase is the constant in the published KMSVerifier contract's source.
var publishedVerifierBase = common.HexToHash("0x7e81a744be86773af8644dd7304fa1dc9350ccabf16cfcaa614ddb78b4ce8900")

func TestTheNamespaceOfTheVerifierIsThePublishedConstant(t *testing.T) {
	require.Equal(t, publishedVerifierBase, slots.Namespace("fhevm.storage.KMSVerifier"))
}

func TestSignersStandWhereSolidityKeepsAnArray(t *testing.T) {
	verifier, err := slots.NewVerifier(slots.LayoutFhevm010)
	require.NoError(t, err)
	after := func(slot *big.Int, n int64) common.Hash {
		return common.BigToHash(new(big.Int).Add(slot, big.NewInt(n)))
	}
	base := publishedVerifierBase.Big()
	length := after(base, 1)
	first := crypto.Keccak256Hash(length[:]).Big()
	require.Equal(t, []common.Hash{length, after(base, 2), after(first, 0), after(first, 1), after(first, 2)}, verifier.Slots(3))
	require.Equal(t, []common.Hash{length, after(base, 2)}, verifier.Slots(0))

	alice, bob := common.Address{0xa}, common.Address{19: 0xb}
	require.Equal(t, []common.Hash{{31: 2}, {30: 1, 31: 3}, {12: 0xa}, {31: 0xb}}, slots.SignerWords([]common.Address{alice, bob}, 259))
}

func TestUnknownLayoutsOfAVerifierAreRefused(t *testing.T) {
	for _, name := range []string{"", "fhevm-0.11", "FHEVM-0.10", "fhevm-0.10 "} {
		_, err := slots.NewVerifier(name)
		require.ErrorIs(t, err, slots.ErrUnknownLayout)
	}
}
