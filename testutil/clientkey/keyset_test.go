package clientkey_test

import (
	"crypto/rand"
	"io"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

func keySet(t testing.TB, p tfhe.Parameters, o tfhe.Object) (*tfhe.ClientKey, *tfhe.KeySet) {
	t.Helper()
	k, err := clientkey.Generate(rand.Reader, p)
	require.NoError(t, err)
	file, err := os.CreateTemp(t.TempDir(), "keyset")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	require.NoError(t, clientkey.WriteKeySet(rand.Reader, k, [16]byte{7, 8}, o, file))
	size, err := file.Seek(0, io.SeekEnd)
	require.NoError(t, err)
	set, err := tfhe.OpenKeySet(file, size, p)
	require.NoError(t, err)
	return k, set
}

func TestEveryRowOfAKeySetHasTheNoiseOfItsPart(t *testing.T) {
	for _, o := range []tfhe.Object{tfhe.ObjectXofKeySet, tfhe.ObjectServerKey} {
		k, set := keySet(t, tfhe.Test(), o)
		for _, part := range k.Parameters().Parts() {
			if part.Component == tfhe.ComponentPublicKey && o == tfhe.ObjectServerKey {
				require.False(t, set.Has(part.Component))
				continue
			}
			rows, err := clientkey.NewRows(k, set.Seed(), part.Component)
			require.NoError(t, err)
			var squares, count float64
			for row := range part.Rows() {
				noise, err := rows.Noise(set, row)
				require.NoError(t, err)
				for _, e := range noise {
					require.LessOrEqual(t, max(e, -e), int64(1)<<part.Noise, "%v row %d", part.Component, row)
					squares += float64(e) * float64(e)
					count++
				}
			}
			// TUniform(b) has variance (2^(2b+1)+1)/6.
			require.InEpsilon(t, (math.Ldexp(2, 2*int(part.Noise))+1)/6, squares/count, 6/math.Sqrt(count), "%v", part.Component)
		}
	}
}

func TestRowsOfAnotherKeyAreNoNoise(t *testing.T) {
	k, set := keySet(t, tfhe.Test(), tfhe.ObjectServerKey)
	other, err := clientkey.Generate(rand.Reader, k.Parameters())
	require.NoError(t, err)
	_, err = clientkey.RowNoise(other, set, tfhe.ComponentSquashing, 1)
	require.ErrorIs(t, err, tfhe.ErrRange)
	other.OPRF = nil
	_, err = clientkey.RowNoise(other, set, tfhe.ComponentOPRF, 1)
	require.ErrorIs(t, err, clientkey.ErrNoKey)
}

func TestThePublicKeyOfAKeySetIsThatOfItsClientKey(t *testing.T) {
	k, set := keySet(t, tfhe.Test(), tfhe.ObjectXofKeySet)
	pk, err := set.CompactPublicKey()
	require.NoError(t, err)
	noise, err := clientkey.PublicKeyNoise(k, pk)
	require.NoError(t, err)
	for _, e := range noise {
		require.LessOrEqual(t, max(e, -e), int64(1)<<k.Parameters().PKENoise)
	}
}

func BenchmarkWriteKeySet(b *testing.B) {
	for _, p := range []tfhe.Parameters{tfhe.Test(), tfhe.ProductionCompute()} {
		b.Run(p.Name, func(b *testing.B) {
			for b.Loop() {
				keySet(b, p, tfhe.ObjectXofKeySet)
			}
		})
	}
}
