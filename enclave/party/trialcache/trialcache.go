// Package trialcache keeps the ciphertexts that test a key, so that they are computed with
// its published files once: for a whole key set that takes seconds, and each resharing
// decrypts them again.
//
// They are public and the same at all parties, and kept under seal because of that: a
// party that decrypts others than the rest sends wrong shares, so whoever has the disk
// must not be able to change them. What does not open, or is of another version or
// parameter set, is computed anew; whether the values in it are right is what the test
// decryptions show.
package trialcache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/big"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/seal"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/evaluate"
)

// version is raised when package evaluate computes other trials: all parties have to
// decrypt the same.
const version = 1

const (
	kind = "key-trials"
	// maxTrials bounds how many a key has.
	maxTrials = 64
	// maxValue is the size of the largest value, in bytes.
	maxValue = 256
)

// errEncoding reports bytes that are no trials of the key.
var errEncoding = errors.New("trialcache: not the trials of this key")

// Cache keeps trials by key.
type Cache struct {
	// Store seals them.
	Store *seal.Store
	Log   *slog.Logger
}

func object(key mpc.Digest) seal.Object {
	return seal.Object{Kind: kind, Key: hex.EncodeToString(key[:])}
}

// Trials returns the trials of a key with that parameter set, from the cache or as
// compute makes them; its error is the only one. That they cannot be kept is logged.
func (c *Cache) Trials(key mpc.Digest, p tfhe.Parameters, compute func() ([]evaluate.Trial, error)) ([]evaluate.Trial, error) {
	trials, err := c.load(key, p)
	if err == nil {
		return trials, nil
	}
	if !errors.Is(err, seal.ErrNotFound) {
		c.Log.Warn("the kept test ciphertexts of a key cannot be used: computing them", "key", hex.EncodeToString(key[:]), "err", err)
	}
	if trials, err = compute(); err != nil {
		return nil, err
	}
	encoded, err := encode(key, p, trials)
	if err == nil {
		err = c.Store.Put(object(key), encoded)
	}
	if err != nil {
		c.Log.Warn("the test ciphertexts of a key are not kept", "key", hex.EncodeToString(key[:]), "err", err)
	}
	return trials, nil
}

func (c *Cache) load(key mpc.Digest, p tfhe.Parameters) ([]evaluate.Trial, error) {
	raw, err := c.Store.Get(object(key))
	if err != nil {
		return nil, err
	}
	return decode(key, p, raw)
}

// Encoded returns the trials of a key as they are kept, the same bytes at all parties, or
// seal.ErrNotFound.
func (c *Cache) Encoded(key mpc.Digest) ([]byte, error) { return c.Store.Get(object(key)) }

// Take keeps encoded trials that somebody else computed. The caller knows that they are
// right; what does not decode is refused.
func (c *Cache) Take(key mpc.Digest, p tfhe.Parameters, encoded []byte) error {
	if _, err := decode(key, p, encoded); err != nil {
		return err
	}
	return c.Store.Put(object(key), encoded)
}

// Forget removes the trials of a key that is retired.
func (c *Cache) Forget(key mpc.Digest) error { return c.Store.Delete(object(key)) }

// owner binds an encoding to version, key and parameter set.
func owner(key mpc.Digest, p tfhe.Parameters) [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "tkms/v1/trials/%d/%s/", version, p.Name)
	h.Write(key[:])
	return [sha256.Size]byte(h.Sum(nil))
}

// encode writes, integers big-endian, lengths of texts and values in 1 or 2 bytes:
//
//	owner (32) ‖ count (1) ‖ count × (form ‖ shows ‖ type (1) ‖ value ‖ size (4) ‖ ciphertext)
func encode(key mpc.Digest, p tfhe.Parameters, trials []evaluate.Trial) ([]byte, error) {
	if len(trials) < 1 || len(trials) > maxTrials {
		return nil, fmt.Errorf("%w: %d trials", errEncoding, len(trials))
	}
	var b cryptobyte.Builder
	text := func(s string) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
	}
	bound := owner(key, p)
	b.AddBytes(bound[:])
	b.AddUint8(uint8(len(trials)))
	for _, t := range trials {
		text(t.Form)
		text(t.Shows)
		b.AddUint8(uint8(t.Type))
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(t.Value.Bytes()) })
		b.AddUint32(uint32(len(t.Ciphertext)))
		b.AddBytes(t.Ciphertext)
	}
	out, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errEncoding, err)
	}
	return out, nil
}

// decode is the inverse of encode and decodes each ciphertext. Its slices share raw's
// memory.
func decode(key mpc.Digest, p tfhe.Parameters, raw []byte) ([]evaluate.Trial, error) {
	s := cryptobyte.String(raw)
	var bound [sha256.Size]byte
	var count uint8
	if !s.CopyBytes(bound[:]) || bound != owner(key, p) || !s.ReadUint8(&count) || count < 1 || count > maxTrials {
		return nil, fmt.Errorf("%w: header", errEncoding)
	}
	trials := make([]evaluate.Trial, count)
	for i := range trials {
		var err error
		if trials[i], err = decodeTrial(&s, p); err != nil {
			return nil, fmt.Errorf("trial %d: %w", i, err)
		}
	}
	if !s.Empty() {
		return nil, fmt.Errorf("%w: trailing bytes", errEncoding)
	}
	return trials, nil
}

func decodeTrial(s *cryptobyte.String, p tfhe.Parameters) (t evaluate.Trial, err error) {
	var form, shows, value cryptobyte.String
	var number uint8
	var size uint32
	if !s.ReadUint8LengthPrefixed(&form) || !s.ReadUint8LengthPrefixed(&shows) || !s.ReadUint8(&number) ||
		!s.ReadUint16LengthPrefixed(&value) || len(value) > maxValue || len(value) > 0 && value[0] == 0 ||
		!s.ReadUint32(&size) || uint64(size) > uint64(len(*s)) || !s.ReadBytes(&t.Ciphertext, int(size)) {
		return t, errEncoding
	}
	t.Form, t.Shows, t.Type, t.Value = string(form), string(shows), tfhe.Type(number), new(big.Int).SetBytes(value)
	if _, err := tfhe.Decode(t.Ciphertext, t.Type, p); err != nil {
		return t, fmt.Errorf("%w: %w", errEncoding, err)
	}
	return t, nil
}
