// Package blob fetches ciphertext bytes by digest from stores that are not
// trusted: whatever they answer is used only if its keccak256 is the digest
// that the host chain's state proves. A store can withhold bytes, never change
// them, and can make a party read no more than the given bound.
package blob

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/crypto/sha3"
)

// Errors of this package.
var (
	// ErrDigest reports bytes whose digest is not the asked one: the store lies
	// or is broken.
	ErrDigest = errors.New("blob: the bytes do not have the proven digest")
	// ErrUnavailable reports that no store answered with bytes.
	ErrUnavailable = errors.New("blob: no store has the bytes")
	// ErrTooLarge reports an answer over the bound.
	ErrTooLarge = errors.New("blob: the answer exceeds the size bound")
)

// Digest returns keccak256 of data.
func Digest(data []byte) [32]byte {
	var digest [32]byte
	hash := sha3.NewLegacyKeccak256()
	hash.Write(data)
	hash.Sum(digest[:0])
	return digest
}

// Fetcher gets blobs over HTTP.
type Fetcher struct {
	// Client carries the requests; its timeout bounds one answer.
	Client *http.Client
}

// Fetch asks the endpoints in order for <endpoint>/<digest in hex> and returns
// the first answer of at most limit bytes whose digest is right. If none is, the
// error is ErrDigest when some store answered with other bytes, else what the
// last one failed with.
func (f *Fetcher) Fetch(ctx context.Context, endpoints []string, digest [32]byte, limit int64) ([]byte, error) {
	failure := fmt.Errorf("%w: no endpoint is registered", ErrUnavailable)
	lied := false
	for _, endpoint := range endpoints {
		data, err := f.get(ctx, strings.TrimRight(endpoint, "/")+"/"+hex.EncodeToString(digest[:]), limit)
		if err != nil {
			failure = err
			continue
		}
		if Digest(data) == digest {
			return data, nil
		}
		lied = true
	}
	if lied {
		return nil, fmt.Errorf("%w: %x", ErrDigest, digest)
	}
	return nil, failure
}

func (f *Fetcher) get(ctx context.Context, url string, limit int64) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	response, err := f.Client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s", ErrUnavailable, response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return data, nil
}
