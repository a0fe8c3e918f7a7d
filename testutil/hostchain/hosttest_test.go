package hostchain

import (
	"context"
	"crypto/ecdsa"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/client"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// artifactsFor builds the contract artifacts if need be, or skips the test.
func artifactsFor(t *testing.T) string {
	t.Helper()
	dir, err := BuildArtifacts()
	if err != nil {
		t.Skipf("contract artifacts are missing and could not be built by %s: %v", BuildScript, err)
	}
	return dir
}

// testSeed makes all keys of a test chain the same in every run.
var testSeed = make([]byte, SeedLength)

// kmsKeys are KMS signers alice, bob, carol and dave; mallory is none.
var (
	kmsKeys = keyring{[]byte("tests")}.keys("kms", 4)
	mallory = keyring{[]byte("tests")}.key("mallory", 0)
)

func addressesOf(keys []*ecdsa.PrivateKey) []common.Address {
	list := make([]common.Address, len(keys))
	for i, k := range keys {
		list[i] = addressOf(k)
	}
	return list
}

// newTestChain starts a chain in instant mode with four KMS signers of whom three suffice.
func newTestChain(t *testing.T, change func(*Config)) *Chain {
	t.Helper()
	config := Config{
		Seed:         testSeed,
		KMSSigners:   addressesOf(kmsKeys),
		KMSThreshold: 3,
		Artifacts:    artifactsFor(t),
		Balances:     map[common.Address]*big.Int{addressOf(mallory): big.NewInt(1e18)},
	}
	if change != nil {
		change(&config)
	}
	chain, err := New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, chain.Close()) })
	return chain
}

// dialTest serves chain on loopback and connects a client with a funded account.
func dialTest(t *testing.T, chain *Chain) (context.Context, *client.Client, *client.Account) {
	t.Helper()
	ctx, c, account := dialNoFunds(t, chain)
	require.NoError(t, c.Fund(ctx, account.Address(), nil))
	return ctx, c, account
}

// dialNoFunds is dialTest with an account that owns nothing.
func dialNoFunds(t *testing.T, chain *Chain) (context.Context, *client.Client, *client.Account) {
	t.Helper()
	handler, stop, err := chain.Handler(nil)
	require.NoError(t, err)
	t.Cleanup(stop)
	url := newLoopbackServer(t, handler)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	c, err := client.Dial(ctx, url)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	account, err := client.NewAccount()
	require.NoError(t, err)
	return ctx, c, account
}

// newLoopbackServer serves handler until the test ends and returns its URL.
func newLoopbackServer(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// decryptionProof signs cleartexts by keys as parties of TKMS do.
func decryptionProof(t *testing.T, chain *Chain, keys []*ecdsa.PrivateKey, handles []fhevm.Handle, cleartexts []byte) []byte {
	t.Helper()
	digest, err := fhevm.PublicDecryptDigest(chain.Domain(), handles, cleartexts, nil)
	require.NoError(t, err)
	var signatures [][]byte
	for _, key := range keys {
		signature, err := fhevm.Sign(digest, key)
		require.NoError(t, err)
		signatures = append(signatures, signature)
	}
	proof, err := fhevm.EncodeDecryptionProof(signatures, nil)
	require.NoError(t, err)
	return proof
}
