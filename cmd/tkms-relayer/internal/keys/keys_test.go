package keys_test

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/keys"
	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/x/kms/client"
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

func keyWith(vaults ...string) *kmstypes.Key {
	digest := vault.KeyDigest(public)
	material := kmstypes.KeyMaterial{PublicKeyDigest: digest[:], PublicKeySize: uint64(len(public))}
	key := &kmstypes.Key{Id: []byte{1, 2}, Params: "production-pke", Status: kmstypes.KEY_STATUS_ACTIVE, Material: &material}
	for _, url := range vaults {
		key.Contributions = append(key.Contributions, kmstypes.KeyContribution{Material: material, VaultUrl: url})
	}
	return key
}

func digest() string {
	d := vault.KeyDigest(public)
	return hex.EncodeToString(d[:])
}

func TestTheKeyIsTakenFromTheFirstVaultThatHasIt(t *testing.T) {
	var silent, lying, honest int
	key := keyWith("http://127.0.0.1:1", vaultOf(t, nil, &silent), vaultOf(t, []byte("another public key!!"), &lying), vaultOf(t, public, &honest))
	k := keys.New(1, records{key}, http.DefaultClient)
	current, err := k.Current(t.Context())
	require.NoError(t, err)
	require.Equal(t, keys.Current{KeyID: "0102", Params: "production-pke", Digest: digest(), Size: uint64(len(public))}, current)
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
	key := &kmstypes.Key{Status: kmstypes.KEY_STATUS_ACTIVE, Material: &kmstypes.KeyMaterial{PublicKeySize: uint64(len(data))}}
	hash := vault.KeyDigest(data)
	key.Material.PublicKeyDigest = hash[:]
	asked := 0
	key.Contributions = []kmstypes.KeyContribution{{Material: *key.Material, VaultUrl: vaultOf(t, data, &asked)}}
	k := keys.New(1, records{key}, http.DefaultClient)
	got, err := k.ClientBytes(t.Context(), hex.EncodeToString(hash[:]))
	require.NoError(t, err)
	require.Len(t, got, len(data))
	require.NotEqual(t, data, got)
	_, err = k.ClientBytes(t.Context(), "00")
	require.ErrorIs(t, err, keys.ErrUnknown)
	_, err = keys.New(1, records{keyWith(vaultOf(t, public, &asked))}, http.DefaultClient).ClientBytes(t.Context(), digest())
	require.ErrorIs(t, err, tfhe.ErrTruncated, "these bytes are no key")
}

func TestVaultsAreAskedForNothingButTheCurrentKey(t *testing.T) {
	asked := 0
	k := keys.New(1, records{keyWith(vaultOf(t, public, &asked))}, http.DefaultClient)
	for _, name := range []string{strings.Repeat("0", 64), "../secret", ""} {
		_, err := k.Bytes(t.Context(), name)
		require.ErrorIs(t, err, keys.ErrUnknown)
	}
	require.Zero(t, asked)
}

func TestPartiesThatSignedAnotherKeyAreNotAsked(t *testing.T) {
	asked := 0
	key := keyWith(vaultOf(t, public, &asked))
	key.Contributions[0].Material.PublicKeySize++
	_, err := keys.New(1, records{key}, http.DefaultClient).Bytes(t.Context(), digest())
	require.ErrorIs(t, err, keys.ErrUnavailable)
	require.Zero(t, asked)
}

func TestBytesOfAnotherLengthAreRefused(t *testing.T) {
	asked := 0
	for _, size := range []uint64{uint64(len(public)) - 1, uint64(len(public)) + 1, 1 << 40} {
		key := keyWith(vaultOf(t, public, &asked))
		key.Material.PublicKeySize = size
		key.Contributions[0].Material.PublicKeySize = size
		_, err := keys.New(1, records{key}, http.DefaultClient).Bytes(t.Context(), digest())
		require.ErrorIs(t, err, keys.ErrUnavailable)
	}
	require.Equal(t, 2, asked, "what is too large is not downloaded")
}

func TestAKeyThatIsNotActiveIsNone(t *testing.T) {
	key := keyWith()
	key.Status = kmstypes.KEY_STATUS_GENERATING
	_, err := keys.New(1, records{key}, http.DefaultClient).Current(t.Context())
	require.ErrorIs(t, err, keys.ErrNoKey)
	_, err = keys.New(1, records{}, http.DefaultClient).Current(t.Context())
	require.ErrorIs(t, err, client.ErrNotFound)
}
