package tfhe_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// inOrder hashes what is written, which must be in the order of its places.
type inOrder struct {
	hash.Hash
	t    *testing.T
	next int64
}

func (h *inOrder) WriteAt(b []byte, at int64) (int, error) {
	require.GreaterOrEqual(h.t, at, h.next)
	h.next = at + int64(len(b))
	return h.Write(b)
}

func TestSkeletonsAreThoseOfTheRustLibrary(t *testing.T) {
	var vectors []struct {
		Parameters, Object, Seed, Skeleton string
		Size                               int64
	}
	require.NoError(t, json.Unmarshal(readVector(t, "rs/key_sets.json"), &vectors))
	require.Len(t, vectors, 6)
	objects := map[string]tfhe.Object{}
	for _, o := range []tfhe.Object{tfhe.ObjectServerKey, tfhe.ObjectXofKeySet} {
		objects[o.String()] = o
	}
	for _, v := range vectors {
		p, err := tfhe.ByName(v.Parameters)
		require.NoError(t, err)
		seed, err := hex.DecodeString(v.Seed)
		require.NoError(t, err)
		o, ok := objects[v.Object]
		require.True(t, ok, v.Object)
		l, err := p.Layout(o, [16]byte(seed))
		require.NoError(t, err)
		require.Equal(t, v.Size, l.Size(), "%s %s", v.Parameters, v.Object)
		h := &inOrder{Hash: sha256.New(), t: t}
		require.NoError(t, l.WriteSkeleton(h))
		require.Equal(t, v.Skeleton, hex.EncodeToString(h.Sum(nil)), "%s %s", v.Parameters, v.Object)
	}
}
