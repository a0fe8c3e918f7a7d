package judge_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/evaluate"
	"github.com/tkms-network/tkms/testutil/clientkey"
	judge "github.com/tkms-network/tkms/testutil/tfhe-rs"
)

// A whole production set takes its time on a busy machine; all else takes minutes.
const patience = 2 * time.Hour

var built = sync.OnceValues(func() (*judge.Judge, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return judge.Build(ctx)
})

// published builds the judge, or skips where interoperation is not asked for.
func published(t *testing.T) (*judge.Judge, context.Context) {
	t.Helper()
	if os.Getenv("TKMS_INTEROP") == "" {
		t.Skip("set TKMS_INTEROP=1 to build TFHE-rs and have it judge")
	}
	j, err := built()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return j, ctx
}

// dealt makes all files of a key set in Go, by one who knows the key.
func dealt(t *testing.T, p tfhe.Parameters) (*tfhe.ClientKey, judge.Keys) {
	t.Helper()
	dir := t.TempDir()
	key, err := clientkey.Generate(rand.Reader, p)
	require.NoError(t, err)
	seed := [16]byte([]byte("a seed of a test"))
	write := func(o tfhe.Object) string {
		f, err := os.Create(filepath.Join(dir, o.String()))
		require.NoError(t, err)
		require.NoError(t, clientkey.WriteKeySet(rand.Reader, key, seed, o, f))
		require.NoError(t, f.Close())
		return f.Name()
	}
	keys := judge.Keys{
		ClientKey: filepath.Join(dir, "ClientKey"),
		PublicKey: filepath.Join(dir, "CompactPublicKey"),
		ServerKey: write(tfhe.ObjectServerKey),
		XOFKeySet: write(tfhe.ObjectXofKeySet),
	}
	pk, err := open(t, keys.XOFKeySet, p).CompactPublicKey()
	require.NoError(t, err)
	writeObject(t, keys.PublicKey, pk)
	writeObject(t, keys.ClientKey, key)
	return key, keys
}

type marshaler interface{ MarshalBinary() ([]byte, error) }

func writeObject(t *testing.T, file string, object marshaler) {
	t.Helper()
	data, err := object.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, data, 0o600))
}

func readClientKey(t *testing.T, file string, p tfhe.Parameters) *tfhe.ClientKey {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	key, err := tfhe.UnmarshalClientKey(data, p)
	require.NoError(t, err)
	return key
}

// open opens a key set's file.
func open(t *testing.T, file string, p tfhe.Parameters) *tfhe.KeySet {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	require.NoError(t, err)
	set, err := tfhe.OpenKeySet(f, info.Size(), p)
	require.NoError(t, err)
	return set
}

// decode returns the ciphertexts of a file, which must be of the types that TFHE-rs
// says. Of a list with proofs, these are under the public key.
func decode(t *testing.T, f judge.File, p tfhe.Parameters) []*tfhe.Ciphertext {
	t.Helper()
	data, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	var ciphertexts []*tfhe.Ciphertext
	if f.Object == provenList {
		ciphertexts = decodeProven(t, data, p)
	} else {
		ciphertexts, err = tfhe.DecodeAny(data, p)
		require.NoError(t, err, f.Path)
	}
	require.Len(t, ciphertexts, len(f.Values), f.Path)
	for i, c := range ciphertexts {
		require.Equal(t, f.Values[i].Type, c.Type(), f.Path)
	}
	return ciphertexts
}

const provenList = "high_level_api::ProvenCompactCiphertextList"

func decodeProven(t *testing.T, data []byte, p tfhe.Parameters) []*tfhe.Ciphertext {
	t.Helper()
	proven, err := tfhe.UnmarshalProvenCompactCiphertextList(data, p)
	require.NoError(t, err)
	lists, err := proven.Split()
	require.NoError(t, err)
	var ciphertexts []*tfhe.Ciphertext
	for _, l := range lists {
		c, err := l.Ciphertext(0)
		require.NoError(t, err)
		ciphertexts = append(ciphertexts, c)
	}
	return ciphertexts
}

// requireDecrypts decrypts in Go what TFHE-rs made.
func requireDecrypts(t *testing.T, key *tfhe.ClientKey, files []judge.File) {
	t.Helper()
	for _, f := range files {
		for i, c := range decode(t, f, key.Parameters()) {
			got, err := clientkey.Decrypt(key, c)
			require.NoError(t, err, f.Path)
			require.Equal(t, f.Values[i].Value.String(), got.String(), f.Path)
		}
	}
}

func TestWithoutCargoTheJudgeSaysWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := judge.Build(t.Context())
	require.ErrorIs(t, err, judge.ErrNoCargo)
}

func TestTFHErsReadsAndUsesAKeySetMadeInGo(t *testing.T) {
	j, ctx := published(t)
	key, keys := dealt(t, tfhe.Test())
	require.NoError(t, j.Read(ctx, tfhe.NameTest, keys.ClientKey, keys.PublicKey, keys.ServerKey, keys.XOFKeySet))
	made, err := j.Compute(ctx, judge.Task{
		KeySet: keys.XOFKeySet, Seed: t.Name(), Dir: filepath.Join(t.TempDir(), "xof"),
	})
	require.NoError(t, err)
	requireDecrypts(t, key, made)
	crs := filepath.Join(t.TempDir(), "crs")
	require.NoError(t, j.CRS(ctx, tfhe.NameTest, 32, crs))
	require.NoError(t, j.Read(ctx, tfhe.NameTest, crs))
	made, err = j.Compute(ctx, judge.Task{
		KeySet: keys.ServerKey, PublicKey: keys.PublicKey, CRS: crs, Types: []tfhe.Type{tfhe.EUint8},
		Seed: t.Name(), Dir: filepath.Join(t.TempDir(), "server"),
	})
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(made, func(f judge.File) bool {
		return f.Object == provenList
	}))
	requireDecrypts(t, key, made)
}

func TestGoReadsWhatTFHErsGenerates(t *testing.T) {
	j, ctx := published(t)
	for _, p := range []tfhe.Parameters{tfhe.Test(), tfhe.ProductionCompute()} {
		keys, err := j.Generate(ctx, p.Name, t.Name(), t.TempDir())
		require.NoError(t, err)
		key := readClientKey(t, keys.ClientKey, p)
		server, xof := open(t, keys.ServerKey, p), open(t, keys.XOFKeySet, p)
		require.Equal(t, server.Seed(), xof.Seed())
		requireNoise(t, key, xof)

		pk, err := xof.CompactPublicKey()
		require.NoError(t, err)
		mine, err := pk.MarshalBinary()
		require.NoError(t, err)
		theirs, err := os.ReadFile(keys.PublicKey)
		require.NoError(t, err)
		require.Equal(t, theirs, mine, "the public key that TFHE-rs expands")
	}
}

// Each component is used: with its bodies replaced by others a computation fails
// or comes out wrong.
func TestTFHErsComesToOtherResultsWithAnyComponentReplaced(t *testing.T) {
	j, ctx := published(t)
	p := tfhe.Test()
	key, keys := dealt(t, p)
	whole, err := os.ReadFile(keys.XOFKeySet)
	require.NoError(t, err)
	layout, err := p.Layout(tfhe.ObjectXofKeySet, open(t, keys.XOFKeySet, p).Seed())
	require.NoError(t, err)
	for _, part := range p.Parts() {
		at, ok := layout.Offset(part.Component)
		require.True(t, ok)
		replaced := append([]byte(nil), whole...)
		_, err := rand.Read(replaced[at : at+int64(part.Rows()*part.BodyWords())*int64(part.Width/8)])
		require.NoError(t, err)
		file := filepath.Join(t.TempDir(), "replaced")
		require.NoError(t, os.WriteFile(file, replaced, 0o600))
		require.NoError(t, j.Read(ctx, p.Name, file), "the form alone is right")

		made, err := j.Compute(ctx, judge.Task{
			KeySet: file, Types: []tfhe.Type{tfhe.EUint8}, Seed: t.Name(), Dir: filepath.Join(t.TempDir(), "made"),
		})
		require.NoError(t, err)
		require.Positive(t, wrong(t, key, made), "%v", part.Component)
	}
}

// wrong counts the values that decrypt to something else.
func wrong(t *testing.T, key *tfhe.ClientKey, files []judge.File) int {
	t.Helper()
	count := 0
	for _, f := range files {
		for i, c := range decode(t, f, key.Parameters()) {
			if got, err := clientkey.Decrypt(key, c); err != nil || got.Cmp(f.Values[i].Value) != 0 {
				count++
			}
		}
	}
	return count
}

func TestTFHErsReadsAndDecryptsWhatIsComputedInGo(t *testing.T) {
	j, ctx := published(t)
	p := tfhe.Test()
	_, keys := dealt(t, p)
	set := open(t, keys.XOFKeySet, p)
	public, err := set.CompactPublicKey()
	require.NoError(t, err)
	e, err := evaluate.New(set, evaluate.Environment{})
	require.NoError(t, err)
	trials, err := evaluate.Check(rand.Reader, e, public)
	require.NoError(t, err)
	var files, forms []string
	for i, trial := range trials {
		file := filepath.Join(t.TempDir(), strconv.Itoa(i))
		require.NoError(t, os.WriteFile(file, trial.Ciphertext, 0o600))
		files, forms = append(files, file), append(forms, trial.Form)
	}
	for _, form := range []string{
		"CompactCiphertextList", "FheUint", "CompressedCiphertextList", "SquashedNoiseFheUint", "CompressedSquashedNoiseCiphertextList",
	} {
		require.Contains(t, forms, form)
	}
	require.NoError(t, j.Read(ctx, p.Name, files...))
	decrypted, err := j.Decrypt(ctx, keys.ClientKey, keys.ServerKey, files...)
	require.NoError(t, err)
	for i, d := range decrypted {
		require.Equal(t, []judge.Value{{Type: trials[i].Type, Value: trials[i].Value}}, d.Values, trials[i].Shows)
	}
}

func TestTFHErsRefusesAKeySetOfOtherParameters(t *testing.T) {
	j, ctx := published(t)
	_, keys := dealt(t, tfhe.Test())
	for _, file := range []string{keys.PublicKey, keys.ServerKey, keys.XOFKeySet} {
		require.ErrorIs(t, j.Read(ctx, tfhe.NameProductionCompute, file), judge.ErrRefused)
	}
	data, err := os.ReadFile(keys.ServerKey)
	require.NoError(t, err)
	longer := filepath.Join(t.TempDir(), "longer")
	require.NoError(t, os.WriteFile(longer, append(data, 0), 0o600))
	require.ErrorIs(t, j.Read(ctx, tfhe.NameTest, longer), judge.ErrRefused, "a byte too many")
}
