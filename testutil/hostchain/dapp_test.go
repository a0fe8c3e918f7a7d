package hostchain

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

func TestDAppRefusesPlaintextsThatDoNotFit(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	take := func(name string, typeOf fhevm.Type, disclose bool) fhevm.Handle {
		input, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), typeOf, []byte(name))
		require.NoError(t, err)
		_, err = c.Submit(ctx, alice, input.Handle, input.InputProof)
		require.NoError(t, err)
		if disclose {
			_, err = c.MakePubliclyDecryptable(ctx, alice, input.Handle)
			require.NoError(t, err)
		}
		return input.Handle
	}
	word := func(v int64) []byte { return common.BigToHash(big.NewInt(v)).Bytes() }
	wide := append(make([]byte, 31), 1)
	narrow, secret := take("narrow", fhevm.Uint4, true), take("secret", fhevm.Uint8, false)
	long := take("long", fhevm.Uint512, true)
	for _, test := range []struct {
		name       string
		handles    []fhevm.Handle
		cleartexts []byte
		refusal    string
	}{
		{"a value wider than its type", []fhevm.Handle{narrow}, word(16), "CleartextOutOfRange"},
		{"one byte too many", []fhevm.Handle{narrow}, append(word(1), 0), "WrongCleartextLength"},
		{"one word for a type of two", []fhevm.Handle{long}, wide, "WrongCleartextLength"},
		{"no handles", nil, nil, "NoHandles"},
		{"a value that was not disclosed", []fhevm.Handle{secret}, word(1), "NotDisclosed"},
		{"the same value twice", []fhevm.Handle{narrow, narrow}, append(word(1), word(2)...), "AlreadyFulfilled"},
		{"an unknown type", []fhevm.Handle{{30: 77}}, word(1), "UnsupportedType"},
	} {
		t.Run(test.name, func(t *testing.T) {
			proof := decryptionProof(t, chain, kmsKeys, test.handles, test.cleartexts)
			_, err := c.Fulfil(ctx, alice, test.handles, test.cleartexts, proof)
			require.True(t, fhevm.IsRevert(err, test.refusal), "%v", err)
		})
	}
	// Signatures over one value do not carry another, nor another order.
	proof := decryptionProof(t, chain, kmsKeys, []fhevm.Handle{narrow}, word(7))
	_, err := c.Fulfil(ctx, alice, []fhevm.Handle{narrow}, word(8), proof)
	require.True(t, fhevm.IsRevert(err, "KMSInvalidSigner"), "%v", err)
	_, err = c.Fulfil(ctx, alice, []fhevm.Handle{narrow}, word(7), proof)
	require.NoError(t, err)
}

func TestDAppRefusesInputsThatNoCoprocessorSigned(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	for _, typeOf := range []fhevm.Type{fhevm.Uint4, fhevm.Uint64, fhevm.Uint2048} {
		input, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), typeOf, []byte(typeOf.String()))
		require.NoError(t, err)
		forged := common.CopyBytes(input.InputProof)
		forged[40] ^= 1
		_, err = c.Submit(ctx, alice, input.Handle, forged)
		require.Error(t, err)
		other := input.Handle
		other[30] = byte(fhevm.Uint128)
		_, err = c.Submit(ctx, alice, other, input.InputProof)
		require.Error(t, err, "the type is under the signature")
		_, err = c.Submit(ctx, alice, input.Handle, nil)
		require.Error(t, err, "a proof must be given for %s", typeOf)
		_, err = c.Submit(ctx, alice, input.Handle, input.InputProof)
		require.NoError(t, err)
	}
}
