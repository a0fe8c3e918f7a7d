package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/store"
)

// cloud is an object store in memory.
type cloud struct {
	objects *s3mem.Backend
	url     string
	// fail answers this many calls with an error.
	fail atomic.Int32
	// calls counts those with a method.
	calls atomic.Int32
}

const bucketName = "ciphertexts"

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{objects: s3mem.New()}
	require.NoError(t, c.objects.CreateBucket(bucketName))
	handler := gofakes3.New(c.objects).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.calls.Add(1)
		if c.fail.Load() > 0 {
			c.fail.Add(-1)
			http.Error(w, "try later", http.StatusServiceUnavailable)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *cloud) open(t *testing.T, folder string, limits store.Limits) (*store.Store, error) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "alice")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	who, err := store.ReadCredentials("")
	require.NoError(t, err)
	location, err := store.ParseLocation("s3://" + bucketName + "/of/tkms?region=here&path-style=true&endpoint=" + c.url)
	require.NoError(t, err)
	return store.OpenBucket(folder, location, who, limits)
}

func newBucket(t *testing.T) *place {
	c, folder := newCloud(t), t.TempDir()
	return &place{
		folder: folder,
		open:   func(limits store.Limits) (*store.Store, error) { return c.open(t, folder, limits) },
		damage: func(t *testing.T, name string, raw []byte) {
			_, err := c.objects.PutObject(bucketName, "of/tkms/"+name, map[string]string{}, bytes.NewReader(raw), int64(len(raw)), nil)
			require.NoError(t, err)
		},
	}
}

func TestAnObjectStoreThatFailsForAMomentIsTriedAgain(t *testing.T) {
	c := newCloud(t)
	s, err := c.open(t, t.TempDir(), store.Limits{Object: 10, Total: 100})
	require.NoError(t, err)
	c.fail.Store(2)
	digest, _, err := s.Put(strings.NewReader("bytes"), nil)
	require.NoError(t, err)
	c.fail.Store(2)
	require.Equal(t, []byte("bytes"), read(t, s, digest))
}

func TestAnObjectStoreThatFailsForGoodIsNoMissingObject(t *testing.T) {
	c := newCloud(t)
	folder := t.TempDir()
	s, err := c.open(t, folder, store.Limits{Object: 10, Total: 100})
	require.NoError(t, err)
	digest, _, err := s.Put(strings.NewReader("bytes"), nil)
	require.NoError(t, err)
	c.fail.Store(1000)
	_, _, err = s.Open(digest)
	require.ErrorIs(t, err, store.ErrBucket)
	require.NotErrorIs(t, err, store.ErrNotFound)
	_, _, err = s.Put(strings.NewReader("other"), nil)
	require.ErrorIs(t, err, store.ErrBucket)
	require.EqualValues(t, 5, s.Used(), "what was not stored takes no room")
	require.Less(t, c.calls.Load(), int32(30), "it is not tried for ever")
	require.Empty(t, partial(t, folder))
}

func TestABucketThatIsNotThereIsNoEmptyOne(t *testing.T) {
	c := newCloud(t)
	require.NoError(t, c.objects.DeleteBucket(bucketName))
	_, err := c.open(t, t.TempDir(), store.Limits{Object: 10, Total: 100})
	require.ErrorIs(t, err, store.ErrBucket)
}

func TestOtherObjectsOfABucketAreNeitherSeenNorCounted(t *testing.T) {
	c := newCloud(t)
	_, err := c.objects.PutObject(bucketName, "of/others", map[string]string{}, strings.NewReader("xxxx"), 4, nil)
	require.NoError(t, err)
	s, err := c.open(t, t.TempDir(), store.Limits{Object: 10, Total: 100})
	require.NoError(t, err)
	require.Zero(t, s.Used())
}

func TestALocationIsReadStrictly(t *testing.T) {
	full, err := store.ParseLocation("s3://bucket/some/prefix/?endpoint=https://s3.example:9000&region=eu-1&path-style=true")
	require.NoError(t, err)
	require.Equal(t, &store.Location{Bucket: "bucket", Prefix: "some/prefix", Endpoint: "s3.example:9000", Secure: true, Region: "eu-1", PathStyle: true}, full)
	least, err := store.ParseLocation("s3://bucket?endpoint=http://localhost")
	require.NoError(t, err)
	require.Equal(t, &store.Location{Bucket: "bucket", Endpoint: "localhost"}, least)
	for _, bad := range []string{
		"", "bucket", "http://bucket?endpoint=http://x", "s3://?endpoint=http://x", "s3://bucket", "s3://bucket?endpoint=x", "s3://bucket?endpoint=ftp://x",
		"s3://key:secret@bucket?endpoint=http://x", "s3://bucket?endpoint=http://key:secret@x", "s3://bucket?endpoint=http://x/path", "s3://bucket:1?endpoint=http://x",
		"s3://bucket?endpoint=http://x&endpoint=http://y", "s3://bucket?endpoint=http://x&secret=y", "s3://bucket?endpoint=http://x&path-style=yes", "s3://b%zz", "s3://bucket?endpoint=http://x#f",
	} {
		_, err := store.ParseLocation(bad)
		require.ErrorIs(t, err, store.ErrLocation, bad)
		require.NotContains(t, err.Error(), "key:secret")
	}
}

func FuzzParseLocation(f *testing.F) {
	f.Add("s3://bucket/prefix?endpoint=https://host&region=name&path-style=true")
	f.Add("s3://a:b@c")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := store.ParseLocation(text)
		if err == nil && (l.Bucket == "" || l.Endpoint == "" || strings.HasPrefix(l.Prefix, "/")) {
			t.Fatalf("%q was read as %+v", text, l)
		}
		if err != nil && !errors.Is(err, store.ErrLocation) {
			t.Fatal(err)
		}
	})
}

func TestCredentialsComeFromTheEnvironmentOrAPrivateFile(t *testing.T) {
	write := func(content string, mode os.FileMode) string {
		name := filepath.Join(t.TempDir(), "credentials.json")
		require.NoError(t, os.WriteFile(name, []byte(content), mode))
		return name
	}
	good := `{"accessKey": "alice", "secretKey": "wonderland"}`
	who, err := store.ReadCredentials(write(good, 0o600))
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, who), "wonderland")
	}
	for name, file := range map[string]string{
		"a file that others may read": write(good, 0o644),
		"no JSON":                     write("wonderland", 0o600),
		"half of them":                write(`{"secretKey": "wonderland"}`, 0o600),
		"no file":                     filepath.Join(t.TempDir(), "none"),
		"a large file":                write(good+strings.Repeat(" ", 20<<10), 0o600),
	} {
		_, err := store.ReadCredentials(file)
		require.ErrorIs(t, err, store.ErrCredentials, name)
		require.NotContains(t, err.Error(), "wonderland", name)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	_, err = store.ReadCredentials("")
	require.ErrorIs(t, err, store.ErrCredentials)
}
