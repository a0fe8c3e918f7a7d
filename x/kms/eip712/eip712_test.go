package eip712

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"math/big"
	"strconv"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/stretchr/testify/require"
)

var (
	decryption = Domain{Name: "Decryption", Version: "1", ChainID: 55815, VerifyingContract: common.HexToAddress("0x5ffdaAB0373E62E2ea2944776209aEf29E631A64")}
	handleA    = [32]byte(bytes.Repeat([]byte{0xa1}, 32))
	handleB    = [32]byte(bytes.Repeat([]byte{0xb2}, 32))
	result     = bytes.Repeat([]byte{0, 1, 2, 3}, 16)
)

func key(t *testing.T, seed byte) (*ecdsa.PrivateKey, [20]byte) {
	t.Helper()
	k, err := crypto.ToECDSA(bytes.Repeat([]byte{seed}, 32))
	require.NoError(t, err)
	return k, crypto.PubkeyToAddress(k.PublicKey)
}

// typedData is the oracle: go-ethereum's own EIP-712.
func typedData(t *testing.T, data apitypes.TypedData) []byte {
	t.Helper()
	sum, _, err := apitypes.TypedDataAndHash(data)
	require.NoError(t, err)
	return sum
}

func TestThePublicDecryptionDigestIsThatOfGoEthereum(t *testing.T) {
	for _, handles := range [][][32]byte{{}, {handleA}, {handleA, handleB}} {
		list := make([]any, len(handles))
		for i, h := range handles {
			list[i] = hexutil.Encode(h[:])
		}
		want := typedData(t, apitypes.TypedData{
			Types: apitypes.Types{
				"EIP712Domain": {
					{Name: "name", Type: "string"}, {Name: "version", Type: "string"},
					{Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"},
				},
				"PublicDecryptVerification": {
					{Name: "ctHandles", Type: "bytes32[]"}, {Name: "decryptedResult", Type: "bytes"}, {Name: "extraData", Type: "bytes"},
				},
			},
			PrimaryType: "PublicDecryptVerification",
			Domain: apitypes.TypedDataDomain{
				Name: decryption.Name, Version: decryption.Version, ChainId: math.NewHexOrDecimal256(int64(decryption.ChainID)),
				VerifyingContract: common.Address(decryption.VerifyingContract).Hex(),
			},
			Message: apitypes.TypedDataMessage{"ctHandles": list, "decryptedResult": hexutil.Encode(result), "extraData": "0x"},
		})
		got := PublicDecryption(decryption, handles, result)
		require.Equal(t, want, got[:])
	}
}

func TestTheDigestsAreFrozen(t *testing.T) {
	// Made with go-ethereum v1.17.10 apitypes, as in the tests beside this one.
	public := PublicDecryption(decryption, [][32]byte{handleA, handleB}, result)
	require.Equal(t, "682b201ac6c1cbb046ad0cb4fb5de41116d10f4fec570406585c49a684a46434", hex.EncodeToString(public[:]))
	generated := KeyGeneration("tkms-devnet", material())
	require.Equal(t, "82505b80b36309e4d430b8ccd2697df7912d69633308966be769ccb4c0bc105f", hex.EncodeToString(generated[:]))
}

func material() Key {
	return Key{
		KeyID: handleA, HostChainID: 31337, Params: "production", Noise: "exact", EpochID: 3, Attempt: 2,
		Seed: [16]byte{1, 2, 3}, PublicKeyDigest: handleB, PublicKeyKeccak: [32]byte{4}, PublicKeySize: 33018, TestDecryptionOK: true,
		Objects: []KeyObject{{Kind: "CompressedXofKeySet", Digest: [32]byte{5}, Size: 1 << 30}, {Kind: "CompressedServerKey", Digest: [32]byte{6}, Size: 7}},
		Tested:  []string{"FheUint", "CompactCiphertextList"},
	}
}

func TestTheKeyDigestIsThatOfGoEthereum(t *testing.T) {
	k := material()
	var objects, tested []any
	for _, o := range k.Objects {
		objects = append(objects, map[string]any{"kind": o.Kind, "digest": hexutil.Encode(o.Digest[:]), "size": strconv.FormatUint(o.Size, 10)})
	}
	for _, form := range k.Tested {
		tested = append(tested, form)
	}
	want := typedData(t, apitypes.TypedData{
		Types: apitypes.Types{
			"EIP712Domain": {{Name: "name", Type: "string"}, {Name: "version", Type: "string"}, {Name: "salt", Type: "bytes32"}},
			"KeyVerification": {
				{Name: "keyId", Type: "bytes32"}, {Name: "hostChainId", Type: "uint64"}, {Name: "params", Type: "string"},
				{Name: "noise", Type: "string"},
				{Name: "epochId", Type: "uint64"}, {Name: "attempt", Type: "uint32"}, {Name: "seed", Type: "bytes16"},
				{Name: "publicKeyDigest", Type: "bytes32"}, {Name: "publicKeyKeccak", Type: "bytes32"},
				{Name: "publicKeySize", Type: "uint64"}, {Name: "objects", Type: "KeyObject[]"},
				{Name: "testDecryptionOk", Type: "bool"}, {Name: "tested", Type: "string[]"},
			},
			"KeyObject": {{Name: "kind", Type: "string"}, {Name: "digest", Type: "bytes32"}, {Name: "size", Type: "uint64"}},
		},
		PrimaryType: "KeyVerification",
		Domain:      apitypes.TypedDataDomain{Name: "TKMS", Version: "1", Salt: crypto.Keccak256Hash([]byte("tkms-devnet")).Hex()},
		Message: apitypes.TypedDataMessage{
			"keyId": hexutil.Encode(k.KeyID[:]), "hostChainId": "31337", "params": k.Params, "noise": k.Noise, "epochId": "3", "attempt": "2",
			"seed": hexutil.Encode(k.Seed[:]), "publicKeyDigest": hexutil.Encode(k.PublicKeyDigest[:]),
			"publicKeyKeccak": hexutil.Encode(k.PublicKeyKeccak[:]), "publicKeySize": "33018", "objects": objects, "testDecryptionOk": true, "tested": tested,
		},
	})
	got := KeyGeneration("tkms-devnet", k)
	require.Equal(t, want, got[:])
}

func TestEveryFieldOfAKeyIsSigned(t *testing.T) {
	seen := map[[32]byte]string{KeyGeneration("tkms-devnet", material()): "unchanged", KeyGeneration("other", material()): "chain"}
	require.Len(t, seen, 2)
	for name, change := range map[string]func(*Key){
		"key id": func(k *Key) { k.KeyID[31] ^= 1 }, "host chain": func(k *Key) { k.HostChainID++ },
		"params": func(k *Key) { k.Params += "x" }, "epoch": func(k *Key) { k.EpochID++ }, "attempt": func(k *Key) { k.Attempt++ },
		"seed": func(k *Key) { k.Seed[15] ^= 1 }, "digest": func(k *Key) { k.PublicKeyDigest[0] ^= 1 },
		"keccak": func(k *Key) { k.PublicKeyKeccak[31] ^= 1 }, "size": func(k *Key) { k.PublicKeySize++ },
		"test": func(k *Key) { k.TestDecryptionOK = false }, "noise": func(k *Key) { k.Noise = "prss" },
		"object kind":   func(k *Key) { k.Objects[0].Kind += "x" },
		"object digest": func(k *Key) { k.Objects[1].Digest[31] ^= 1 },
		"object size":   func(k *Key) { k.Objects[1].Size++ },
		"object order":  func(k *Key) { k.Objects[0], k.Objects[1] = k.Objects[1], k.Objects[0] },
		"no objects":    func(k *Key) { k.Objects = nil },
		"tested":        func(k *Key) { k.Tested[1] += "x" },
		"nothing tested": func(k *Key) {
			k.Tested = nil
		},
	} {
		k := material()
		change(&k)
		d := KeyGeneration("tkms-devnet", k)
		require.Empty(t, seen[d], name)
		seen[d] = name
	}
}

func TestASignatureBindsDomainHandlesAndPlaintext(t *testing.T) {
	alice, address := key(t, 1)
	handles := [][32]byte{handleA, handleB}
	signature, err := Sign(PublicDecryption(decryption, handles, result), alice)
	require.NoError(t, err)
	require.NoError(t, Verify(PublicDecryption(decryption, handles, result), signature, address))

	other := decryption
	other.ChainID++
	otherContract := decryption
	otherContract.VerifyingContract[0] ^= 1
	otherName, otherVersion := decryption, decryption
	otherName.Name, otherVersion.Version = "decryption", "2"
	for name, digest := range map[string][32]byte{
		"chain":    PublicDecryption(other, handles, result),
		"contract": PublicDecryption(otherContract, handles, result),
		"name":     PublicDecryption(otherName, handles, result),
		"version":  PublicDecryption(otherVersion, handles, result),
		"order":    PublicDecryption(decryption, [][32]byte{handleB, handleA}, result),
		"result":   PublicDecryption(decryption, handles, result[1:]),
	} {
		require.ErrorIs(t, Verify(digest, signature, address), ErrSigner, name)
	}
	_, bob := key(t, 2)
	require.ErrorIs(t, Verify(PublicDecryption(decryption, handles, result), signature, bob), ErrSigner)
}

func TestASignatureHasOneEncoding(t *testing.T) {
	alice, address := key(t, 1)
	digest := PublicDecryption(decryption, [][32]byte{handleA}, result)
	good, err := Sign(digest, alice)
	require.NoError(t, err)
	require.NoError(t, Verify(digest, good, address))

	highS := bytes.Clone(good)
	s := new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(good[32:64]))
	s.FillBytes(highS[32:64])
	highS[64] = 27 + 28 - good[64]
	set := func(at int, b byte) []byte {
		c := bytes.Clone(good)
		c[at] = b
		return c
	}
	zero := func(from int) []byte {
		c := bytes.Clone(good)
		clear(c[from : from+32])
		return c
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "short": good[:64], "long": append(bytes.Clone(good), 0), "high s": highS,
		"v 0": set(64, good[64]-27), "v 29": set(64, 29), "v 26": set(64, 26), "v 255": set(64, 255), "r 0": zero(0), "s 0": zero(32),
		"r too large": append(bytes.Repeat([]byte{0xff}, 32), good[32:]...),
	} {
		require.ErrorIs(t, Verify(digest, bad, address), ErrSignature, name)
	}
}

func FuzzRecover(f *testing.F) {
	f.Add(make([]byte, 32), make([]byte, 65))
	f.Add(bytes.Repeat([]byte{1}, 32), append(bytes.Repeat([]byte{2}, 64), 27))
	f.Fuzz(func(t *testing.T, d, signature []byte) {
		if len(d) != 32 {
			return
		}
		signer, err := Recover([32]byte(d), signature)
		if err != nil {
			return
		}
		if len(signature) != SignatureSize || Verify([32]byte(d), signature, signer) != nil {
			t.Fatal("a recovered signature does not verify")
		}
	})
}
