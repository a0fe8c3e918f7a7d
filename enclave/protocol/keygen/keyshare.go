package keygen

import (
	"encoding/binary"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// KeyShare is one party's share of all secrets of a key set, for one epoch. Any t+1
// of them are the key; t are consistent with every key.
type KeyShare struct {
	parameters tfhe.Parameters
	n, d, self int
	id         mpc.Digest
	narrow     map[tfhe.Secret][]uint64
	wide       map[tfhe.Secret][]wide.Word
}

// NewKeyShare returns party self's share: for each secret of the set, in the map of its
// width, a vector of shares over R_64 or R_128, d words a coefficient. id distinguishes
// the key. It keeps the slices; ErrMaterial if they are not those of the set.
func NewKeyShare(p tfhe.Parameters, id mpc.Digest, code *sharing.Code, self int, narrow map[tfhe.Secret][]uint64, broad map[tfhe.Secret][]wide.Word) (*KeyShare, error) {
	if self < 1 || self > code.N() {
		return nil, fmt.Errorf("%w: party %d of %d", ErrMaterial, self, code.N())
	}
	for _, s := range p.Secrets() {
		words := len(narrow[s])
		if p.SecretWidth(s) > 64 {
			words = len(broad[s])
		}
		if words != p.Dimension(s)*code.Degree() {
			return nil, fmt.Errorf("%w: %v has %d words", ErrMaterial, s, words)
		}
	}
	if len(narrow)+len(broad) != len(p.Secrets()) {
		return nil, fmt.Errorf("%w: %d secrets", ErrMaterial, len(narrow)+len(broad))
	}
	return &KeyShare{parameters: p, n: code.N(), d: code.Degree(), self: self, id: id, narrow: narrow, wide: broad}, nil
}

// Parameters returns the key's parameter set.
func (k *KeyShare) Parameters() tfhe.Parameters { return k.parameters }

// ID returns the key's id.
func (k *KeyShare) ID() mpc.Digest { return k.id }

// Self returns the index of the party, N the number of parties.
func (k *KeyShare) Self() int { return k.self }

// N returns the number of parties.
func (k *KeyShare) N() int { return k.n }

// Part returns the share of one secret over R_64: d words a coefficient, nil if the
// set has no such secret. It is a copy if the secret is shared over R_128, else not.
func (k *KeyShare) Part(s tfhe.Secret) []uint64 {
	if v, ok := k.narrow[s]; ok {
		return v
	}
	v, ok := k.wide[s]
	if !ok {
		return nil
	}
	out := make([]uint64, len(v))
	for i, x := range v {
		out[i] = x.Lo
	}
	return out
}

// PartWide returns the share of one secret over R_128, d words a coefficient; nil
// unless it has one. It is not a copy.
func (k *KeyShare) PartWide(s tfhe.Secret) []wide.Word { return k.wide[s] }

// Zero erases the share.
func (k *KeyShare) Zero() {
	for _, v := range k.narrow {
		clear(v)
	}
	for _, v := range k.wide {
		clear(v)
	}
}

// String hides the share.
func (k *KeyShare) String() string {
	return fmt.Sprintf("keygen.KeyShare(party %d of %d, redacted)", k.self, k.n)
}

// GoString hides the share.
func (k *KeyShare) GoString() string { return k.String() }

// MarshalJSON hides the share.
func (k *KeyShare) MarshalJSON() ([]byte, error) { return []byte(`"redacted"`), nil }

const shareVersion = 2

// shareHeader is version, n, d, self, the length of the set's name.
const shareHeader = 5

// MarshalBinary returns the plain bytes, to be sealed before they are stored: a header,
// the name of the set, the key's id, and the secrets' words, little-endian.
func (k *KeyShare) MarshalBinary() ([]byte, error) {
	name := k.parameters.Name
	out := []byte{shareVersion, byte(k.n), byte(k.d), byte(k.self), byte(len(name))}
	out = append(append(out, name...), k.id[:]...)
	for _, s := range k.parameters.Secrets() {
		for _, x := range k.narrow[s] {
			out = binary.LittleEndian.AppendUint64(out, x)
		}
		for _, x := range k.wide[s] {
			out = x.Append(out)
		}
	}
	return out, nil
}

// UnmarshalKeyShare reads what MarshalBinary wrote: exact length, bounds checked
// before memory is taken, ErrEncoding else.
func UnmarshalKeyShare(b []byte) (*KeyShare, error) {
	if len(b) < shareHeader || b[0] != shareVersion || len(b) < shareHeader+int(b[4])+mpc.DigestSize {
		return nil, fmt.Errorf("%w: key share", ErrEncoding)
	}
	n, d, self, end := int(b[1]), int(b[2]), int(b[3]), shareHeader+int(b[4])
	p, err := tfhe.ByName(string(b[shareHeader:end]))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	code, err := sharing.New(n, sharing.Threshold(n), d)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	id := mpc.Digest(b[end:])
	b = b[end+mpc.DigestSize:]
	size := 0
	for _, s := range p.Secrets() {
		size += p.Dimension(s) * d * int(p.SecretWidth(s)) / 8
	}
	if len(b) != size {
		return nil, fmt.Errorf("%w: key share has %d bytes, not %d", ErrEncoding, len(b), size)
	}
	narrow, broad := map[tfhe.Secret][]uint64{}, map[tfhe.Secret][]wide.Word{}
	for _, s := range p.Secrets() {
		words := p.Dimension(s) * d
		if p.SecretWidth(s) == 64 {
			narrow[s], b = readWords(b, words), b[8*words:]
		} else {
			broad[s], b = readWide(b, words), b[wide.Size*words:]
		}
	}
	k, err := NewKeyShare(p, id, code, self, narrow, broad)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	return k, nil
}

// readWords reads count words, little-endian.
func readWords(b []byte, count int) []uint64 {
	out := make([]uint64, count)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return out
}

// readWide reads count words of 128 bits, little-endian.
func readWide(b []byte, count int) []wide.Word {
	out := make([]wide.Word, count)
	for i := range out {
		out[i] = wide.Read(b[wide.Size*i:])
	}
	return out
}
