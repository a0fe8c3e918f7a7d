// Package clientkey makes and uses whole TFHE-rs client keys, for tests and for
// the debugging command that deals a known key among in-process parties.
//
// A whole key in one place is what TKMS exists to avoid: production code must
// not import this package, and a lint rule sees to that. Nothing here is written
// to be constant time.
package clientkey

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// ErrNoKey reports that the client key lacks the part that is needed.
var ErrNoKey = errors.New("clientkey: the client key does not have this part")

// Generate makes a client key with every part that the parameter set has.
func Generate(coins io.Reader, p tfhe.Parameters) (*tfhe.ClientKey, error) {
	k := tfhe.NewClientKey(p)
	for _, s := range p.Secrets() {
		if err := drawBits(coins, k.Secret(s), p.Dimension(s)); err != nil {
			return nil, err
		}
	}
	k.ReRandomization = p.Components.Has(tfhe.ComponentReRandomization)
	return k, nil
}

func drawBits(coins io.Reader, out *[]uint64, n int) error {
	raw := make([]byte, n)
	if _, err := io.ReadFull(coins, raw); err != nil {
		return fmt.Errorf("draw key bits: %w", err)
	}
	*out = make([]uint64, n)
	for i, b := range raw {
		(*out)[i] = uint64(b & 1)
	}
	return nil
}

// PublicKey makes a compact public key of k with a fresh mask.
func PublicKey(coins io.Reader, k *tfhe.ClientKey) (*tfhe.CompactPublicKey, error) {
	mask, err := drawWords(coins, k.Parameters().PKEDimension)
	if err != nil {
		return nil, err
	}
	body, err := publicBody(coins, k, mask)
	if err != nil {
		return nil, err
	}
	return tfhe.NewCompactPublicKey(k.Parameters(), mask, body)
}

// CompressedPublicKey makes a compact public key of k with the mask at seed.
func CompressedPublicKey(coins io.Reader, k *tfhe.ClientKey, seed tfhe.Seed) (*tfhe.CompressedCompactPublicKey, error) {
	mask := tfhe.ExpandMask(seed, k.Parameters().PKEDimension)
	body, err := publicBody(coins, k, mask)
	if err != nil {
		return nil, err
	}
	return tfhe.NewCompressedCompactPublicKey(k.Parameters(), seed, body)
}

func publicBody(coins io.Reader, k *tfhe.ClientKey, mask []uint64) ([]uint64, error) {
	if k.PKE == nil {
		return nil, fmt.Errorf("public-key encryption key: %w", ErrNoKey)
	}
	p := k.Parameters()
	noise, err := tfhe.SampleNoise(coins, p.PKENoise, p.PKEDimension)
	if err != nil {
		return nil, err
	}
	body := tfhe.NegacyclicBinaryProduct(mask, reversed(k.PKE))
	for i, e := range noise {
		body[i] += e
	}
	return body, nil
}

// PublicKeyNoise returns body - mask * rev(s) of a public key of k: its noise, as
// signed integers.
func PublicKeyNoise(k *tfhe.ClientKey, pk *tfhe.CompactPublicKey) ([]int64, error) {
	if k.PKE == nil {
		return nil, fmt.Errorf("public-key encryption key: %w", ErrNoKey)
	}
	product := tfhe.NegacyclicBinaryProduct(pk.Mask.Uint64s(), reversed(k.PKE))
	noise := make([]int64, len(product))
	for i, v := range product {
		noise[i] = int64(pk.Body.At(i) - v)
	}
	return noise, nil
}

func reversed(bits []uint64) []uint64 {
	out := make([]uint64, len(bits))
	for i, b := range bits {
		out[len(bits)-1-i] = b
	}
	return out
}

// Encrypt encrypts a value under the compute key, as a FheBool or FheUintN in
// safe_serialize form.
func Encrypt(coins io.Reader, k *tfhe.ClientKey, t tfhe.Type, value *big.Int) ([]byte, error) {
	p := k.Parameters()
	digits, err := Value{t, value}.digits(p, 1)
	if err != nil {
		return nil, err
	}
	blocks := make([]tfhe.Block, len(digits))
	for i, digit := range digits {
		if blocks[i], err = EncryptBlock(coins, k, digit); err != nil {
			return nil, err
		}
	}
	if t == tfhe.EBool {
		blocks[0].Degree = 1
		return tfhe.NewFheBool(p, blocks[0]).MarshalBinary()
	}
	return tfhe.NewFheUint(p, blocks).MarshalBinary()
}

// EncryptBlock encrypts one digit under the compute key.
func EncryptBlock(coins io.Reader, k *tfhe.ClientKey, digit uint64) (tfhe.Block, error) {
	p := k.Parameters()
	words, err := drawWords(coins, p.ComputeDimension())
	if err != nil {
		return tfhe.Block{}, err
	}
	noise, err := tfhe.SampleNoise(coins, p.GLWENoise, 1)
	if err != nil {
		return tfhe.Block{}, err
	}
	body := digit*p.Delta() + noise[0]
	for i, a := range words {
		body += a * k.GLWE[i]
	}
	return tfhe.Block{
		Data:       tfhe.NewWords(append(words, body)),
		Degree:     p.MessageModulus - 1,
		NoiseLevel: 1,
	}, nil
}

// Decrypt decrypts a ciphertext.
func Decrypt(k *tfhe.ClientKey, c *tfhe.Ciphertext) (*big.Int, error) {
	plaintexts := make([]uint64, c.Len())
	for i := range plaintexts {
		v, _, err := DecryptLWE(k, c, i)
		if err != nil {
			return nil, err
		}
		plaintexts[i] = v
	}
	return c.Recompose(plaintexts)
}

// SecretBits returns the LWE key of that kind, not a copy.
func SecretBits(k *tfhe.ClientKey, kind tfhe.KeyKind) ([]uint64, error) {
	bits := *k.Secret(kind.Secret())
	if bits == nil {
		return nil, fmt.Errorf("%v key: %w", kind, ErrNoKey)
	}
	return bits, nil
}

func drawWords(coins io.Reader, n int) ([]uint64, error) {
	raw := make([]byte, 8*n)
	if _, err := io.ReadFull(coins, raw); err != nil {
		return nil, fmt.Errorf("draw words: %w", err)
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return out, nil
}
