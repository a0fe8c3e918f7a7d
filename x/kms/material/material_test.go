package material_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/kms/material"
	"github.com/tkms-network/tkms/x/kms/types"
)

// content is larger than what goes through buffers at once.
var content = func() []byte {
	b := make([]byte, 300_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}()

func file(vaults ...string) material.File {
	return material.File{Kind: "CompressedServerKey", Digest: material.DigestOf(content), Size: int64(len(content)), Vaults: vaults}
}

// vault serves what it is told to, and keeps the ranges that it was asked for.
type vault struct {
	url string

	mu     sync.Mutex
	ranges []string
}

func newVault(t *testing.T, serve http.HandlerFunc) *vault {
	v := &vault{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys/"+material.DigestOf(content).String(), func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		v.ranges = append(v.ranges, r.Header.Get("Range"))
		v.mu.Unlock()
		serve(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	v.url = server.URL + "/keys"
	return v
}

func honest(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func withoutRanges(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }

// breaking sends the first bytes and breaks the connection.
func breaking(after int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "300000")
		_, _ = w.Write(content[:after])
		panic(http.ErrAbortHandler)
	}
}

func wrong(change func([]byte) []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(change(bytes.Clone(content))))
	}
}

func other(b []byte) []byte { b[7]++; return b }

func save(t *testing.T, f material.File) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	err := f.Save(t.Context(), &http.Client{}, path, nil)
	if err == nil {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, raw))
		require.NoFileExists(t, path+".part")
	} else {
		require.NoFileExists(t, path)
	}
	return path, err
}

func TestAFileComesFromTheFirstVaultThatHasItWhole(t *testing.T) {
	for name, serve := range map[string]http.HandlerFunc{
		"no such object": http.NotFound,
		"another object": wrong(other),
		"too short":      wrong(func(b []byte) []byte { return b[:1000] }),
		"too long":       wrong(func(b []byte) []byte { return append(b, 0) }),
		"wrong and long": wrong(func(b []byte) []byte { return append(other(b), 0) }),
		"empty":          wrong(func([]byte) []byte { return nil }),
		"breaks":         breaking(100_000),
	} {
		t.Run(name, func(t *testing.T) {
			first, second := newVault(t, serve), newVault(t, honest)
			_, err := save(t, file(first.url, second.url+"/"))
			require.NoError(t, err)
			_, err = save(t, file(first.url))
			if name == "too long" {
				return // all of the file came before what is too much, and is kept
			}
			require.ErrorIs(t, err, material.ErrUnavailable)
		})
	}
}

func TestADownloadGoesOnWhereItWasInterrupted(t *testing.T) {
	first, second := newVault(t, breaking(100_000)), newVault(t, honest)
	path, err := save(t, file(first.url))
	require.ErrorIs(t, err, material.ErrUnavailable)
	held, err := os.Stat(path + ".part")
	require.NoError(t, err)
	require.Positive(t, held.Size())

	var reports []int64
	require.NoError(t, file(second.url).Save(t.Context(), &http.Client{}, path, func(done int64) { reports = append(reports, done) }))
	require.Len(t, second.ranges, 1)
	require.NotEmpty(t, second.ranges[0])
	require.Equal(t, held.Size(), reports[0])
	require.EqualValues(t, len(content), reports[len(reports)-1])

	require.NoError(t, file().Save(t.Context(), &http.Client{}, path, nil), "what is there already takes no vault")
	require.NoError(t, os.WriteFile(path, []byte("damaged"), 0o600))
	require.ErrorIs(t, file().Save(t.Context(), &http.Client{}, path, nil), material.ErrUnavailable)
	require.NoError(t, file(second.url).Save(t.Context(), &http.Client{}, path, nil))
	require.Equal(t, "", second.ranges[1])
}

func TestAVaultWithoutRangesCanGoOnToo(t *testing.T) {
	first, second := newVault(t, breaking(100_000)), newVault(t, withoutRanges)
	_, err := save(t, file(first.url, second.url))
	require.NoError(t, err)
	require.Len(t, second.ranges, 1)
}

func TestWhatALyingVaultSentIsNotMixedWithWhatAnHonestOneSends(t *testing.T) {
	lying := newVault(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "300000")
		_, _ = w.Write(make([]byte, 100_000))
		panic(http.ErrAbortHandler)
	})
	second := newVault(t, honest)
	_, err := save(t, file(lying.url, second.url))
	require.NoError(t, err)
	require.Len(t, second.ranges, 2, "the rest, then all of it")
	require.Equal(t, "", second.ranges[1])
}

func TestMoreThanTheFileOnTheDiskIsNoBeginningOfIt(t *testing.T) {
	v := newVault(t, honest)
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path+".part", append(bytes.Clone(content), 1), 0o600))
	require.NoError(t, file(v.url).Save(t.Context(), &http.Client{}, path, nil))
	require.Equal(t, []string{""}, v.ranges)
}

func TestAVaultThatStallsIsLeft(t *testing.T) {
	material.SetStallTimeout(t, 200*time.Millisecond)
	stalling := newVault(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(content[:10])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	_, err := save(t, file(stalling.url))
	require.ErrorIs(t, err, material.ErrStalled)
	_, err = save(t, file(stalling.url, newVault(t, honest).url))
	require.NoError(t, err)
}

func TestAVaultThatTricklesIsLeft(t *testing.T) {
	material.SetStallTimeout(t, 300*time.Millisecond)
	trickling := newVault(t, func(w http.ResponseWriter, r *http.Request) {
		for i := 0; r.Context().Err() == nil && i < len(content); i++ {
			_, _ = w.Write(content[i : i+1])
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	_, err := save(t, file(trickling.url))
	require.ErrorIs(t, err, material.ErrStalled)
	_, err = save(t, file(trickling.url, newVault(t, honest).url))
	require.NoError(t, err)
}

func TestAnInterruptedCallerAsksNoFurtherVault(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	first := newVault(t, func(http.ResponseWriter, *http.Request) { cancel(); <-ctx.Done() })
	second := newVault(t, honest)
	err := file(first.url, second.url).Save(ctx, &http.Client{}, filepath.Join(t.TempDir(), "file"), nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, second.ranges)
}

func TestASmallFileIsReadIntoMemory(t *testing.T) {
	first, second := newVault(t, wrong(other)), newVault(t, honest)
	data, err := file(first.url, second.url).Read(t.Context(), &http.Client{})
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, data))
	_, err = file(first.url).Read(t.Context(), &http.Client{})
	require.ErrorIs(t, err, material.ErrOther)
	large := file(second.url)
	large.Size = 1<<20 + 1
	_, err = large.Read(t.Context(), &http.Client{})
	require.ErrorIs(t, err, material.ErrUnavailable)
}

func TestTheFilesAreThoseThatTheKeysRecordNames(t *testing.T) {
	digest := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	set, _ := types.ParameterSetByName(types.ProductionCompute)
	m := types.KeyMaterial{
		Seed: make([]byte, 16), PublicKeyDigest: digest(1), PublicKeyKeccak: digest(2), PublicKeySize: 33018, TestDecryptionOk: true, Tested: set.Tested,
		Objects: []types.KeyObject{{Kind: types.ObjectXofKeySet, Digest: digest(3), ByteSize: 10}, {Kind: types.ObjectServerKey, Digest: digest(4), ByteSize: 11}},
	}
	differs := m
	differs.PublicKeySize++
	key := &types.Key{Params: types.ProductionCompute, Status: types.KEY_STATUS_ACTIVE, Material: &m, Contributions: []types.KeyContribution{
		{Index: 1, Material: m, VaultUrl: "http://one"}, {Index: 2, Material: differs, VaultUrl: "http://two"}, {Index: 3, Material: m}, {Index: 4, Material: m, VaultUrl: "http://four"},
	}}
	vaults := []string{"http://one", "http://four"}
	files, err := material.Files(key)
	require.NoError(t, err)
	require.Equal(t, []material.File{
		{Kind: "CompactPublicKey", Digest: material.Digest(digest(1)), Size: 33018, Vaults: vaults},
		{Kind: "CompressedXofKeySet", Digest: material.Digest(digest(3)), Size: 10, Vaults: vaults},
		{Kind: "CompressedServerKey", Digest: material.Digest(digest(4)), Size: 11, Vaults: vaults},
	}, files)

	key.Material = &types.KeyMaterial{}
	_, err = material.Files(key)
	require.ErrorIs(t, err, material.ErrNoMaterial, "a record of a node that lies")
	key.Material = nil
	_, err = material.Files(key)
	require.ErrorIs(t, err, material.ErrNoMaterial)
}

func TestADigestIsDomainSeparatedShake256(t *testing.T) {
	// Computed with Python's hashlib: shake_256(b"PDAT_KEY" + b"abc").hexdigest(32).
	require.Equal(t, "789172dc765f4b6dac780f35cc90d175b248a9e0b1ff76ca83546fb457cbfd0e", material.DigestOf([]byte("abc")).String())
}
