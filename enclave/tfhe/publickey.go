package tfhe

import "fmt"

// CompactPublicKey is a TFHE-rs compact public key: the pair of polynomials
// (a, b) with b = a * rev(s) + e modulo 2^64 and X^n + 1, where s is the
// public-key encryption key, rev(s)_i = s_(n-1-i), and e is TUniform(PKENoise).
type CompactPublicKey struct {
	parameters Parameters
	// Mask is a and Body is b, PKEDimension words each.
	Mask, Body Words
	// Tag is the key set's tag, normally empty.
	Tag []byte
}

// NewCompactPublicKey returns the public key (mask, body) without a tag.
// Polynomials of another length than p.PKEDimension are [ErrParameters].
func NewCompactPublicKey(p Parameters, mask, body []uint64) (*CompactPublicKey, error) {
	if len(mask) != p.PKEDimension || len(body) != p.PKEDimension {
		return nil, fmt.Errorf("public key of %d and %d words, want %d: %w", len(mask), len(body), p.PKEDimension, ErrParameters)
	}
	return &CompactPublicKey{parameters: p, Mask: NewWords(mask), Body: NewWords(body)}, nil
}

// UnmarshalCompactPublicKey reads a safe_serialize CompactPublicKey made with
// the parameters p. The key is a view of data, which must not be changed.
func UnmarshalCompactPublicKey(data []byte, p Parameters) (*CompactPublicKey, error) {
	k := &CompactPublicKey{parameters: p}
	if err := unmarshal(data, k); err != nil {
		return nil, fmt.Errorf("compact public key: %w", err)
	}
	return k, nil
}

// MarshalBinary writes the key as TFHE-rs' safe_serialize does.
func (k *CompactPublicKey) MarshalBinary() ([]byte, error) {
	return k.MarshalRelease(Release1_7)
}

// MarshalRelease writes the key with the version tags of a release. It is the same
// key with another digest, for clients that do not read the tags of the newest one.
func (k *CompactPublicKey) MarshalRelease(r Release) ([]byte, error) {
	b, err := marshalRelease(k, 16*k.parameters.PKEDimension+512, r)
	if err != nil {
		return nil, fmt.Errorf("compact public key: %w", err)
	}
	return b, nil
}

// Parameters returns the parameter set of the key.
func (k *CompactPublicKey) Parameters() Parameters { return k.parameters }

func (k *CompactPublicKey) layout(c *coder) {
	n := k.parameters.PKEDimension
	c.header(namePublicKey)
	c.versions(verPublicKey, verIntegerPublicKey, verIntegerPublicInner, verShortintPublicKey,
		verLwePublicKey, verGlweCiphertext)
	var both Words
	if c.writing {
		both = append(append(make(Words, 0, 16*n), k.Mask...), k.Body...)
	}
	c.words("public key", &both, 2*n)
	if !c.writing && c.err == nil {
		k.Mask, k.Body = both.Slice(0, n), both.Slice(n, 2*n)
	}
	c.parameter("public key polynomial size", uint64(n))
	c.modulus(64)
	c.pkeParameters(&k.parameters)
	c.tag(&k.Tag)
}

// CompressedCompactPublicKey is a compact public key whose mask is given by the
// seed of a public stream.
type CompressedCompactPublicKey struct {
	parameters Parameters
	// Body is b, PKEDimension words.
	Body Words
	// Seed is where the mask is expanded from.
	Seed Seed
	// Tag is the key set's tag, normally empty.
	Tag []byte
}

// NewCompressedCompactPublicKey returns the public key with that body and the
// mask at seed. A body of another length than p.PKEDimension is [ErrParameters].
func NewCompressedCompactPublicKey(p Parameters, seed Seed, body []uint64) (*CompressedCompactPublicKey, error) {
	if len(body) != p.PKEDimension {
		return nil, fmt.Errorf("public key body of %d words, want %d: %w", len(body), p.PKEDimension, ErrParameters)
	}
	return &CompressedCompactPublicKey{parameters: p, Seed: seed, Body: NewWords(body)}, nil
}

// UnmarshalCompressedCompactPublicKey reads a safe_serialize
// CompressedCompactPublicKey made with the parameters p. The key is a view of
// data, which must not be changed.
func UnmarshalCompressedCompactPublicKey(data []byte, p Parameters) (*CompressedCompactPublicKey, error) {
	k := &CompressedCompactPublicKey{parameters: p}
	if err := unmarshal(data, k); err != nil {
		return nil, fmt.Errorf("compressed compact public key: %w", err)
	}
	return k, nil
}

// MarshalBinary writes the key as TFHE-rs' safe_serialize does.
func (k *CompressedCompactPublicKey) MarshalBinary() ([]byte, error) {
	b, err := marshal(k, 8*k.parameters.PKEDimension+512)
	if err != nil {
		return nil, fmt.Errorf("compressed compact public key: %w", err)
	}
	return b, nil
}

// Parameters returns the parameter set of the key.
func (k *CompressedCompactPublicKey) Parameters() Parameters { return k.parameters }

// Decompress expands the mask.
func (k *CompressedCompactPublicKey) Decompress() *CompactPublicKey {
	return &CompactPublicKey{
		parameters: k.parameters,
		Mask:       NewWords(ExpandMask(k.Seed, k.parameters.PKEDimension)),
		Body:       k.Body,
		Tag:        k.Tag,
	}
}

func (k *CompressedCompactPublicKey) layout(c *coder) {
	c.header(nameCompressedPublicKey)
	c.versions(verCompressedKey, verIntegerCompressed, verIntegerSeededInner, verShortintCompressed,
		verSeededLwePublicKey, verSeededGlwe)
	c.words("public key body", &k.Body, k.parameters.PKEDimension)
	c.parameter("GLWE size", 2)
	k.Seed.layout(c)
	c.modulus(64)
	c.pkeParameters(&k.parameters)
	c.tag(&k.Tag)
}
