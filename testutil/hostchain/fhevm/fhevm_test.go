package fhevm

import (
	"bytes"
	"encoding/json"
	"math/big"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"
)

// sdkVectors were made with the published client library by testdata/generate.mjs.
type sdkVectors struct {
	ACL        common.Address `json:"acl"`
	Ciphertext string         `json:"ciphertext"`
	Handles    []struct {
		Type    Type   `json:"type"`
		ChainID uint64 `json:"chainId"`
		Handle  Handle `json:"handle"`
	} `json:"handles"`
	PublicDecryptDigest common.Hash `json:"publicDecryptDigest"`
	InputDigest         common.Hash `json:"inputDigest"`
}

func TestHandlesAndDigestsAreThoseOfTheClientLibrary(t *testing.T) {
	raw, err := os.ReadFile("testdata/sdk.json")
	require.NoError(t, err)
	var v sdkVectors
	require.NoError(t, json.Unmarshal(raw, &v))
	var handles []Handle
	for _, want := range v.Handles {
		got := InputHandle([]byte(v.Ciphertext), 0, v.ACL, want.ChainID, want.Type)
		require.Equal(t, want.Handle, got)
		require.Equal(t, want.Type, got.Type())
		require.Equal(t, want.ChainID, got.ChainID())
		require.Zero(t, got.Version())
		handles = append(handles, got)
	}
	gateway := Domain{ChainID: 10901, VerifyingContract: common.HexToAddress("0x5ffdaAB0373E62E2ea2944776209aEf29E631A64")}
	digest, err := PublicDecryptDigest(gateway, handles, []byte{1, 2}, []byte{0})
	require.NoError(t, err)
	require.Equal(t, v.PublicDecryptDigest, digest)
	gateway.VerifyingContract = common.HexToAddress("0x812b06e1CDCE800494b79fFE4f925A504a9A9810")
	digest, err = InputDigest(gateway, InputVerification{
		Handles:     handles[:2],
		User:        common.BytesToAddress(bytes.Repeat([]byte{0x22}, 20)),
		Contract:    common.BytesToAddress(bytes.Repeat([]byte{0x11}, 20)),
		HostChainID: 31337,
	})
	require.NoError(t, err)
	require.Equal(t, v.InputDigest, digest)
}

func TestDigestsDependOnEveryField(t *testing.T) {
	handles := []Handle{{1}, {2}}
	base := Domain{ChainID: 1, VerifyingContract: common.Address{1}}
	hash := func(d Domain, h []Handle, result, extra string) common.Hash {
		digest, err := PublicDecryptDigest(d, h, []byte(result), []byte(extra))
		require.NoError(t, err)
		return digest
	}
	seen := map[common.Hash]string{hash(base, handles, "r", "x"): "base"}
	for name, digest := range map[string]common.Hash{
		"chain":    hash(Domain{ChainID: 2, VerifyingContract: common.Address{1}}, handles, "r", "x"),
		"contract": hash(Domain{ChainID: 1, VerifyingContract: common.Address{2}}, handles, "r", "x"),
		"order":    hash(base, []Handle{{2}, {1}}, "r", "x"),
		"handles":  hash(base, handles[:1], "r", "x"),
		"result":   hash(base, handles, "s", "x"),
		"extra":    hash(base, handles, "r", ""),
	} {
		require.NotContains(t, seen, digest, name)
		seen[digest] = name
	}
}

func TestSignaturesRecoverToTheSigner(t *testing.T) {
	key, err := crypto.GenerateKey()
	require.NoError(t, err)
	digest := common.Hash{7}
	signature, err := Sign(digest, key)
	require.NoError(t, err)
	require.Len(t, signature, 65)
	require.Contains(t, []byte{27, 28}, signature[64])
	signature[64] -= 27
	public, err := crypto.SigToPub(digest[:], signature)
	require.NoError(t, err)
	require.Equal(t, crypto.PubkeyToAddress(key.PublicKey), crypto.PubkeyToAddress(*public))
}

func TestProofsHaveTheContractsLayout(t *testing.T) {
	signature := bytes.Repeat([]byte{9}, 65)
	proof, err := EncodeInputProof([]Handle{{1}, {2}}, [][]byte{signature}, []byte{0xee})
	require.NoError(t, err)
	require.Equal(t, []byte{2, 1}, proof[:2])
	require.Equal(t, byte(1), proof[2])
	require.Equal(t, byte(2), proof[34])
	require.Equal(t, signature, proof[66:131])
	require.Equal(t, []byte{0xee}, proof[131:])
	proof, err = EncodeDecryptionProof([][]byte{signature, signature}, nil)
	require.NoError(t, err)
	require.Equal(t, byte(2), proof[0])
	require.Len(t, proof, 1+130)
	_, err = EncodeDecryptionProof(make([][]byte, 256), nil)
	require.ErrorIs(t, err, ErrTooMany)
	_, err = EncodeInputProof(make([]Handle, 256), nil, nil)
	require.ErrorIs(t, err, ErrTooMany)
}

func TestTypesHaveTheirWidthAndWords(t *testing.T) {
	words := map[Type]int{Uint512: 2, Uint1024: 4, Uint2048: 8}
	for _, typeOf := range AllTypes() {
		parsed, err := ParseType(typeOf.String())
		require.NoError(t, err)
		require.Equal(t, typeOf, parsed)
		want := max(words[typeOf], 1)
		require.Equal(t, want, typeOf.Words(), typeOf)
	}
	eaddress, err := ParseType("eaddress")
	require.NoError(t, err)
	require.Equal(t, Uint160, eaddress)
	for _, name := range []string{"", "euint7", "EUINT8", "type(12)"} {
		_, err := ParseType(name)
		require.ErrorIs(t, err, ErrUnknownType)
	}
	require.False(t, Type(12).Valid())
	require.Zero(t, Type(255).Words())
}

func TestCleartextsRoundTripAndRefuseWhatDoesNotFit(t *testing.T) {
	for _, typeOf := range AllTypes() {
		top := new(big.Int).Lsh(big.NewInt(1), uint(typeOf.Bits()))
		_, err := EncodeCleartext(typeOf, top)
		require.ErrorIs(t, err, ErrOutOfRange)
		_, err = EncodeCleartext(typeOf, big.NewInt(-1))
		require.ErrorIs(t, err, ErrOutOfRange)
		largest := top.Sub(top, big.NewInt(1))
		encoded, err := EncodeCleartext(typeOf, largest)
		require.NoError(t, err)
		handle := Handle{30: byte(typeOf)}
		decoded, err := DecodeCleartexts([]Handle{handle}, encoded)
		require.NoError(t, err)
		require.Zero(t, largest.Cmp(decoded[0]))
		_, err = DecodeCleartexts([]Handle{handle}, append(encoded, 0))
		require.ErrorIs(t, err, ErrWordCount)
		_, err = DecodeCleartexts([]Handle{handle}, encoded[1:])
		require.ErrorIs(t, err, ErrWordCount)
		if typeOf.Bits() < 256 {
			encoded[0] = 1
			_, err = DecodeCleartexts([]Handle{handle}, encoded)
			require.ErrorIs(t, err, ErrOutOfRange)
		}
	}
	_, err := EncodeCleartext(Type(99), big.NewInt(0))
	require.ErrorIs(t, err, ErrUnknownType)
	_, err = DecodeCleartexts([]Handle{{30: 99}}, nil)
	require.ErrorIs(t, err, ErrUnknownType)
}

func TestRevertsAreNamed(t *testing.T) {
	e := RegistryABI.Errors["DigestAlreadyBound"]
	arguments, err := e.Inputs.Pack([32]byte{1}, [32]byte{2})
	require.NoError(t, err)
	revert := DecodeRevert(append(e.ID[:4:4], arguments...))
	require.Equal(t, "DigestAlreadyBound", revert.Name)
	require.Contains(t, revert.Error(), "0x01")
	require.True(t, IsRevert(revert, "DigestAlreadyBound"))
	require.False(t, IsRevert(revert, "NotCoprocessor"))
	require.Empty(t, DecodeRevert(nil).Name)
	require.Empty(t, DecodeRevert([]byte{1, 2, 3, 4}).Name)
}

func FuzzCleartextDecoderIsExact(f *testing.F) {
	f.Add([]byte{0, 5, 11}, make([]byte, 32*10))
	f.Fuzz(func(t *testing.T, types, cleartexts []byte) {
		if len(types) > 64 {
			return
		}
		handles := make([]Handle, len(types))
		for i, b := range types {
			handles[i][30] = b
		}
		values, err := DecodeCleartexts(handles, cleartexts)
		if err != nil {
			return
		}
		var again []byte
		for i, v := range values {
			word, err := EncodeCleartext(handles[i].Type(), v)
			require.NoError(t, err)
			again = append(again, word...)
		}
		require.True(t, bytes.Equal(cleartexts, again))
	})
}

func FuzzRevertDecoderNeverPanics(f *testing.F) {
	e := KMSVerifierABI.Errors["KMSInvalidSigner"]
	f.Add(e.ID[:4])
	f.Add(append(e.ID[:4:4], make([]byte, 32)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		require.NotNil(t, DecodeRevert(data))
	})
}
