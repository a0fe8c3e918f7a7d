package eip712

import (
	"encoding/hex"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/stretchr/testify/require"
)

func TestTheEpochDigestIsThatOfGoEthereum(t *testing.T) {
	signers := [][20]byte{address(1), address(2), address(3), address(4)}
	var list []any
	for _, s := range signers {
		list = append(list, common.Address(s).Hex())
	}
	want := typedData(t, apitypes.TypedData{
		Types: apitypes.Types{
			"EIP712Domain": {{Name: "name", Type: "string"}, {Name: "version", Type: "string"}, {Name: "salt", Type: "bytes32"}},
			"EpochVerification": {
				{Name: "epochId", Type: "uint256"}, {Name: "signers", Type: "address[]"}, {Name: "threshold", Type: "uint256"},
			},
		},
		PrimaryType: "EpochVerification",
		Domain:      apitypes.TypedDataDomain{Name: "TKMS", Version: "1", Salt: crypto.Keccak256Hash([]byte("tkms-devnet")).Hex()},
		Message:     apitypes.TypedDataMessage{"epochId": "7", "signers": list, "threshold": "3"},
	})
	got := EpochVerification("tkms-devnet", 7, signers, 3)
	require.Equal(t, want, got[:])
	// Made with go-ethereum v1.17.10 apitypes, as above.
	require.Equal(t, "4947554961f9dd1e4a62539029d6768ec89a3ba83006dfa2775cf051da356f73", hex.EncodeToString(got[:]))
}

func TestEveryFieldOfAnEpochIsSigned(t *testing.T) {
	a, b := address(1), address(2)
	seen := map[[32]byte]string{}
	for name, d := range map[string][32]byte{
		"as it is":          EpochVerification("tkms-devnet", 7, [][20]byte{a, b}, 3),
		"another chain":     EpochVerification("tkms-other", 7, [][20]byte{a, b}, 3),
		"another epoch":     EpochVerification("tkms-devnet", 8, [][20]byte{a, b}, 3),
		"another order":     EpochVerification("tkms-devnet", 7, [][20]byte{b, a}, 3),
		"a signer less":     EpochVerification("tkms-devnet", 7, [][20]byte{a}, 3),
		"no signers":        EpochVerification("tkms-devnet", 7, nil, 3),
		"another threshold": EpochVerification("tkms-devnet", 7, [][20]byte{a, b}, 1),
	} {
		require.Empty(t, seen[d], name)
		seen[d] = name
	}
}
