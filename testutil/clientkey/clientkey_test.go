package clientkey_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

func TestAGeneratedKeyHasTheAskedPartsInBits(t *testing.T) {
	p := tfhe.Test()
	k, err := clientkey.Generate(rand.Reader, p)
	require.NoError(t, err)
	for _, part := range [][]uint64{k.GLWE, k.LWE, k.PKE, k.OPRF, k.Compression, k.Squashing, k.SquashingCompression} {
		ones := 0
		for _, b := range part {
			require.LessOrEqual(t, b, uint64(1))
			ones += int(b)
		}
		require.NotZero(t, ones)
		require.Less(t, ones, len(part))
	}
	require.True(t, k.ReRandomization)
	k, err = clientkey.Generate(rand.Reader, tfhe.ProductionPKE())
	require.NoError(t, err)
	require.Nil(t, k.Compression)
	require.Nil(t, k.OPRF)
	require.False(t, k.ReRandomization)
	_, err = clientkey.Generate(bytes.NewReader(nil), p)
	require.ErrorIs(t, err, io.EOF)
}

func TestMissingPartsAreNamed(t *testing.T) {
	k, err := clientkey.Generate(rand.Reader, tfhe.Test())
	require.NoError(t, err)
	pk, err := clientkey.PublicKey(rand.Reader, k)
	require.NoError(t, err)
	l, err := pk.Encrypt(rand.Reader, tfhe.EUint4, big.NewInt(3), true)
	require.NoError(t, err)
	c, err := l.Ciphertext(0)
	require.NoError(t, err)
	k.PKE = nil
	_, err = clientkey.PublicKey(rand.Reader, k)
	require.ErrorIs(t, err, clientkey.ErrNoKey)
	_, err = clientkey.PublicKeyNoise(k, pk)
	require.ErrorIs(t, err, clientkey.ErrNoKey)
	_, err = clientkey.Decrypt(k, c)
	require.ErrorIs(t, err, clientkey.ErrNoKey)
	_, err = clientkey.Encrypt(rand.Reader, k, tfhe.EUint4, big.NewInt(16))
	require.ErrorIs(t, err, tfhe.ErrRange)
}
