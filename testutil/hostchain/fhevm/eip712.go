package fhevm

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// ErrTooMany is returned when a proof would hold more than 255 handles or signatures.
var ErrTooMany = errors.New("fhevm: more than 255 handles or signatures in a proof")

// Domain is the EIP-712 domain of a gateway contract. Version is always "1".
type Domain struct {
	ChainID           uint64         // the gateway's chain id, not the host chain's
	VerifyingContract common.Address // Decryption for results, InputVerification for inputs
}

var domainType = []apitypes.Type{
	{Name: "name", Type: "string"},
	{Name: "version", Type: "string"},
	{Name: "chainId", Type: "uint256"},
	{Name: "verifyingContract", Type: "address"},
}

// PublicDecryptDigest returns the EIP-712 hash that KMS signers sign for a public decryption:
// PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult,bytes extraData) under the
// domain name "Decryption".
func PublicDecryptDigest(d Domain, handles []Handle, result, extraData []byte) (common.Hash, error) {
	return typedDataHash("Decryption", d, "PublicDecryptVerification", []apitypes.Type{
		{Name: "ctHandles", Type: "bytes32[]"},
		{Name: "decryptedResult", Type: "bytes"},
		{Name: "extraData", Type: "bytes"},
	}, apitypes.TypedDataMessage{
		"ctHandles":       handleList(handles),
		"decryptedResult": hexutil.Encode(result),
		"extraData":       hexutil.Encode(extraData),
	})
}

// InputVerification is what a coprocessor vouches for: these handles were given by this user for
// this contract.
type InputVerification struct {
	Handles     []Handle
	User        common.Address
	Contract    common.Address
	HostChainID uint64
	ExtraData   []byte
}

// InputDigest returns the EIP-712 hash of v that coprocessors sign: CiphertextVerification(bytes32[]
// ctHandles,address userAddress,address contractAddress,uint256 contractChainId,bytes extraData)
// under the domain name "InputVerification".
func InputDigest(d Domain, v InputVerification) (common.Hash, error) {
	return typedDataHash("InputVerification", d, "CiphertextVerification", []apitypes.Type{
		{Name: "ctHandles", Type: "bytes32[]"},
		{Name: "userAddress", Type: "address"},
		{Name: "contractAddress", Type: "address"},
		{Name: "contractChainId", Type: "uint256"},
		{Name: "extraData", Type: "bytes"},
	}, apitypes.TypedDataMessage{
		"ctHandles":       handleList(v.Handles),
		"userAddress":     v.User.Hex(),
		"contractAddress": v.Contract.Hex(),
		"contractChainId": (*math.HexOrDecimal256)(new(big.Int).SetUint64(v.HostChainID)),
		"extraData":       hexutil.Encode(v.ExtraData),
	})
}

// Sign returns the 65-byte signature r || s || v of digest with v 27 or 28, as OpenZeppelin's ECDSA
// library takes it.
func Sign(digest common.Hash, key *ecdsa.PrivateKey) ([]byte, error) {
	signature, err := crypto.Sign(digest[:], key)
	if err != nil {
		return nil, fmt.Errorf("fhevm: sign: %w", err)
	}
	signature[64] += 27
	return signature, nil
}

// EncodeInputProof returns the inputProof of FHE.fromExternal:
// numHandles(1) || numSigners(1) || handles || signatures || extraData.
func EncodeInputProof(handles []Handle, signatures [][]byte, extraData []byte) ([]byte, error) {
	if len(handles) > 255 || len(signatures) > 255 {
		return nil, ErrTooMany
	}
	proof := []byte{byte(len(handles)), byte(len(signatures))}
	for _, h := range handles {
		proof = append(proof, h[:]...)
	}
	for _, s := range signatures {
		proof = append(proof, s...)
	}
	return append(proof, extraData...), nil
}

// EncodeDecryptionProof returns the decryptionProof of FHE.checkSignatures:
// numSignatures(1) || signatures || extraData.
func EncodeDecryptionProof(signatures [][]byte, extraData []byte) ([]byte, error) {
	if len(signatures) > 255 {
		return nil, ErrTooMany
	}
	proof := []byte{byte(len(signatures))}
	for _, s := range signatures {
		proof = append(proof, s...)
	}
	return append(proof, extraData...), nil
}

func handleList(handles []Handle) []any {
	list := make([]any, len(handles))
	for i, h := range handles {
		list[i] = h.String()
	}
	return list
}

func typedDataHash(name string, d Domain, primary string, fields []apitypes.Type, message apitypes.TypedDataMessage) (common.Hash, error) {
	data := apitypes.TypedData{
		Types:       apitypes.Types{"EIP712Domain": domainType, primary: fields},
		PrimaryType: primary,
		Domain: apitypes.TypedDataDomain{
			Name:              name,
			Version:           "1",
			ChainId:           (*math.HexOrDecimal256)(new(big.Int).SetUint64(d.ChainID)),
			VerifyingContract: d.VerifyingContract.Hex(),
		},
		Message: message,
	}
	digest, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		return common.Hash{}, fmt.Errorf("fhevm: hash %s: %w", primary, err)
	}
	return common.BytesToHash(digest), nil
}
