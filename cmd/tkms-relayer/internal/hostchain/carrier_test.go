package hostchain_test

import (
	"bytes"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/hostchain"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/x/kms/handles"
)

// signed returns a plaintext with signatures of some KMS signers.
func (f *fixture) signed(signers int, value int64, list ...handles.Handle) hostchain.Result {
	f.Helper()
	result := hostchain.Result{Handles: list}
	var named []fhevm.Handle
	for _, h := range list {
		named = append(named, fhevm.Handle(h))
		result.Plaintext = append(result.Plaintext, common.BigToHash(big.NewInt(value)).Bytes()...)
	}
	digest, err := fhevm.PublicDecryptDigest(f.Chain.Domain(), named, result.Plaintext, nil)
	require.NoError(f, err)
	for _, key := range f.KMS[:signers] {
		signature, err := fhevm.Sign(digest, key)
		require.NoError(f, err)
		result.Signatures = append(result.Signatures, signature)
	}
	return result
}

// carrier returns a carrier with a funded account.
func (f *fixture) carrier(maxGas uint64) *hostchain.Carrier {
	f.Helper()
	key, err := crypto.GenerateKey()
	require.NoError(f, err)
	c := hostchain.NewCarrier(f.host, key, maxGas)
	require.NoError(f, f.Client.Fund(f.Context, c.Address(), nil))
	return c
}

func TestAResultIsCarriedToTheDApp(t *testing.T) {
	f := setUp(t)
	carrier := f.carrier(5_000_000)
	handle := f.Submit("value", true)
	dApp := f.DApp()
	var kept []byte
	var hash common.Hash
	keep := func(raw []byte, h common.Hash) error { kept, hash = raw, h; return nil }
	require.NoError(t, carrier.Carry(f.Context, dApp, f.signed(3, 42, handle), keep))
	receipt, err := carrier.Receipt(f.Context, hash)
	require.NoError(t, err)
	require.True(t, receipt.Succeeded)
	require.NotZero(t, receipt.GasUsed)
	value, err := f.Client.Plaintext(f.Context, fhevm.Handle(handle))
	require.NoError(t, err)
	require.EqualValues(t, 42, value.Int64())

	err = carrier.Carry(f.Context, dApp, f.signed(3, 42, handle), keep)
	require.ErrorIs(t, err, hostchain.ErrRefused)
	require.ErrorContains(t, err, "AlreadyFulfilled")
	require.NotEmpty(t, kept)
	require.Error(t, carrier.Resend(f.Context, []byte{1}))
}

func TestWhatTheContractWouldRefuseIsNotSent(t *testing.T) {
	f := setUp(t)
	handle, dApp := f.Submit("value", true), f.DApp()
	wrong := f.signed(3, 42, handle)
	wrong.Plaintext[31] = 43
	long := f.signed(3, 42, handle)
	long.Signatures[0] = append(long.Signatures[0], 0)
	for name, c := range map[string]struct {
		result hostchain.Result
		maxGas uint64
		want   error
		text   string
	}{
		"too few signatures":      {f.signed(2, 42, handle), 5_000_000, hostchain.ErrRefused, "KMSSignatureThresholdNotReached"},
		"another plaintext":       {wrong, 5_000_000, hostchain.ErrRefused, "KMSInvalidSigner"},
		"no signature":            {f.signed(0, 42, handle), 5_000_000, hostchain.ErrProof, ""},
		"a signature of 66 bytes": {long, 5_000_000, hostchain.ErrProof, ""},
		"more gas than allowed":   {f.signed(3, 42, handle), 50_000, hostchain.ErrGas, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := f.carrier(c.maxGas).Carry(f.Context, dApp, c.result, func([]byte, common.Hash) error {
				t.Fatal("a transaction was made")
				return nil
			})
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
		})
	}
}

func TestNothingIsSentThatWasNotKept(t *testing.T) {
	f := setUp(t)
	handle := f.Submit("value", true)
	err := f.carrier(5_000_000).Carry(f.Context, f.DApp(), f.signed(3, 42, handle), func([]byte, common.Hash) error { return io.ErrShortWrite })
	require.ErrorIs(t, err, io.ErrShortWrite)
	_, err = f.Client.Plaintext(f.Context, fhevm.Handle(handle))
	require.Error(t, err)
}

func TestADecryptionProofCountsItsSignaturesInOneByte(t *testing.T) {
	signature := bytes.Repeat([]byte{7}, 65)
	proof, err := hostchain.Result{Signatures: [][]byte{signature, signature}}.DecryptionProof()
	require.NoError(t, err)
	require.Equal(t, "02"+strings.Repeat("07", 130), common.Bytes2Hex(proof))
	many := make([][]byte, 256)
	for i := range many {
		many[i] = signature
	}
	_, err = hostchain.Result{Signatures: many}.DecryptionProof()
	require.ErrorIs(t, err, hostchain.ErrProof)
}

func TestANodeThatRefusesOrForgetsDoesNotKeepAResultBack(t *testing.T) {
	f := setUp(t)
	refuses := f.Proxy(func(request, answer []byte) []byte {
		if bytes.Contains(request, []byte("eth_estimateGas")) {
			return []byte(`{"jsonrpc":"2.0","id":` + idOf(request) + `,"error":{"code":3,"message":"execution reverted"}}`)
		}
		if bytes.Contains(request, []byte("eth_getTransactionReceipt")) {
			return []byte(`{"jsonrpc":"2.0","id":` + idOf(request) + `,"result":null}`)
		}
		return answer
	})
	f.host = f.open(refuses, f.URL)
	carrier := f.carrier(5_000_000)
	handle := f.Submit("value", true)
	var hash common.Hash
	require.NoError(t, carrier.Carry(f.Context, f.DApp(), f.signed(3, 42, handle), func(_ []byte, h common.Hash) error { hash = h; return nil }))
	require.Eventually(t, func() bool {
		receipt, err := carrier.Receipt(f.Context, hash)
		return err == nil && receipt != nil && receipt.Succeeded
	}, waitAtMost, pause)
	none, err := carrier.Receipt(f.Context, common.Hash{1})
	require.NoError(t, err)
	require.Nil(t, none)
}
