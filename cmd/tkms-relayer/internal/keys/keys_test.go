package keys_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/keys"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/material"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

type records struct{ key *kmstypes.Key }

func (r records) Records(context.Context, uint64) (tkms.Records, error) {
	if r.key == nil {
		return tkms.Records{}, client.ErrNotFound
	}
	return tkms.Records{Key: r.key}, nil
}

var public = []byte("a compact public key")

// vaultOf serves bytes under every name and counts how often.
func vaultOf(t *testing.T, data []byte, asked *int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked++
		if data == nil {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/keys/"
}

// materialOf names a public key as the parties do.
func materialOf(params string, data []byte) kmstypes.KeyMaterial {
	digest := material.DigestOf(data)
	set, _ := kmstypes.ParameterSetByName(params)
	return kmstypes.KeyMaterial{
		Seed: make([]byte, 16), PublicKeyDigest: digest[:], PublicKeyKeccak: make([]byte, 32), PublicKeySize: uint64(len(data)),
		TestDecryptionOk: true, Tested: set.Tested,
	}
}

func keyOf(params string, m kmstypes.KeyMaterial, vaults ...string) *kmstypes.Key {
	key := &kmstypes.Key{Id: []byte{1, 2}, Params: params, Status: kmstypes.KEY_STATUS_ACTIVE, Material: &m}
	for _, url := range vaults {
		key.Contributions = append(key.Contributions, kmstypes.KeyContribution{Material: m, VaultUrl: url})
	}
	return key
}

func keyWith(vaults ...string) *kmstypes.Key {
	return keyOf(kmstypes.ProductionPKE, materialOf(kmstypes.ProductionPKE, public), vaults...)
}

func newKeys(t *testing.T, key *kmstypes.Key) *keys.Keys {
	t.Helper()
	k := keys.New(1, records{key}, &http.Client{}, t.TempDir())
	t.Cleanup(k.Close)
	return k
}

func digest() string { return material.DigestOf(public).String() }

func TestTheKeyIsTakenFromTheFirstVaultThatHasIt(t *testing.T) {
	var silent, lying, honest int
	key := keyWith("http://127.0.0.1:1", vaultOf(t, nil, &silent), vaultOf(t, []byte("another public key!!"), &lying), vaultOf(t, public, &honest))
	k := newKeys(t, key)
	current, err := k.Current(t.Context())
	require.NoError(t, err)
	require.Equal(t, keys.Current{KeyID: "0102", Params: "production-pke", Digest: digest(), Size: uint64(len(public)), Files: []material.File{}}, current)
	for range 3 {
		data, err := k.Bytes(t.Context(), current.Digest)
		require.NoError(t, err)
		require.Equal(t, public, data)
	}
	require.Equal(t, []int{1, 1, 1}, []int{silent, lying, honest}, "it is downloaded once")
}

func TestClientsGetTheKeyWithTheTagsThatTheyRead(t *testing.T) {
	const vector = "../../../../enclave/tfhe/testdata/node/compact_pk.bin"
	data, err := os.ReadFile(vector)
	require.NoError(t, err)
	asked := 0
	k := newKeys(t, keyOf(kmstypes.ProductionPKE, materialOf(kmstypes.ProductionPKE, data), vaultOf(t, data, &asked)))
	got, err := k.ClientBytes(t.Context(), material.DigestOf(data).String())
	require.NoError(t, err)
	require.Len(t, got, len(data))
	require.NotEqual(t, data, got)
	_, err = k.ClientBytes(t.Context(), "00")
	require.ErrorIs(t, err, keys.ErrUnknown)
	_, err = newKeys(t, keyWith(vaultOf(t, public, &asked))).ClientBytes(t.Context(), digest())
	require.ErrorIs(t, err, tfhe.ErrTruncated, "these bytes are no key")
}

func TestVaultsAreAskedForNothingButTheCurrentKey(t *testing.T) {
	asked := 0
	k := newKeys(t, keyWith(vaultOf(t, public, &asked)))
	for _, name := range []string{strings.Repeat("0", 64), "../secret", ""} {
		_, err := k.Bytes(t.Context(), name)
		require.ErrorIs(t, err, keys.ErrUnknown)
		_, err = k.File(t.Context(), name)
		require.ErrorIs(t, err, keys.ErrUnknown)
	}
	require.Zero(t, asked)
}

func TestPartiesThatSignedAnotherKeyAreNotAsked(t *testing.T) {
	asked := 0
	key := keyWith(vaultOf(t, public, &asked))
	key.Contributions[0].Material.PublicKeySize++
	_, err := newKeys(t, key).Bytes(t.Context(), digest())
	require.ErrorIs(t, err, keys.ErrUnavailable)
	require.Zero(t, asked)
}

func TestBytesOfAnotherLengthAreRefused(t *testing.T) {
	asked := 0
	for _, size := range []uint64{uint64(len(public)) - 1, uint64(len(public)) + 1} {
		key := keyWith(vaultOf(t, public, &asked))
		key.Material.PublicKeySize = size
		key.Contributions[0].Material.PublicKeySize = size
		_, err := newKeys(t, key).Bytes(t.Context(), digest())
		require.ErrorIs(t, err, keys.ErrUnavailable)
	}
	require.Equal(t, 2, asked)
	key := keyWith(vaultOf(t, public, &asked))
	key.Material.PublicKeySize = 1 << 40
	_, err := newKeys(t, key).Bytes(t.Context(), digest())
	require.ErrorIs(t, err, keys.ErrNoKey, "the record is none that x/kms writes")
	require.Equal(t, 2, asked)
}

// computing is a key with the files that computing takes.
func computing(vaults ...string) (*kmstypes.Key, []byte) {
	file := bytes.Repeat([]byte("rows"), 50_000)
	m := materialOf(kmstypes.ProductionCompute, public)
	for _, kind := range []string{kmstypes.ObjectXofKeySet, kmstypes.ObjectServerKey} {
		d := material.DigestOf(append([]byte(kind), file...))
		m.Objects = append(m.Objects, kmstypes.KeyObject{Kind: kind, Digest: d[:], ByteSize: uint64(len(kind) + len(file))})
	}
	return keyOf(kmstypes.ProductionCompute, m, vaults...), append([]byte(kmstypes.ObjectServerKey), file...)
}

func TestAFileBesideThePublicKeyIsFetchedOnceAndKept(t *testing.T) {
	_, raw := computing()
	release, asked := make(chan struct{}), 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		<-release
		_, _ = w.Write(raw)
	}))
	defer server.Close()
	key, _ := computing(server.URL)
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "ofanearlierkey.part"), nil, 0o600))
	k := keys.New(1, records{key}, &http.Client{}, folder)
	t.Cleanup(k.Close)
	name := material.DigestOf(raw).String()

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := k.File(gone, name)
	require.ErrorIs(t, err, keys.ErrFetching)
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			file, err := k.File(t.Context(), name)
			if assert.NoError(t, err) {
				held, _ := io.ReadAll(file)
				assert.Equal(t, raw, held)
				file.Close()
			}
		})
	}
	close(release)
	wait.Wait()
	require.Equal(t, 1, asked)
	require.NoFileExists(t, filepath.Join(folder, "ofanearlierkey.part"))

	server.Close()
	again := keys.New(1, records{key}, &http.Client{}, folder)
	defer again.Close()
	file, err := again.File(t.Context(), name)
	require.NoError(t, err, "it is there after a restart")
	file.Close()
	other := hex.EncodeToString(key.Material.Objects[0].Digest)
	_, err = again.File(t.Context(), other)
	require.ErrorIs(t, err, keys.ErrUnavailable)
}

func TestADownloadEndsWithTheRelayer(t *testing.T) {
	began := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	}))
	defer server.Close()
	key, raw := computing(server.URL)
	k := keys.New(1, records{key}, &http.Client{}, t.TempDir())
	outcome := make(chan error)
	go func() { _, err := k.File(context.Background(), material.DigestOf(raw).String()); outcome <- err }()
	<-began
	k.Close()
	require.ErrorIs(t, <-outcome, context.Canceled)
}

func TestAKeyThatIsNotActiveIsNone(t *testing.T) {
	key := keyWith()
	key.Status = kmstypes.KEY_STATUS_GENERATING
	_, err := newKeys(t, key).Current(t.Context())
	require.ErrorIs(t, err, keys.ErrNoKey)
	_, err = newKeys(t, nil).Current(t.Context())
	require.ErrorIs(t, err, client.ErrNotFound)
}
