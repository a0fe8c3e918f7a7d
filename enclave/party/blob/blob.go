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
	"sync"
	"time"

	"golang.org/x/crypto/sha3"
)

const (
	// patience is how long one store is waited for before the next is asked too. A store
	// nearby answers in a few milliseconds.
	patience = 250 * time.Millisecond
	// memory is how long a store that was overtaken is asked after the others.
	memory = time.Minute
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

// Fetcher gets blobs over HTTP. It is safe for concurrent use.
type Fetcher struct {
	// Client carries the requests; its timeout bounds one answer.
	Client *http.Client

	mu   sync.Mutex
	slow map[string]time.Time // when an endpoint was overtaken
}

// Fetch asks the endpoints for <endpoint>/<digest in hex> and returns the first answer
// of at most limit bytes whose digest is right. They are asked in order: the next when
// one fails, lies or takes its time, so that a store which withholds costs little, and
// that only once in a while. What is read at a time is at most limit bytes an endpoint.
// If none has the bytes, the error is ErrDigest when some store answered with
// others, else what the last one in order failed with.
func (f *Fetcher) Fetch(ctx context.Context, endpoints []string, digest [32]byte, limit int64) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	endpoints = f.order(endpoints)
	type answer struct {
		place int
		data  []byte
		err   error
	}
	answers := make(chan answer, len(endpoints))
	failures := make([]error, len(endpoints))
	asked, open := 0, 0
	for asked < len(endpoints) || open > 0 {
		if asked < len(endpoints) {
			place, url := asked, strings.TrimRight(endpoints[asked], "/")+"/"+hex.EncodeToString(digest[:])
			asked, open = asked+1, open+1
			go func() {
				data, err := f.get(ctx, url, digest, limit)
				answers <- answer{place, data, err}
			}()
		}
		var late <-chan time.Time
		if asked < len(endpoints) {
			late = time.After(patience)
		}
		select {
		case a := <-answers:
			if open--; a.err == nil {
				for place, endpoint := range endpoints[:a.place] {
					if failures[place] == nil {
						f.overtaken(endpoint)
					}
				}
				return a.data, nil
			}
			failures[a.place] = a.err
		case <-late:
		}
	}
	return nil, worst(failures, digest)
}

// order returns the endpoints with those last that were overtaken not long ago.
func (f *Fetcher) order(endpoints []string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var first, last []string
	for _, endpoint := range endpoints {
		if at, slow := f.slow[endpoint]; slow && time.Since(at) < memory {
			last = append(last, endpoint)
			continue
		}
		delete(f.slow, endpoint)
		first = append(first, endpoint)
	}
	return append(first, last...)
}

func (f *Fetcher) overtaken(endpoint string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.slow == nil {
		f.slow = map[string]time.Time{}
	}
	f.slow[endpoint] = time.Now()
}

// worst is what the failures of all endpoints come to.
func worst(failures []error, digest [32]byte) error {
	failure := fmt.Errorf("%w: no endpoint is registered", ErrUnavailable)
	for _, err := range failures {
		if errors.Is(err, ErrDigest) {
			return fmt.Errorf("%w: %x", ErrDigest, digest)
		}
		failure = err
	}
	return failure
}

// get returns the bytes of one answer, or ErrDigest if they are others.
func (f *Fetcher) get(ctx context.Context, url string, digest [32]byte, limit int64) ([]byte, error) {
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
	if Digest(data) != digest {
		return nil, ErrDigest
	}
	return data, nil
}
