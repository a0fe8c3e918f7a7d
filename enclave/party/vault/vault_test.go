package vault_test

import (
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/party/vault"
)

func TestObjectsAreServedByDigestOnly(t *testing.T) {
	store, err := vault.Open(t.TempDir())
	require.NoError(t, err)
	defer store.Close()
	digest, err := store.Put([]byte("public key"))
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("GET /keys/{digest}", store)
	get := func(name string) *httptest.ResponseRecorder {
		recorder := httptest.NewRecorder()
		mux.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/keys/"+name, nil))
		return recorder
	}
	answer := get(hex.EncodeToString(digest[:]))
	require.Equal(t, http.StatusOK, answer.Code)
	require.Equal(t, "public key", answer.Body.String())
	require.Equal(t, http.StatusBadRequest, get("..%2fidentity").Code)
	require.Equal(t, http.StatusBadRequest, get("xx"+hex.EncodeToString(digest[1:])).Code)
	digest[0] ^= 1
	require.Equal(t, http.StatusNotFound, get(hex.EncodeToString(digest[:])).Code)
}

func TestKeyDigestIsDomainSeparatedShake256(t *testing.T) {
	// Computed with Python's hashlib: shake_256(b"PDAT_KEY" + b"abc").hexdigest(32).
	digest := vault.KeyDigest([]byte("abc"))
	require.Equal(t, wantKeyDigest, hex.EncodeToString(digest[:]))
}

const wantKeyDigest = "789172dc765f4b6dac780f35cc90d175b248a9e0b1ff76ca83546fb457cbfd0e"
