// Package keys serves what the parties published of the key under which a host chain
// encrypts: what TKMS names, fetched from the parties' vaults.
//
// It guarantees that bytes it fetches have the digest and length that a quorum of
// the parties put on chain, as far as the TKMS node tells the truth; clients check
// the digest against a node of their own. It asks vaults for nothing but files that
// the chain names, so that nobody can make it fetch at will. Files beside the public key
// are kept on the disk until the host chain has another key.
package keys

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/x/kms/material"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

var (
	// ErrNoKey reports a host chain without an active key.
	ErrNoKey = errors.New("the host chain has no active key")
	// ErrUnknown reports a digest that is not of the current key.
	ErrUnknown = errors.New("no such key")
	// ErrUnavailable reports that no vault has the bytes.
	ErrUnavailable = material.ErrUnavailable
	// ErrFetching reports a file that is on its way from a vault.
	ErrFetching = errors.New("the file is on its way from a vault: ask again soon")
)

// Records is TKMS as this package needs it.
type Records interface {
	Records(ctx context.Context, hostChainID uint64) (tkms.Records, error)
}

// Current names the key under which the host chain encrypts now.
type Current struct {
	KeyID  string // hex
	Params string
	// Digest is SHAKE-256("PDAT_KEY" || CompactPublicKey), 64 hexadecimal digits.
	Digest string
	Size   uint64
	// Files are those beside the public key.
	Files []material.File
}

// Keys serves one host chain's key. It is safe for concurrent use.
type Keys struct {
	hostChainID uint64
	records     Records
	http        *http.Client
	folder      string
	// alive ends when the relayer stops.
	alive context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup

	reading sync.Mutex // one download of a public key at a time
	digest  material.Digest
	cached  []byte

	mu      sync.Mutex
	fetches map[material.Digest]*fetch
}

// fetch is a file on its way.
type fetch struct {
	done chan struct{}
	// err is set when it is done.
	err error
}

// New returns the keys of a host chain, downloaded with client; files are kept in the
// folder. client should have no timeout: vaults that stall are left. Close ends it.
func New(hostChainID uint64, records Records, client *http.Client, folder string) *Keys {
	k := &Keys{hostChainID: hostChainID, records: records, http: client, folder: folder, fetches: map[material.Digest]*fetch{}}
	k.alive, k.stop = context.WithCancel(context.Background())
	return k
}

// Close ends downloads; what came of them is used after a restart.
func (k *Keys) Close() {
	k.stop()
	k.work.Wait()
}

// Current returns the current key's name, or ErrNoKey.
func (k *Keys) Current(ctx context.Context) (Current, error) {
	key, files, err := k.key(ctx)
	if err != nil {
		return Current{}, err
	}
	return Current{
		KeyID: hex.EncodeToString(key.Id), Params: key.Params,
		Digest: files[0].Digest.String(), Size: uint64(files[0].Size), Files: files[1:],
	}, nil
}

// key returns the current key and its files.
func (k *Keys) key(ctx context.Context) (*kmstypes.Key, []material.File, error) {
	records, err := k.records.Records(ctx, k.hostChainID)
	if err != nil {
		return nil, nil, err
	}
	key := records.Key
	if key.Status != kmstypes.KEY_STATUS_ACTIVE {
		return nil, nil, fmt.Errorf("%w: it is %s", ErrNoKey, key.Status)
	}
	files, err := material.Files(key)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNoKey, err)
	}
	return key, files, nil
}

// Bytes returns the serialized CompactPublicKey of a digest, 64 hexadecimal
// digits. Errors: ErrUnknown, ErrUnavailable, ErrNoKey.
func (k *Keys) Bytes(ctx context.Context, digest string) ([]byte, error) {
	_, data, err := k.public(ctx, digest)
	return data, err
}

// ClientBytes returns the same key with the version tags of TFHE-rs 1.4, the release
// that the published client library has: it does not read those of later ones. These
// are not the bytes that the digest is of. Errors: those of Bytes, and of a key that
// is none.
func (k *Keys) ClientBytes(ctx context.Context, digest string) ([]byte, error) {
	params, data, err := k.public(ctx, digest)
	if err != nil {
		return nil, err
	}
	parameters, err := tfhe.ByName(params)
	if err != nil {
		return nil, err
	}
	public, err := tfhe.UnmarshalCompactPublicKey(data, parameters)
	if err != nil {
		return nil, err
	}
	return public.MarshalRelease(tfhe.Release1_4)
}

// public returns the current public key and the name of its parameter set.
func (k *Keys) public(ctx context.Context, digest string) (params string, data []byte, err error) {
	key, files, err := k.key(ctx)
	if err != nil {
		return "", nil, err
	}
	if digest != files[0].Digest.String() {
		return "", nil, ErrUnknown
	}
	k.reading.Lock()
	defer k.reading.Unlock()
	if k.cached == nil || k.digest != files[0].Digest {
		data, err := files[0].Read(ctx, k.http)
		if err != nil {
			return "", nil, err
		}
		k.digest, k.cached = files[0].Digest, data
	}
	return key.Params, k.cached, nil
}

// File opens one of the current key's files beside the public key. One that is not here
// is fetched, once for all who ask, whether they wait or not. Errors: ErrUnknown,
// ErrUnavailable, ErrNoKey, and ErrFetching if the context ends before it is here.
func (k *Keys) File(ctx context.Context, digest string) (*os.File, error) {
	_, files, err := k.key(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(files[1:], func(f material.File) bool { return f.Digest.String() == digest })
	if i < 0 {
		return nil, ErrUnknown
	}
	path := filepath.Join(k.folder, digest)
	if file, err := os.Open(path); err == nil {
		return file, nil
	}
	f := k.fetch(files[1+i], files)
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, ErrFetching
	}
	if f.err != nil {
		return nil, f.err
	}
	return os.Open(path)
}

// fetch starts to download a file, unless it is on its way already.
func (k *Keys) fetch(file material.File, current []material.File) *fetch {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.fetches[file.Digest]; f != nil {
		return f
	}
	f := &fetch{done: make(chan struct{})}
	k.fetches[file.Digest] = f
	k.work.Go(func() {
		f.err = k.download(file, current)
		k.mu.Lock()
		delete(k.fetches, file.Digest)
		k.mu.Unlock()
		close(f.done)
	})
	return f
}

func (k *Keys) download(file material.File, current []material.File) error {
	if err := os.MkdirAll(k.folder, 0o700); err != nil {
		return err
	}
	if err := k.dropOthers(current); err != nil {
		return err
	}
	return file.Save(k.alive, k.http, filepath.Join(k.folder, file.Digest.String()), nil)
}

// dropOthers removes the files of earlier keys.
func (k *Keys) dropOthers(current []material.File) error {
	entries, err := os.ReadDir(k.folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		known := func(f material.File) bool { return strings.HasPrefix(e.Name(), f.Digest.String()) }
		if slices.ContainsFunc(current, known) {
			continue
		}
		if err := os.Remove(filepath.Join(k.folder, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
