package judge_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// keySetVector is an entry of the frozen key_sets.json: an object that TFHE-rs
// generated from frozenSeed, by the SHA-256 of all that is not bodies.
type keySetVector struct {
	Parameters string `json:"parameters"`
	Object     string `json:"object"`
	Seed       string `json:"seed"`
	Size       int64  `json:"size"`
	Skeleton   string `json:"skeleton"`
}

const (
	frozenSeed    = "frozen vectors"
	frozenKeySets = "../../enclave/tfhe/testdata/rs/key_sets.json"
)

func TestFrozenSkeletonsAreOfKeySetsThatTFHErsGenerates(t *testing.T) {
	j, ctx := published(t)
	data, err := os.ReadFile(frozenKeySets)
	require.NoError(t, err)
	var frozen []keySetVector
	require.NoError(t, json.Unmarshal(data, &frozen))
	sets := []tfhe.Parameters{tfhe.Test(), tfhe.ProductionCompute()}
	if os.Getenv("TKMS_INTEROP_PRODUCTION") != "" {
		sets = append(sets, tfhe.Production())
	}
	for _, p := range sets {
		keys, err := j.Generate(ctx, p.Name, frozenSeed, t.TempDir())
		require.NoError(t, err)
		require.Contains(t, frozen, vectorOf(t, p, tfhe.ObjectServerKey, keys.ServerKey))
		require.Contains(t, frozen, vectorOf(t, p, tfhe.ObjectXofKeySet, keys.XOFKeySet))
	}
}

func vectorOf(t *testing.T, p tfhe.Parameters, o tfhe.Object, path string) keySetVector {
	t.Helper()
	seed := open(t, path, p).Seed()
	layout, err := p.Layout(o, seed)
	require.NoError(t, err)
	type bodies struct{ at, size int64 }
	var cut []bodies
	for _, part := range p.Parts() {
		if at, ok := layout.Offset(part.Component); ok {
			cut = append(cut, bodies{at, int64(part.Rows()*part.BodyWords()) * int64(part.Width/8)})
		}
	}
	slices.SortFunc(cut, func(a, b bodies) int { return cmp.Compare(a.at, b.at) })
	f, err := os.Open(filepath.Clean(path))
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	require.NoError(t, err)
	h, next := sha256.New(), int64(0)
	for _, b := range append(cut, bodies{at: info.Size()}) {
		_, err := io.Copy(h, io.NewSectionReader(f, next, b.at-next))
		require.NoError(t, err)
		next = b.at + b.size
	}
	return keySetVector{
		Parameters: p.Name, Object: o.String(), Seed: hex.EncodeToString(seed[:]),
		Size: info.Size(), Skeleton: hex.EncodeToString(h.Sum(nil)),
	}
}
