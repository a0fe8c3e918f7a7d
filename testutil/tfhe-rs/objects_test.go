package judge_test

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
	judge "github.com/tkms-network/tkms/testutil/tfhe-rs"
)

func TestTFHErsReadsAndDecryptsEveryTypeInEveryFormThatGoWrites(t *testing.T) {
	j, ctx := published(t)
	p := tfhe.Test()
	key, keys := dealt(t, p)
	public, err := open(t, keys.XOFKeySet, p).CompactPublicKey()
	require.NoError(t, err)
	var files []string
	var want [][]judge.Value
	add := func(data []byte, err error, values ...judge.Value) {
		t.Helper()
		require.NoError(t, err)
		file := filepath.Join(t.TempDir(), fmt.Sprint(len(files)))
		require.NoError(t, os.WriteFile(file, data, 0o600))
		files, want = append(files, file), append(want, values)
	}
	var all []clientkey.Value
	var allWant []judge.Value
	for _, typ := range tfhe.Types() {
		v := clientkey.Value{Type: typ, Value: anyValue(t, typ)}
		w := judge.Value{Type: typ, Value: v.Value}
		all, allWant = append(all, v), append(allWant, w)
		data, err := clientkey.Encrypt(rand.Reader, key, typ, v.Value)
		add(data, err, w)
		for _, packed := range []bool{false, true} {
			list, err := public.Encrypt(rand.Reader, typ, v.Value, packed)
			require.NoError(t, err)
			data, err = list.MarshalBinary()
			add(data, err, w)
		}
		data, err = clientkey.EncryptCompressed(rand.Reader, key, v)
		add(data, err, w)
		data, err = clientkey.EncryptSquashed(rand.Reader, key, v)
		add(data, err, w)
	}
	data, err := clientkey.EncryptCompressed(rand.Reader, key, all...)
	add(data, err, allWant...)
	data, err = clientkey.EncryptCompressedSquashed(rand.Reader, key, all...)
	add(data, err, allWant...)

	require.NoError(t, j.Read(ctx, p.Name, files...))
	decrypted, err := j.Decrypt(ctx, keys.ClientKey, keys.ServerKey, files...)
	require.NoError(t, err)
	for i, d := range decrypted {
		require.Len(t, d.Values, len(want[i]), d.Object)
		for k, v := range d.Values {
			require.Equal(t, want[i][k].Type, v.Type, d.Object)
			require.Equal(t, want[i][k].Value.String(), v.Value.String(), "%s of %v", d.Object, v.Type)
		}
	}
}

func TestTFHErsReadsKeysAndFormsOfProductionSize(t *testing.T) {
	j, ctx := published(t)
	p := tfhe.Production()
	key, err := clientkey.Generate(rand.Reader, p)
	require.NoError(t, err)
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "ClientKey")
	writeObject(t, keyFile, key)
	v := clientkey.Value{Type: tfhe.EUint64, Value: anyValue(t, tfhe.EUint64)}
	write := func(name string, data []byte, err error) string {
		t.Helper()
		require.NoError(t, err)
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, data, 0o600))
		return file
	}
	squashed, err := clientkey.EncryptSquashed(rand.Reader, key, v)
	files := []string{write("squashed", squashed, err)}
	packed, err := clientkey.EncryptCompressedSquashed(rand.Reader, key, v)
	files = append(files, write("packed", packed, err))
	block, err := clientkey.Encrypt(rand.Reader, key, v.Type, v.Value)
	files = append(files, write("blocks", block, err))
	decrypted, err := j.Decrypt(ctx, keyFile, "", files...)
	require.NoError(t, err)
	for _, d := range decrypted {
		require.Equal(t, []judge.Value{{Type: v.Type, Value: v.Value}}, d.Values, d.Object)
	}
	compressed, err := clientkey.EncryptCompressed(rand.Reader, key, v)
	files = append(files, write("compressed", compressed, err), keyFile)
	for i, seed := range []tfhe.Seed{tfhe.PlainSeed([16]byte{7}), tfhe.XOFSeed([8]byte([]byte("TFHE_GEN")), make([]byte, 16))} {
		public, err := clientkey.CompressedPublicKey(rand.Reader, key, seed)
		require.NoError(t, err)
		for name, object := range map[string]marshaler{"compressed-pk": public, "pk": public.Decompress()} {
			file := filepath.Join(dir, fmt.Sprint(name, i))
			writeObject(t, file, object)
			files = append(files, file)
		}
	}
	require.NoError(t, j.Read(ctx, p.Name, files...))
}

// anyValue draws a value of a type.
func anyValue(t *testing.T, typ tfhe.Type) *big.Int {
	t.Helper()
	v, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(typ.Bits())))
	require.NoError(t, err)
	return v
}
