package store_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/store"
	"github.com/tkms-network/tkms/enclave/objects"
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
	who, err := objects.ReadCredentials("")
	require.NoError(t, err)
	location, err := objects.ParseLocation("s3://" + bucketName + "/of/tkms?region=here&path-style=true&endpoint=" + c.url)
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
	require.ErrorIs(t, err, objects.ErrBucket)
	require.NotErrorIs(t, err, store.ErrNotFound)
	_, _, err = s.Put(strings.NewReader("other"), nil)
	require.ErrorIs(t, err, objects.ErrBucket)
	require.EqualValues(t, 5, s.Used(), "what was not stored takes no room")
	require.Less(t, c.calls.Load(), int32(30), "it is not tried for ever")
	require.Empty(t, partial(t, folder))
}

func TestABucketThatIsNotThereIsNoEmptyOne(t *testing.T) {
	c := newCloud(t)
	require.NoError(t, c.objects.DeleteBucket(bucketName))
	_, err := c.open(t, t.TempDir(), store.Limits{Object: 10, Total: 100})
	require.ErrorIs(t, err, objects.ErrBucket)
}

func TestOtherObjectsOfABucketAreNeitherSeenNorCounted(t *testing.T) {
	c := newCloud(t)
	_, err := c.objects.PutObject(bucketName, "of/others", map[string]string{}, strings.NewReader("xxxx"), 4, nil)
	require.NoError(t, err)
	s, err := c.open(t, t.TempDir(), store.Limits{Object: 10, Total: 100})
	require.NoError(t, err)
	require.Zero(t, s.Used())
}
