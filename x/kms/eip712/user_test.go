package eip712

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
)

// pattern returns size bytes that count modulo m.
func pattern(size, m int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i % m)
	}
	return b
}

func hostDomain() Domain {
	d := decryption
	d.ChainID = 31337
	return d
}

func userRequest() UserRequest {
	return UserRequest{
		PublicKey: pattern(869, 251),
		Contracts: [][20]byte{
			common.HexToAddress("0x1111111111111111111111111111111111111111"),
			common.HexToAddress("0x22222222222222222222222222222222222222ff"),
		},
		Start: 1_800_000_000, Days: 365, ExtraData: []byte{0},
	}
}

func address(seed byte) [20]byte { return [20]byte(bytes.Repeat([]byte{seed}, 20)) }

func TestTheDigestsOfUserDecryptionAreThoseOfEthers(t *testing.T) {
	// Made with ethers 6.17.0, TypedDataEncoder.hash(domain, types, message), from
	// the types and values here.
	frozen := func(name, want string, got [32]byte) {
		t.Helper()
		require.Equal(t, want, hex.EncodeToString(got[:]), name)
	}
	r := userRequest()
	frozen("request", "5714838593fe1e0eda6cd485f5918527c37b52c4858c53a051969bcca51c45bc", UserDecryptRequest(hostDomain(), r))
	r.Contracts, r.ExtraData = nil, nil
	frozen("empty lists", "db2127f4035f83daec0a4a355053ce2c834ca51744c183c1ed48557b5f5b860c", UserDecryptRequest(hostDomain(), r))
	r, delegator := userRequest(), address(0x33)
	r.Delegator = &delegator
	frozen("delegated", "500d00fc3051f0d13402e80ea23605a6569a938a728fa885aa2b5aab8c9674d8", UserDecryptRequest(hostDomain(), r))

	handles := [][32]byte{handleA, handleB}
	frozen("link", "3e984b6dc1a394bc25df3f2fa9e4db2dd3e2b3d4eaa2dc979fe70859f344ed5e",
		UserDecryptionLink(decryption, r.PublicKey, handles, address(0x44)))
	frozen("response", "5f93ccfaaf415a44548e5d3b500b8fb3bd4fe1132b2c61143aa706cbc435ac0b",
		UserDecryptResponse(decryption, r.PublicKey, handles, pattern(1641, 7)))
}

func TestEveryFieldOfAUsersRequestIsSigned(t *testing.T) {
	seen := map[[32]byte]string{UserDecryptRequest(hostDomain(), userRequest()): "unchanged", UserDecryptRequest(decryption, userRequest()): "chain"}
	require.Len(t, seen, 2)
	for name, change := range map[string]func(*UserRequest){
		"public key":       func(r *UserRequest) { r.PublicKey[868] ^= 1 },
		"contract":         func(r *UserRequest) { r.Contracts[1][19] ^= 1 },
		"contracts' order": func(r *UserRequest) { r.Contracts[0], r.Contracts[1] = r.Contracts[1], r.Contracts[0] },
		"fewer contracts":  func(r *UserRequest) { r.Contracts = r.Contracts[:1] },
		"delegator":        func(r *UserRequest) { d := address(1); r.Delegator = &d },
		"other delegator":  func(r *UserRequest) { d := address(2); r.Delegator = &d },
		"zero delegator":   func(r *UserRequest) { r.Delegator = &[20]byte{} },
		"start":            func(r *UserRequest) { r.Start++ },
		"days":             func(r *UserRequest) { r.Days-- },
		"extra data":       func(r *UserRequest) { r.ExtraData = nil },
	} {
		r := userRequest()
		change(&r)
		d := UserDecryptRequest(hostDomain(), r)
		require.Empty(t, seen[d], name)
		seen[d] = name
	}
}

func TestALinkAndAShareBindKeyHandlesAndUser(t *testing.T) {
	key, handles := pattern(869, 251), [][32]byte{handleA, handleB}
	swapped := [][32]byte{handleB, handleA}
	link := UserDecryptionLink(decryption, key, handles, address(1))
	for name, other := range map[string][32]byte{
		"domain": UserDecryptionLink(hostDomain(), key, handles, address(1)),
		"key":    UserDecryptionLink(decryption, key[1:], handles, address(1)),
		"order":  UserDecryptionLink(decryption, key, swapped, address(1)),
		"user":   UserDecryptionLink(decryption, key, handles, address(2)),
	} {
		require.NotEqual(t, link, other, name)
	}
	share := UserDecryptResponse(decryption, key, handles, []byte{1})
	for name, other := range map[string][32]byte{
		"domain": UserDecryptResponse(hostDomain(), key, handles, []byte{1}),
		"key":    UserDecryptResponse(decryption, key[1:], handles, []byte{1}),
		"order":  UserDecryptResponse(decryption, key, swapped, []byte{1}),
		"share":  UserDecryptResponse(decryption, key, handles, []byte{2}),
	} {
		require.NotEqual(t, share, other, name)
	}
}
