package vault_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/objects"
	"github.com/tkms-network/tkms/enclave/party/vault"
)

// everywhere runs a test with a vault in a folder and with one in a bucket. reopen
// opens it again.
func everywhere(t *testing.T, test func(t *testing.T, v *vault.Vault, folder string, reopen func() *vault.Vault)) {
	run := func(name string, open func(folder string) (*vault.Vault, error)) {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "vault")
			reopen := func() *vault.Vault {
				v, err := open(folder)
				require.NoError(t, err)
				t.Cleanup(func() { v.Close() })
				return v
			}
			test(t, reopen(), folder, reopen)
		})
	}
	run("folder", vault.Open)
	cloud := s3mem.New()
	server := httptest.NewServer(gofakes3.New(cloud).Server())
	t.Cleanup(server.Close)
	require.NoError(t, cloud.CreateBucket("keys"))
	t.Setenv("AWS_ACCESS_KEY_ID", "alice")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	who, err := objects.ReadCredentials("")
	require.NoError(t, err)
	location, err := objects.ParseLocation("s3://keys/of/p1?region=here&path-style=true&endpoint=" + server.URL)
	require.NoError(t, err)
	run("bucket", func(folder string) (*vault.Vault, error) { return vault.OpenBucket(folder, location, who) })
}

func get(v *vault.Vault, name string, header ...string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	mux.Handle("GET /keys/{digest}", v)
	request := httptest.NewRequest(http.MethodGet, "/keys/"+name, nil)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, request)
	return recorder
}

func TestObjectsAreServedByDigestOnly(t *testing.T) {
	everywhere(t, func(t *testing.T, v *vault.Vault, _ string, _ func() *vault.Vault) {
		digest, err := v.Put([]byte("public key"))
		require.NoError(t, err)
		answer := get(v, hex.EncodeToString(digest[:]))
		require.Equal(t, http.StatusOK, answer.Code)
		require.Equal(t, "public key", answer.Body.String())
		require.Equal(t, "10", answer.Header().Get("Content-Length"))
		require.Equal(t, http.StatusBadRequest, get(v, "..%2fidentity").Code)
		require.Equal(t, http.StatusBadRequest, get(v, "xx"+hex.EncodeToString(digest[1:])).Code)
		digest[0] ^= 1
		require.Equal(t, http.StatusNotFound, get(v, hex.EncodeToString(digest[:])).Code)
	})
}

func TestPartsOfAFileAreServed(t *testing.T) {
	everywhere(t, func(t *testing.T, v *vault.Vault, _ string, _ func() *vault.Vault) {
		raw := bytes.Repeat([]byte("0123456789"), 10_000)
		digest, size, err := v.PutFrom(bytes.NewReader(raw))
		require.NoError(t, err)
		require.EqualValues(t, len(raw), size)
		answer := get(v, hex.EncodeToString(digest[:]), "Range", "bytes=99995-")
		require.Equal(t, http.StatusPartialContent, answer.Code)
		require.Equal(t, "56789", answer.Body.String())
		require.Equal(t, "bytes 99995-99999/100000", answer.Header().Get("Content-Range"))
	})
}

func TestAFinishedFileIsMovedIn(t *testing.T) {
	everywhere(t, func(t *testing.T, v *vault.Vault, folder string, reopen func() *vault.Vault) {
		path := filepath.Join(t.TempDir(), "compressedserverkey")
		require.NoError(t, os.WriteFile(path, []byte("rows"), 0o600))
		digest, size, err := v.Adopt(path)
		require.NoError(t, err)
		require.EqualValues(t, 4, size)
		require.Equal(t, vault.KeyDigest([]byte("rows")), digest)
		require.NoFileExists(t, path)
		require.Equal(t, "rows", get(v, hex.EncodeToString(digest[:])).Body.String())
		require.Equal(t, "rows", get(reopen(), hex.EncodeToString(digest[:])).Body.String(), "it is there after a restart")
		left, err := filepath.Glob(filepath.Join(folder, "*.part"))
		require.NoError(t, err)
		require.Empty(t, left)
		_, _, err = v.Adopt(path)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

func TestAFileOfAnotherFileSystemIsMovedInToo(t *testing.T) {
	other, err := os.MkdirTemp("/dev/shm", "vault")
	if err != nil {
		t.Skip("there is no file system in memory")
	}
	defer os.RemoveAll(other)
	everywhere(t, func(t *testing.T, v *vault.Vault, _ string, _ func() *vault.Vault) {
		path := filepath.Join(other, "compressedserverkey")
		require.NoError(t, os.WriteFile(path, []byte("rows"), 0o600))
		digest, size, err := v.Adopt(path)
		require.NoError(t, err)
		require.EqualValues(t, 4, size)
		require.NoFileExists(t, path)
		require.Equal(t, "rows", get(v, hex.EncodeToString(digest[:])).Body.String())
	})
}

func TestARemovedFileIsGone(t *testing.T) {
	everywhere(t, func(t *testing.T, v *vault.Vault, _ string, _ func() *vault.Vault) {
		digest, err := v.Put([]byte("of an attempt that failed"))
		require.NoError(t, err)
		require.NoError(t, v.Remove(digest))
		require.NoError(t, v.Remove(digest))
		_, _, err = v.Open(digest)
		require.ErrorIs(t, err, vault.ErrNotFound)
	})
}

func TestAnInterruptedWriteLeavesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, v *vault.Vault, folder string, reopen func() *vault.Vault) {
		broken := errors.New("the disk of the sender is gone")
		_, _, err := v.PutFrom(io.MultiReader(bytes.NewReader([]byte("half")), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken)
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Empty(t, entries)
		require.NoError(t, os.WriteFile(filepath.Join(folder, "KILLED.part"), []byte("half"), 0o600))
		reopen()
		require.NoFileExists(t, filepath.Join(folder, "KILLED.part"))
	})
}

func TestABucketThatDoesNotAnswerIsNotAMissingFile(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "alice")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	who, err := objects.ReadCredentials("")
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }))
	defer server.Close()
	location, err := objects.ParseLocation("s3://keys?region=here&path-style=true&endpoint=" + server.URL)
	require.NoError(t, err)
	v, err := vault.OpenBucket(t.TempDir(), location, who)
	require.NoError(t, err)
	defer v.Close()
	_, err = v.Put([]byte("x"))
	require.ErrorIs(t, err, objects.ErrBucket)
	digest := vault.KeyDigest([]byte("x"))
	require.Equal(t, http.StatusServiceUnavailable, get(v, hex.EncodeToString(digest[:])).Code)
}
