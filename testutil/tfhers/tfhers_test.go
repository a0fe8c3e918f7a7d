package tfhers_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
	"github.com/tkms-network/tkms/testutil/tfhers"
)

// needNode skips without node-tfhe, unless TKMS_INTEROP says that it must be there.
func needNode(t *testing.T) context.Context {
	t.Helper()
	if err := tfhers.Scripts.Available(); err != nil {
		if os.Getenv("TKMS_INTEROP") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

type marshaler interface{ MarshalBinary() ([]byte, error) }

func write(t *testing.T, m marshaler) string {
	t.Helper()
	data, err := m.MarshalBinary()
	require.NoError(t, err)
	return writeBytes(t, data)
}

func writeBytes(t *testing.T, data []byte) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "*.bin")
	require.NoError(t, err)
	_, err = f.Write(data)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return f.Name()
}

func TestTFHErsReadsKeysMadeInGo(t *testing.T) {
	ctx := needNode(t)
	k, err := clientkey.Generate(rand.Reader, tfhe.Production())
	require.NoError(t, err)
	pk, err := clientkey.PublicKey(rand.Reader, k)
	require.NoError(t, err)
	plain, err := clientkey.CompressedPublicKey(rand.Reader, k, tfhe.PlainSeed([16]byte{7}))
	require.NoError(t, err)
	xof, err := clientkey.CompressedPublicKey(rand.Reader, k, tfhe.XOFSeed([8]byte([]byte("TFHE_GEN")), make([]byte, 16)))
	require.NoError(t, err)
	boolean, err := clientkey.Encrypt(rand.Reader, k, tfhe.EBool, big.NewInt(1))
	require.NoError(t, err)
	integer, err := clientkey.Encrypt(rand.Reader, k, tfhe.EUint64, big.NewInt(1<<62+3))
	require.NoError(t, err)
	_, err = tfhers.Check(ctx,
		"--public-key", write(t, pk), "--compressed-public-key", write(t, plain), "--compressed-public-key", write(t, xof),
		"--client-key", write(t, k),
		"--ciphertext", "ebool=1="+writeBytes(t, boolean), "--ciphertext", "euint64=4611686018427387907="+writeBytes(t, integer))
	require.NoError(t, err)

	broken, err := pk.MarshalBinary()
	require.NoError(t, err)
	broken[32926] = 0 // the noise distribution
	_, err = tfhers.Check(ctx, "--public-key", writeBytes(t, broken))
	require.Error(t, err, "the oracle itself refuses a key of other parameters")
}

func TestGoDecryptsWhatTFHErsEncryptsUnderAKeyMadeInGo(t *testing.T) {
	ctx := needNode(t)
	k, err := clientkey.Generate(rand.Reader, tfhe.ProductionCompute())
	require.NoError(t, err)
	pk, err := clientkey.PublicKey(rand.Reader, k)
	require.NoError(t, err)
	raw := make([]byte, 16)
	_, err = rand.Read(raw)
	require.NoError(t, err)
	seed := hex.EncodeToString(raw)
	t.Logf("seed %s", seed)
	lists, err := tfhers.Encrypt(ctx, write(t, pk), filepath.Join(t.TempDir(), "lists"), seed)
	require.NoError(t, err)
	require.Len(t, lists, 2*len(tfhe.Types()))
	for _, l := range lists {
		data, err := os.ReadFile(l.File)
		require.NoError(t, err)
		c, err := tfhe.Decode(data, l.Type, tfhe.Production())
		require.NoError(t, err, l.File)
		got, err := clientkey.Decrypt(k, c)
		require.NoError(t, err)
		require.Equal(t, l.Value.String(), got.String(), l.File)
	}
}

func TestTFHErsReadsListsMadeInGo(t *testing.T) {
	ctx := needNode(t)
	k, err := clientkey.Generate(rand.Reader, tfhe.ProductionCompute())
	require.NoError(t, err)
	pk, err := clientkey.PublicKey(rand.Reader, k)
	require.NoError(t, err)
	var args []string
	for _, typ := range tfhe.Types() {
		for _, packed := range []bool{false, true} {
			l, err := pk.Encrypt(rand.Reader, typ, big.NewInt(1), packed)
			require.NoError(t, err)
			args = append(args, "--list", write(t, l))
		}
	}
	_, err = tfhers.Check(ctx, args...)
	require.NoError(t, err)
	if os.Getenv("TKMS_INTEROP_EXPAND") == "" {
		t.Log("set TKMS_INTEROP_EXPAND=1 to have TFHE-rs also expand and decrypt them (half a minute)")
		return
	}
	args = []string{"--client-key", write(t, k)}
	for _, packed := range []bool{false, true} {
		l, err := pk.Encrypt(rand.Reader, tfhe.EUint8, big.NewInt(0xb7), packed)
		require.NoError(t, err)
		args = append(args, "--expand", "euint8=183="+write(t, l))
		l, err = pk.Encrypt(rand.Reader, tfhe.EBool, big.NewInt(1), packed)
		require.NoError(t, err)
		args = append(args, "--expand", "ebool=1="+write(t, l))
	}
	_, err = tfhers.Check(ctx, args...)
	require.NoError(t, err)
}
