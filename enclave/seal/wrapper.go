package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
)

// keySize is the size of data and wrapping keys, AES-256.
const keySize = 32

// maxWrapped bounds a wrapped data key.
const maxWrapped = 4096

// Wrapper encrypts data keys under a key that only this enclave may use. Calls
// may go to a remote service.
type Wrapper interface {
	// Name identifies the kind of wrapper, 1 to 64 bytes, and is stored with
	// every object.
	Name() string
	// Wrap encrypts a 32-byte data key; context is authenticated with it. The
	// result is at most 4096 bytes.
	Wrap(dataKey Secret, context []byte) ([]byte, error)
	// Unwrap undoes Wrap with the same context, else fails with ErrBinding.
	Unwrap(wrapped, context []byte) (Secret, error)
}

// SimulatedDeviceName is the name of the wrapper for development.
const SimulatedDeviceName = "simulated-device"

// simulatedDevice wraps under a key derived from a secret in a file, where an
// enclave would have hardware.
type simulatedDevice struct{ aead cipher.AEAD }

// NewSimulatedDevice returns the wrapper of a simulated device whose secret, at
// least 32 bytes, is in the hands of whoever reads its file. For development.
func NewSimulatedDevice(secret Secret) (Wrapper, error) {
	if len(secret) < keySize {
		return nil, fmt.Errorf("%w: the device secret has %d bytes, at least %d", ErrInvalid, len(secret), keySize)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "tkms/v1/seal/simulated-device", keySize)
	if err != nil {
		return nil, fmt.Errorf("seal: deriving the wrapping key: %w", err)
	}
	defer clear(key)
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return simulatedDevice{aead}, nil
}

// LoadOrCreateDeviceSecret reads the 32-byte secret of a simulated device,
// making the file, readable by its owner only, on first use.
func LoadOrCreateDeviceSecret(path string) (Secret, error) {
	secret, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		secret = make([]byte, keySize)
		if _, err := rand.Read(secret); err != nil {
			return nil, fmt.Errorf("seal: reading randomness: %w", err)
		}
		if err := writeFile(path, secret); err != nil {
			return nil, err
		}
		return secret, nil
	}
	if err != nil {
		return nil, fmt.Errorf("seal: reading the device secret: %w", err)
	}
	if len(secret) != keySize {
		return nil, fmt.Errorf("%w: device secret %s has %d bytes, not %d", ErrDamaged, path, len(secret), keySize)
	}
	return secret, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	// The nonce is random and part of the output. A data key encrypts once; a
	// wrapping key far fewer than the 2^32 messages that random nonces allow.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return aead, nil
}

// Name implements Wrapper.
func (simulatedDevice) Name() string { return SimulatedDeviceName }

// Wrap implements Wrapper.
func (s simulatedDevice) Wrap(dataKey Secret, context []byte) ([]byte, error) {
	return s.aead.Seal(nil, nil, dataKey, context), nil
}

// Unwrap implements Wrapper.
func (s simulatedDevice) Unwrap(wrapped, context []byte) (Secret, error) {
	key, err := s.aead.Open(nil, nil, wrapped, context)
	if err != nil {
		return nil, ErrBinding
	}
	return key, nil
}
