// Package keys serves the public key under which a host chain encrypts: what TKMS
// names, fetched from the parties' vaults.
//
// It guarantees that bytes it returns have the digest and length that a quorum of
// the parties put on chain, as far as the TKMS node tells the truth; clients check
// the digest against a node of their own. It asks vaults for nothing but keys that
// the chain names, so that nobody can make it fetch at will.
package keys

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/tkms"
	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/enclave/tfhe"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// maxKeyBytes bounds a public key, whatever the chain says of its size.
const maxKeyBytes = 64 << 20

var (
	// ErrNoKey reports a host chain without an active key.
	ErrNoKey = errors.New("the host chain has no active key")
	// ErrUnknown reports a digest that is not the current key's.
	ErrUnknown = errors.New("no such key")
	// ErrUnavailable reports that no vault has the key's bytes.
	ErrUnavailable = errors.New("no vault serves the key")
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
}

// Keys serves one host chain's key. It is safe for concurrent use.
type Keys struct {
	hostChainID uint64
	records     Records
	http        *http.Client

	mu     sync.Mutex // one download at a time
	digest string     // of what is cached
	cached []byte
}

// New returns the keys of a host chain, downloaded with client.
func New(hostChainID uint64, records Records, client *http.Client) *Keys {
	return &Keys{hostChainID: hostChainID, records: records, http: client}
}

// Current returns the current key's name, or ErrNoKey.
func (k *Keys) Current(ctx context.Context) (Current, error) {
	key, err := k.key(ctx)
	if err != nil {
		return Current{}, err
	}
	return Current{
		KeyID: hex.EncodeToString(key.Id), Params: key.Params,
		Digest: hex.EncodeToString(key.Material.PublicKeyDigest), Size: key.Material.PublicKeySize,
	}, nil
}

func (k *Keys) key(ctx context.Context) (*kmstypes.Key, error) {
	records, err := k.records.Records(ctx, k.hostChainID)
	if err != nil {
		return nil, err
	}
	key := records.Key
	if key.Status != kmstypes.KEY_STATUS_ACTIVE || key.Material == nil {
		return nil, fmt.Errorf("%w: it is %s", ErrNoKey, key.Status)
	}
	return key, nil
}

// Bytes returns the serialized CompactPublicKey of a digest, 64 hexadecimal
// digits. Errors: ErrUnknown, ErrUnavailable, ErrNoKey.
func (k *Keys) Bytes(ctx context.Context, digest string) ([]byte, error) {
	key, err := k.key(ctx)
	if err != nil {
		return nil, err
	}
	if digest != hex.EncodeToString(key.Material.PublicKeyDigest) {
		return nil, ErrUnknown
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.digest == digest {
		return k.cached, nil
	}
	failure := ErrUnavailable
	for _, c := range key.Contributions {
		if !c.Material.Equal(key.Material) {
			continue
		}
		data, err := k.download(ctx, c.VaultUrl, key.Material)
		if err == nil {
			k.digest, k.cached = digest, data
			return data, nil
		}
		failure = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil, failure
}

// ClientBytes returns the same key with the version tags of TFHE-rs 1.4, the release
// that the published client library has: it does not read those of later ones. These
// are not the bytes that the digest is of. Errors: those of Bytes, and of a key that
// is none.
func (k *Keys) ClientBytes(ctx context.Context, digest string) ([]byte, error) {
	data, err := k.Bytes(ctx, digest)
	if err != nil {
		return nil, err
	}
	public, err := tfhe.UnmarshalCompactPublicKey(data, tfhe.Production())
	if err != nil {
		return nil, err
	}
	return public.MarshalRelease(tfhe.Release1_4)
}

func (k *Keys) download(ctx context.Context, vaultURL string, material *kmstypes.KeyMaterial) ([]byte, error) {
	if material.PublicKeySize > maxKeyBytes {
		return nil, fmt.Errorf("a key of %d bytes", material.PublicKeySize)
	}
	url := strings.TrimRight(vaultURL, "/") + "/" + hex.EncodeToString(material.PublicKeyDigest)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := k.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, int64(material.PublicKeySize)+1))
	if err != nil {
		return nil, err
	}
	digest := vault.KeyDigest(data)
	if uint64(len(data)) != material.PublicKeySize || string(digest[:]) != string(material.PublicKeyDigest) {
		return nil, fmt.Errorf("%s: other bytes than the chain names", url)
	}
	return data, nil
}
