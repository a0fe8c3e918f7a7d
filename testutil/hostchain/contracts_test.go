package hostchain

import (
	"crypto/ecdsa"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

func TestEveryTypeGoesFromCiphertextToStoredPlaintext(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	var handles []fhevm.Handle
	var cleartexts []byte
	var values []*big.Int
	for _, typeOf := range fhevm.AllTypes() {
		ciphertext := append([]byte("a ciphertext of "), typeOf.String()...)
		input, err := c.SubmitCiphertext(ctx, chain.Disclosure(), alice.Address(), typeOf, ciphertext)
		require.NoError(t, err, typeOf)
		require.Equal(t, typeOf, input.Handle.Type())
		_, err = c.Submit(ctx, alice, input.Handle, input.InputProof)
		require.NoError(t, err, typeOf)
		_, err = c.MakePubliclyDecryptable(ctx, alice, input.Handle)
		require.NoError(t, err, typeOf)

		// The largest value of the type less a little, so that every word is told apart.
		value := new(big.Int).Lsh(big.NewInt(1), uint(typeOf.Bits()))
		value.Sub(value, big.NewInt(1))
		if typeOf.Bits() > 16 {
			value.Sub(value, big.NewInt(int64(typeOf)+4711))
		}
		word, err := fhevm.EncodeCleartext(typeOf, value)
		require.NoError(t, err)
		handles, cleartexts, values = append(handles, input.Handle), append(cleartexts, word...), append(values, value)
	}
	_, err := c.Plaintext(ctx, handles[0])
	require.True(t, fhevm.IsRevert(err, "NotDisclosed"), err)
	_, err = c.Fulfil(ctx, alice, handles, cleartexts, decryptionProof(t, chain, kmsKeys, handles, cleartexts))
	require.NoError(t, err)
	for i, h := range handles {
		stored, err := c.Plaintext(ctx, h)
		require.NoError(t, err)
		require.Zero(t, values[i].Cmp(stored), "%s: stored %v", h.Type(), stored)
	}
}

func TestThresholdOfKMSSignaturesIsEnforced(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	for _, test := range []struct {
		name  string
		keys  []*ecdsa.PrivateKey
		error string
	}{
		{"four of four", kmsKeys, ""},
		{"three of four", kmsKeys[1:], ""},
		{"two of four", kmsKeys[:2], "KMSSignatureThresholdNotReached"},
		{"none", nil, "KMSZeroSignature"},
		{"two and a stranger", append([]*ecdsa.PrivateKey{mallory}, kmsKeys[:2]...), "KMSInvalidSigner"},
		{"one of them twice", []*ecdsa.PrivateKey{kmsKeys[0], kmsKeys[1], kmsKeys[1]}, "InvalidKMSSignatures"},
	} {
		t.Run(test.name, func(t *testing.T) {
			input, err := c.SubmitCiphertext(ctx, chain.Disclosure(), alice.Address(), fhevm.Uint8, []byte(test.name))
			require.NoError(t, err)
			_, err = c.Submit(ctx, alice, input.Handle, input.InputProof)
			require.NoError(t, err)
			_, err = c.MakePubliclyDecryptable(ctx, alice, input.Handle)
			require.NoError(t, err)
			handles := []fhevm.Handle{input.Handle}
			word, err := fhevm.EncodeCleartext(fhevm.Uint8, big.NewInt(42))
			require.NoError(t, err)
			_, err = c.Fulfil(ctx, alice, handles, word, decryptionProof(t, chain, test.keys, handles, word))
			if test.error == "" {
				require.NoError(t, err)
				return
			}
			require.True(t, fhevm.IsRevert(err, test.error), "%v", err)
			_, err = c.Plaintext(ctx, input.Handle)
			require.Error(t, err)
		})
	}
}

// TestAResultIsTakenFromTheSignersOfTheDay has the owner define a larger set: the contract takes what the old set
// signed until then, and from then on what the new one signs, with its own threshold.
func TestAResultIsTakenFromTheSignersOfTheDay(t *testing.T) {
	chain := newTestChain(t, nil)
	ctx, c, alice := dialTest(t, chain)
	seven := keyring{[]byte("tests")}.keys("next kms", 7)
	fulfil := func(text string, keys []*ecdsa.PrivateKey) error {
		input, err := c.SubmitCiphertext(ctx, chain.Disclosure(), alice.Address(), fhevm.Uint8, []byte(text))
		require.NoError(t, err)
		_, err = c.Submit(ctx, alice, input.Handle, input.InputProof)
		require.NoError(t, err)
		_, err = c.MakePubliclyDecryptable(ctx, alice, input.Handle)
		require.NoError(t, err)
		word, err := fhevm.EncodeCleartext(fhevm.Uint8, big.NewInt(42))
		require.NoError(t, err)
		handles := []fhevm.Handle{input.Handle}
		_, err = c.Fulfil(ctx, alice, handles, word, decryptionProof(t, chain, keys, handles, word))
		return err
	}
	require.NoError(t, fulfil("before", kmsKeys[:3]))
	require.True(t, fhevm.IsRevert(fulfil("too early", seven[:5]), "KMSInvalidSigner"))
	require.NoError(t, c.SetKMSContext(ctx, addressesOf(seven), 5))
	require.True(t, fhevm.IsRevert(fulfil("too late", kmsKeys), "KMSSignatureThresholdNotReached"))
	require.True(t, fhevm.IsRevert(fulfil("both sets", append(slices.Clone(kmsKeys), seven...)), "KMSInvalidSigner"))
	require.True(t, fhevm.IsRevert(fulfil("the old threshold", seven[:3]), "KMSSignatureThresholdNotReached"))
	require.NoError(t, fulfil("after", seven[2:]))
}
