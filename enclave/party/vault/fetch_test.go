package vault_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/x/kms/material"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// keyOf returns a key's record and its three files.
func keyOf(t *testing.T) (*kmstypes.Key, [][]byte) {
	t.Helper()
	files := make([][]byte, 3)
	for i := range files {
		files[i] = make([]byte, 100_000*(i+1))
		_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(files[i])
	}
	digest := func(i int) []byte { d := vault.KeyDigest(files[i]); return d[:] }
	set, ok := kmstypes.ParameterSetByName(kmstypes.ProductionCompute)
	require.True(t, ok)
	m := kmstypes.KeyMaterial{
		Seed: make([]byte, 16), PublicKeyDigest: digest(0), PublicKeyKeccak: make([]byte, 32), PublicKeySize: uint64(len(files[0])),
		TestDecryptionOk: true, Tested: set.Tested,
		Objects: []kmstypes.KeyObject{
			{Kind: kmstypes.ObjectXofKeySet, Digest: digest(1), ByteSize: uint64(len(files[1]))},
			{Kind: kmstypes.ObjectServerKey, Digest: digest(2), ByteSize: uint64(len(files[2]))},
		},
	}
	return &kmstypes.Key{Id: make([]byte, 32), Params: kmstypes.ProductionCompute, Status: kmstypes.KEY_STATUS_ACTIVE, Material: &m}, files
}

// other is another party's vault.
type other struct {
	url string

	mu    sync.Mutex
	asked int
}

func newOther(t *testing.T, files [][]byte, serve func(w http.ResponseWriter, r *http.Request, file []byte)) *other {
	t.Helper()
	o := &other{}
	mux := http.NewServeMux()
	for _, f := range files {
		mux.HandleFunc("GET /keys/"+material.DigestOf(f).String(), func(w http.ResponseWriter, r *http.Request) {
			o.mu.Lock()
			o.asked++
			o.mu.Unlock()
			serve(w, r, f)
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	o.url = server.URL + "/keys"
	return o
}

func honest(w http.ResponseWriter, r *http.Request, file []byte) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
}

func lying(w http.ResponseWriter, r *http.Request, file []byte) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(make([]byte, len(file))))
}

// breaking sends half of what it is asked for.
func breaking(w http.ResponseWriter, r *http.Request, file []byte) {
	w.Header().Set("Content-Length", "1000000")
	_, _ = w.Write(file[:len(file)/2])
	panic(http.ErrAbortHandler)
}

func requireHeld(t *testing.T, v *vault.Vault, folder string, files [][]byte) {
	t.Helper()
	for _, f := range files {
		held, size, err := v.Open(vault.KeyDigest(f))
		require.NoError(t, err)
		require.EqualValues(t, len(f), size)
		raw, err := io.ReadAll(held)
		require.NoError(t, errors.Join(err, held.Close()))
		require.True(t, bytes.Equal(f, raw))
	}
	left, err := os.ReadDir(filepath.Join(folder, "incoming"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func openVault(t *testing.T, folder string) *vault.Vault {
	t.Helper()
	v, err := vault.Open(folder)
	require.NoError(t, err)
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func TestAJoiningPartyGetsAKeysFilesFromWhoeverHasThem(t *testing.T) {
	key, files := keyOf(t)
	for name, first := range map[string]func(http.ResponseWriter, *http.Request, []byte){
		"lying":    lying,
		"breaking": breaking,
		"absent":   func(w http.ResponseWriter, r *http.Request, _ []byte) { http.NotFound(w, r) },
		"long": func(w http.ResponseWriter, r *http.Request, file []byte) {
			honest(w, r, append(bytes.Clone(file[:len(file)-1]), 1, 2, 3))
		},
	} {
		everywhere(t, func(t *testing.T, v *vault.Vault, folder string, _ func() *vault.Vault) {
			t.Log(name)
			bad, good := newOther(t, files, first), newOther(t, files, honest)
			require.ErrorIs(t, v.FetchKey(t.Context(), &http.Client{}, key, []string{"http://127.0.0.1:1", bad.url}), material.ErrUnavailable)
			for _, f := range files {
				_, _, err := v.Open(vault.KeyDigest(f))
				require.ErrorIs(t, err, vault.ErrNotFound, "what is not proven right is not served")
			}
			require.NoError(t, v.FetchKey(t.Context(), &http.Client{}, key, []string{bad.url, good.url}))
			requireHeld(t, v, folder, files)
			asked := good.asked
			require.NoError(t, v.FetchKey(t.Context(), &http.Client{}, key, []string{good.url}))
			require.Equal(t, asked, good.asked, "what is there is not asked for again")
		})
	}
}

func TestVaultsThatTheRecordNamesAreAskedToo(t *testing.T) {
	key, files := keyOf(t)
	good := newOther(t, files, honest)
	key.Contributions = []kmstypes.KeyContribution{{Index: 1, Material: *key.Material, VaultUrl: good.url}}
	folder := t.TempDir()
	v := openVault(t, folder)
	require.NoError(t, v.FetchKey(t.Context(), &http.Client{}, key, nil))
	requireHeld(t, v, folder, files)
	key.Material = nil
	require.ErrorIs(t, v.FetchKey(t.Context(), &http.Client{}, key, nil), material.ErrNoMaterial)
}

func TestADownloadGoesOnAfterARestart(t *testing.T) {
	key, files := keyOf(t)
	everywhere(t, func(t *testing.T, v *vault.Vault, folder string, reopen func() *vault.Vault) {
		broken := newOther(t, files, breaking)
		require.ErrorIs(t, v.FetchKey(t.Context(), &http.Client{}, key, []string{broken.url}), material.ErrUnavailable)
		require.NoError(t, v.Close())

		v = reopen()
		var from string
		good := newOther(t, files, func(w http.ResponseWriter, r *http.Request, file []byte) {
			if len(file) == len(files[0]) {
				from = r.Header.Get("Range")
			}
			honest(w, r, file)
		})
		require.NoError(t, v.FetchKey(t.Context(), &http.Client{}, key, []string{good.url}))
		require.NotEmpty(t, from)
		requireHeld(t, v, folder, files)
	})
}

func TestASlowVaultIsLeftForAFasterOneAndUsedIfThereIsNone(t *testing.T) {
	vault.SetTurn(t, 100*time.Millisecond)
	key, files := keyOf(t)
	left := make(chan struct{}, 16)
	var hold sync.Map // the first answer for each file is slow
	slow := newOther(t, files, func(w http.ResponseWriter, r *http.Request, file []byte) {
		if _, again := hold.LoadOrStore(len(file), true); again {
			honest(w, r, file)
			return
		}
		_, _ = w.Write(file[:1000])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		left <- struct{}{}
	})
	folder := t.TempDir()
	v := openVault(t, folder)
	require.NoError(t, v.FetchKey(t.Context(), &http.Client{}, key, []string{slow.url}))
	requireHeld(t, v, folder, files)
	for range files {
		<-left
	}
	hold.Clear()
	good := newOther(t, files, honest)
	other := t.TempDir()
	v = openVault(t, other)
	require.NoError(t, v.FetchKey(t.Context(), &http.Client{}, key, []string{slow.url, good.url}))
	requireHeld(t, v, other, files)
	require.Equal(t, len(files), good.asked)
}

func TestADownloadMayTakeLongerThanTheClientWaitsForOthers(t *testing.T) {
	key, files := keyOf(t)
	first := true
	long := newOther(t, files, func(w http.ResponseWriter, r *http.Request, file []byte) {
		if first {
			time.Sleep(200 * time.Millisecond)
		}
		first = false
		honest(w, r, file)
	})
	v := openVault(t, t.TempDir())
	require.NoError(t, v.FetchKey(t.Context(), &http.Client{Timeout: 100 * time.Millisecond}, key, []string{long.url}))
	require.Equal(t, len(files), long.asked)
}

func TestAnInterruptedFetchEndsAtOnce(t *testing.T) {
	key, files := keyOf(t)
	ctx, cancel := context.WithCancel(t.Context())
	first := newOther(t, files, func(_ http.ResponseWriter, r *http.Request, _ []byte) { cancel(); <-r.Context().Done() })
	second := newOther(t, files, honest)
	v := openVault(t, t.TempDir())
	require.ErrorIs(t, v.FetchKey(ctx, &http.Client{}, key, []string{first.url, second.url}), context.Canceled)
	require.Zero(t, second.asked)
}

func TestAFileIsReadInPlacesAsItsDigestSaysOrNotAtAll(t *testing.T) {
	key, files := keyOf(t)
	everywhere(t, func(t *testing.T, v *vault.Vault, folder string, _ func() *vault.Vault) {
		digest, err := v.Put(files[2])
		require.NoError(t, err)
		file, size, err := v.Local(digest)
		require.NoError(t, err)
		require.EqualValues(t, len(files[2]), size)
		part := make([]byte, 1000)
		_, err = file.ReadAt(part, 123_456)
		require.NoError(t, err)
		require.True(t, bytes.Equal(files[2][123_456:124_456], part))
		require.NoError(t, file.Close())
		left, err := filepath.Glob(filepath.Join(folder, "*.part"))
		require.NoError(t, err)
		require.Empty(t, left)
		_, _, err = v.Local(vault.KeyDigest(files[1]))
		require.ErrorIs(t, err, vault.ErrNotFound)
	})

	folder := t.TempDir()
	v := openVault(t, folder)
	good := newOther(t, files, honest)
	require.NoError(t, v.FetchKey(t.Context(), &http.Client{}, key, []string{good.url}))
	path := filepath.Join(folder, material.DigestOf(files[1]).String())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	raw[77]++
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	_, _, err = v.Local(vault.KeyDigest(files[1]))
	require.ErrorIs(t, err, vault.ErrDamaged)
	require.NoError(t, v.FetchKey(t.Context(), &http.Client{}, key, []string{good.url}))
	requireHeld(t, v, folder, files)
}
