package blob_test

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/party/blob"
)

func store(t *testing.T, answer []byte) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if answer == nil {
			http.NotFound(w, nil)
			return
		}
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestDigestIsKeccak256(t *testing.T) {
	digest := blob.Digest(nil)
	require.Equal(t, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470", hex.EncodeToString(digest[:]))
}

func TestOnlyBytesWithTheProvenDigestAreUsed(t *testing.T) {
	right, wrong := []byte("ciphertext"), []byte("ciphertexT")
	digest := blob.Digest(right)
	for name, c := range map[string]struct {
		stores []string
		limit  int64
		err    error
	}{
		"an honest store":                        {[]string{store(t, right)}, 100, nil},
		"a lying store before an honest one":     {[]string{store(t, wrong), store(t, right)}, 100, nil},
		"an empty store before an honest one":    {[]string{store(t, nil), store(t, right)}, 100, nil},
		"only lying stores":                      {[]string{store(t, wrong), store(t, nil)}, 100, blob.ErrDigest},
		"only empty stores":                      {[]string{store(t, nil)}, 100, blob.ErrUnavailable},
		"no store":                               {nil, 100, blob.ErrUnavailable},
		"an answer of exactly the bound":         {[]string{store(t, right)}, int64(len(right)), nil},
		"an answer of one byte over the bound":   {[]string{store(t, right)}, int64(len(right)) - 1, blob.ErrTooLarge},
		"a store whose address cannot be parsed": {[]string{"http://[::"}, 100, blob.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			fetcher := blob.Fetcher{Client: http.DefaultClient}
			data, err := fetcher.Fetch(t.Context(), c.stores, digest, c.limit)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				require.Nil(t, data)
				return
			}
			require.NoError(t, err)
			require.Equal(t, right, data)
		})
	}
}

// withholding never answers, and counts who asks.
func withholding(t *testing.T, asked *atomic.Int32) string {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		select {
		case <-r.Context().Done():
		case <-stop:
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(stop) })
	return server.URL
}

func TestAStoreThatWithholdsIsNotWaitedFor(t *testing.T) {
	right := []byte("ciphertext")
	var asked atomic.Int32
	silent, lying, honest := withholding(t, &asked), store(t, []byte("ciphertexT")), store(t, right)
	fetcher := blob.Fetcher{Client: http.DefaultClient}
	for range 5 {
		data, err := fetcher.Fetch(t.Context(), []string{silent, lying, honest}, blob.Digest(right), 100)
		require.NoError(t, err)
		require.Equal(t, right, data)
	}
	require.Less(t, asked.Load(), int32(5), "once it was overtaken it comes last")
}

func TestABlobThatIsNowhereEndsWithTheCallersPatience(t *testing.T) {
	var asked atomic.Int32
	fetcher := blob.Fetcher{Client: http.DefaultClient}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for asked.Load() < 2 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := fetcher.Fetch(ctx, []string{withholding(t, &asked), withholding(t, &asked)}, [32]byte{1}, 100)
	require.ErrorIs(t, err, blob.ErrUnavailable)
}
