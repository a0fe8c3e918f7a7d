package judge_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/cluster"
	judge "github.com/tkms-network/tkms/testutil/tfhe-rs"
)

// The whole way: parties generate a key set, TFHE-rs reads it and works with it as a
// coprocessor does, and the parties decrypt every file that it made.

func TestTFHErsWorksWithATestSetOfThePartiesAndTheyDecryptAllItsTypes(t *testing.T) {
	wholeWay(t, tfhe.Test(), tfhe.Types())
}

func TestTFHErsWorksWithAProductionComputeSetOfTheParties(t *testing.T) {
	wholeWay(t, tfhe.ProductionCompute(), nil)
}

func TestTFHErsWorksWithAProductionSetOfTheParties(t *testing.T) {
	if os.Getenv("TKMS_INTEROP_PRODUCTION") == "" {
		t.Skip("set TKMS_INTEROP_PRODUCTION=1 to generate half a gigabyte of keys and use them")
	}
	wholeWay(t, tfhe.Production(), nil)
}

func wholeWay(t *testing.T, p tfhe.Parameters, types []tfhe.Type) {
	j, ctx := published(t)
	clock := time.Now()
	took := func(what string) {
		t.Logf("%s: %v", what, time.Since(clock).Round(10*time.Millisecond))
		clock = time.Now()
	}
	c, generated, err := cluster.Generate(ctx, cluster.Config{Parties: 4}, cluster.KeyConfig{
		Parameters: p, Mode: keygen.Exact, Folder: t.TempDir(),
	}, rand.Reader)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	took("4 parties generated " + p.Name)

	keys := files(t, generated)
	require.NoError(t, j.Read(ctx, p.Name, keys.PublicKey, keys.ServerKey, keys.XOFKeySet))
	took("TFHE-rs read it")
	made, err := j.Compute(ctx, judge.Task{KeySet: keys.XOFKeySet, Types: types, Seed: rand.Text(), Dir: t.TempDir()})
	require.NoError(t, err)
	took("TFHE-rs worked with the CompressedXofKeySet")
	again, err := j.Compute(ctx, judge.Task{
		KeySet: keys.ServerKey, PublicKey: keys.PublicKey, Types: []tfhe.Type{tfhe.EUint8},
		Seed: rand.Text(), Dir: t.TempDir(),
	})
	require.NoError(t, err)
	took("TFHE-rs worked with the CompressedServerKey")

	values := 0
	for _, f := range append(made, again...) {
		values += requireThresholdDecrypts(ctx, t, c, p, f)
	}
	took("the parties decrypted")
	require.GreaterOrEqual(t, values, len(made)+len(again))
	t.Logf("%d files, %d values", len(made)+len(again), values)
}

// files returns the files of a key set that parties generated.
func files(t *testing.T, generated *cluster.Generation) judge.Keys {
	t.Helper()
	keys := judge.Keys{PublicKey: filepath.Join(t.TempDir(), "CompactPublicKey")}
	writeObject(t, keys.PublicKey, generated.PublicKey.Decompress())
	for _, f := range generated.Files {
		switch f.Object {
		case tfhe.ObjectServerKey:
			keys.ServerKey = f.Path
		case tfhe.ObjectXofKeySet:
			keys.XOFKeySet = f.Path
		}
	}
	return keys
}

// requireThresholdDecrypts has the parties decrypt a file, and returns how many
// values are in it.
func requireThresholdDecrypts(ctx context.Context, t *testing.T, c *cluster.Cluster, p tfhe.Parameters, f judge.File) int {
	t.Helper()
	ciphertexts := decode(t, f, p)
	for i, ciphertext := range ciphertexts {
		r, err := c.Decrypt(ctx, ciphertext)
		require.NoError(t, err, f.Path)
		require.Equal(t, f.Values[i].Value.String(), r.Value.String(), "%s, value %d", f.Path, i)
	}
	return len(ciphertexts)
}
