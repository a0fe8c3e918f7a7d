package tfhe_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

type vector struct {
	File   string      `json:"file"`
	Key    string      `json:"key"`
	Values [][2]string `json:"values"`

	parameters tfhe.Parameters
}

func readVector(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)))
	require.NoError(t, err)
	return data
}

// readVectors returns the ciphertexts of all generators, those of the Rust crate under
// the test set.
func readVectors(t testing.TB) []vector {
	t.Helper()
	var all, rust []vector
	require.NoError(t, json.Unmarshal(readVector(t, "meta.json"), &all))
	require.NotEmpty(t, all)
	for i := range all {
		all[i].parameters = tfhe.Production()
	}
	require.NoError(t, json.Unmarshal(readVector(t, "rs/test/meta.json"), &rust))
	require.NotEmpty(t, rust)
	for _, v := range rust {
		v.File, v.Key, v.parameters = "rs/test/"+v.File, "rs/test/client_key.bin", tfhe.Test()
		all = append(all, v)
	}
	return all
}

func readClientKey(t testing.TB, name string) *tfhe.ClientKey {
	t.Helper()
	k, err := tfhe.UnmarshalClientKey(readVector(t, name), tfhe.Production())
	require.NoError(t, err)
	return k
}

// remarshal decodes data with the decoder of its kind and encodes it again.
func remarshal(data []byte, p tfhe.Parameters) ([]byte, error) {
	name, err := tfhe.Name(data)
	if err != nil {
		return nil, err
	}
	type marshaler interface{ MarshalBinary() ([]byte, error) }
	var m marshaler
	switch name {
	case "high_level_api::ClientKey":
		m, err = tfhe.UnmarshalClientKey(data, p)
	case "high_level_api::CompactPublicKey":
		m, err = tfhe.UnmarshalCompactPublicKey(data, p)
	case "high_level_api::CompressedCompactPublicKey":
		m, err = tfhe.UnmarshalCompressedCompactPublicKey(data, p)
	case "high_level_api::CompactCiphertextList":
		m, err = tfhe.UnmarshalCompactCiphertextList(data, p)
	case "high_level_api::ProvenCompactCiphertextList":
		m, err = tfhe.UnmarshalProvenCompactCiphertextList(data, p)
	case "high_level_api::FheBool":
		m, err = tfhe.UnmarshalFheBool(data, p)
	case "high_level_api::FheUint":
		m, err = tfhe.UnmarshalFheUint(data, p)
	case "high_level_api::CompressedCiphertextList":
		m, err = tfhe.UnmarshalCompressedCiphertextList(data, p)
	case "high_level_api::SquashedNoiseFheBool":
		m, err = tfhe.UnmarshalSquashedNoiseFheBool(data, p)
	case "high_level_api::SquashedNoiseFheUint":
		m, err = tfhe.UnmarshalSquashedNoiseFheUint(data, p)
	case "high_level_api::CompressedSquashedNoiseCiphertextList":
		m, err = tfhe.UnmarshalCompressedSquashedNoiseCiphertextList(data, p)
	default:
		return nil, tfhe.ErrKind
	}
	if err != nil {
		return nil, err
	}
	return m.MarshalBinary()
}

func TestEveryVectorRoundTripsByteForByte(t *testing.T) {
	for pattern, want := range map[string]struct {
		parameters tfhe.Parameters
		files      int
	}{
		"testdata/node/*.bin":    {tfhe.Production(), 15},
		"testdata/go/*.bin":      {tfhe.Production(), 7},
		"testdata/rs/test/*.bin": {tfhe.Test(), 14},
	} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.Len(t, files, want.files)
		for _, f := range files {
			data, err := os.ReadFile(f)
			require.NoError(t, err)
			again, err := remarshal(data, want.parameters)
			require.NoError(t, err, f)
			require.True(t, bytes.Equal(data, again), f)
		}
	}
}

func TestEveryVectorDecryptsToItsValues(t *testing.T) {
	for _, v := range readVectors(t) {
		k, err := tfhe.UnmarshalClientKey(readVector(t, v.Key), v.parameters)
		require.NoError(t, err)
		all, err := tfhe.DecodeAny(readVector(t, v.File), v.parameters)
		require.NoError(t, err, v.File)
		require.Len(t, all, len(v.Values), v.File)
		for i, c := range all {
			require.Equal(t, v.Values[i][0], c.Type().String(), v.File)
			got, err := clientkey.Decrypt(k, c)
			require.NoError(t, err)
			require.Equal(t, v.Values[i][1], got.String(), "%s value %d", v.File, i)
		}
	}
}

func TestNodesPublicKeysBelongToItsClientKey(t *testing.T) {
	k := readClientKey(t, "node/client_key.bin")
	pk, err := tfhe.UnmarshalCompactPublicKey(readVector(t, "node/compact_pk.bin"), tfhe.Production())
	require.NoError(t, err)
	requireTUniform17(t, k, pk)
	compressed, err := tfhe.UnmarshalCompressedCompactPublicKey(readVector(t, "node/compressed_compact_pk.bin"), tfhe.Production())
	require.NoError(t, err)
	requireTUniform17(t, k, compressed.Decompress())
}

// requireTUniform17 checks the bound, and that 2048 samples fill its range.
func requireTUniform17(t *testing.T, k *tfhe.ClientKey, pk *tfhe.CompactPublicKey) {
	t.Helper()
	noise, err := clientkey.PublicKeyNoise(k, pk)
	require.NoError(t, err)
	var most int64
	var squares float64
	for _, e := range noise {
		most = max(most, e, -e)
		squares += float64(e) * float64(e)
	}
	require.LessOrEqual(t, most, int64(1)<<17)
	require.Greater(t, most, int64(1)<<16)
	// The variance is (2^35+1)/6; the mean of 2048 squares is within a tenth of it
	// but for a probability below 10^-6.
	require.InEpsilon(t, float64(int64(1)<<35)/6, squares/float64(len(noise)), 0.1)
}

func TestSeedsExpandAsTFHErsExpandsThem(t *testing.T) {
	compressed, err := tfhe.UnmarshalCompressedCompactPublicKey(readVector(t, "go/compressed_compact_pk_xof.bin"), tfhe.Production())
	require.NoError(t, err)
	require.NotNil(t, compressed.Seed.XOF)
	require.NotZero(t, compressed.Seed.Byte, "the vector starts inside a block")
	got, err := compressed.Decompress().MarshalBinary()
	require.NoError(t, err)
	require.True(t, bytes.Equal(readVector(t, "go/compact_pk_xof.bin"), got))
}

func TestDecodeTakesOnlyTheExpectedType(t *testing.T) {
	for _, v := range readVectors(t) {
		data := readVector(t, v.File)
		for _, want := range tfhe.Types() {
			c, err := tfhe.Decode(data, want, v.parameters)
			if len(v.Values) == 1 && v.Values[0][0] == want.String() {
				require.NoError(t, err)
				require.Equal(t, want, c.Type())
				continue
			}
			require.ErrorIs(t, err, tfhe.ErrType, "%s as %v", v.File, want)
		}
		_, err := tfhe.Decode(data, 12, v.parameters)
		require.ErrorIs(t, err, tfhe.ErrUnknownType)
	}
	for _, f := range []string{"node/client_key.bin", "node/compact_pk.bin"} {
		_, err := tfhe.Decode(readVector(t, f), tfhe.EUint8, tfhe.Production())
		require.ErrorIs(t, err, tfhe.ErrKind)
	}
}

func TestAClientKeyHidesItselfAndCanBeErased(t *testing.T) {
	k := readClientKey(t, "go/client_key.bin")
	require.True(t, k.ReRandomization)
	require.Len(t, k.SquashingCompression, 6144)
	require.Equal(t, "tfhe.ClientKey(redacted)", k.String())
	js, err := json.Marshal(k)
	require.NoError(t, err)
	require.Equal(t, `"redacted"`, string(js))
	k.Zero()
	for _, s := range [][]uint64{k.GLWE, k.LWE, k.PKE, k.Compression, k.Squashing, k.SquashingCompression, k.OPRF} {
		require.NotEmpty(t, s)
		require.Equal(t, make([]uint64, len(s)), s)
	}
}

func TestTypesKnowTheirRangesAndNames(t *testing.T) {
	for _, typ := range tfhe.Types() {
		most := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(typ.Bits())), big.NewInt(1))
		require.True(t, typ.Fits(most))
		require.False(t, typ.Fits(new(big.Int).Add(most, big.NewInt(1))))
		require.False(t, typ.Fits(big.NewInt(-1)))
		again, err := tfhe.TypeByName(typ.String())
		require.NoError(t, err)
		require.Equal(t, typ, again)
	}
	require.False(t, tfhe.Type(12).Fits(big.NewInt(1)))
	_, err := tfhe.TypeByName("euint7")
	require.ErrorIs(t, err, tfhe.ErrUnknownType)
}
