package keygen

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/ring/negacyclic"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// Errors of this package.
var (
	// ErrParameters reports dimensions or a noise bound outside their bounds.
	ErrParameters = errors.New("keygen: parameters outside their bounds")
	// ErrEncoding reports bytes that are not the encoding of what was asked for.
	ErrEncoding = errors.New("keygen: malformed encoding")
	// ErrDigest reports a stage A whose digest is not the one on the chain.
	ErrDigest = errors.New("keygen: the chain records another digest of the generated bits")
	// ErrMaterial reports material that is missing or of the wrong length.
	ErrMaterial = errors.New("keygen: material does not fit the parameters")
	// ErrInconsistent reports an opening that is no integer.
	ErrInconsistent = errors.New("keygen: an opening is no integer, shares do not belong together")
)

// Secret names one of the binary keys that make up a TFHE key.
type Secret int

// The secrets, in the order in which they are stored.
const (
	// PublicKey is the LWE key of the compact public key.
	PublicKey Secret = iota
	// Compute is the flattened GLWE key that ciphertexts are computed on under.
	Compute
	// Small is the LWE key inside bootstrapping.
	Small
	secrets
)

// String returns the name used in addresses.
func (s Secret) String() string { return [...]string{"public-key", "compute", "small"}[s] }

// Parameters are what key generation needs of a parameter set.
type Parameters struct {
	// Dimensions are the numbers of coefficients by Secret. That of PublicKey is the
	// degree N of its polynomials, a power of two.
	Dimensions [secrets]int
	// NoiseBound is b of the public key's noise TUniform(b).
	NoiseBound uint
}

// Production returns the parameters of the production set, 2048, 2048 and 918
// coefficients and TUniform(17).
func Production() Parameters {
	return Parameters{Dimensions: [secrets]int{PublicKey: 2048, Compute: 2048, Small: 918}, NoiseBound: 17}
}

const maxDimension = 1 << 14

// Check returns ErrParameters for dimensions outside 1…16384, for a PublicKey
// dimension that is no power of two of at least 16, and for a bound outside 1…60.
func (p Parameters) Check() error {
	for s, n := range p.Dimensions {
		if n < 1 || n > maxDimension {
			return fmt.Errorf("%w: %v has dimension %d", ErrParameters, Secret(s), n)
		}
	}
	if n := p.Dimensions[PublicKey]; n < negacyclic.MinDegree || n&(n-1) != 0 {
		return fmt.Errorf("%w: polynomials of degree %d", ErrParameters, n)
	}
	if p.NoiseBound < 1 || p.NoiseBound > 60 {
		return fmt.Errorf("%w: TUniform(%d)", ErrParameters, p.NoiseBound)
	}
	return nil
}

// KeyShare is one party's share of a key, for one epoch. Any t+1 of them are the
// key; t are consistent with every key.
type KeyShare struct {
	parameters Parameters
	n, d, self int
	id         mpc.Digest
	parts      [secrets][]uint64
}

// NewKeyShare returns party self's share with the given parts: for each secret a
// vector of shares over R_64, d words a coefficient. id distinguishes the key. It
// keeps the slices.
func NewKeyShare(p Parameters, id mpc.Digest, code *sharing.Code, self int, parts [3][]uint64) (*KeyShare, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if self < 1 || self > code.N() {
		return nil, fmt.Errorf("%w: party %d of %d", ErrParameters, self, code.N())
	}
	for s, part := range parts {
		if len(part) != p.Dimensions[s]*code.Degree() {
			return nil, fmt.Errorf("%w: %v has %d words", ErrMaterial, Secret(s), len(part))
		}
	}
	return &KeyShare{parameters: p, n: code.N(), d: code.Degree(), self: self, id: id, parts: parts}, nil
}

// Parameters returns the key's parameters.
func (k *KeyShare) Parameters() Parameters { return k.parameters }

// ID returns the key's id.
func (k *KeyShare) ID() mpc.Digest { return k.id }

// Self returns the index of the party, N the number of parties.
func (k *KeyShare) Self() int { return k.self }

// N returns the number of parties.
func (k *KeyShare) N() int { return k.n }

// Part returns the share of one secret: d words a coefficient, over R_64. It is
// not a copy.
func (k *KeyShare) Part(s Secret) []uint64 { return k.parts[s] }

// Zero erases the share.
func (k *KeyShare) Zero() {
	for _, p := range k.parts {
		clear(p)
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

const shareVersion = 1

// shareHeader is version, n, d, self, noise bound, the dimensions, id.
const shareHeader = 5 + 4*int(secrets) + mpc.DigestSize

// MarshalBinary returns the plain bytes, to be sealed before they are stored.
func (k *KeyShare) MarshalBinary() ([]byte, error) {
	out := []byte{shareVersion, byte(k.n), byte(k.d), byte(k.self), byte(k.parameters.NoiseBound)}
	for _, n := range k.parameters.Dimensions {
		out = binary.BigEndian.AppendUint32(out, uint32(n)) // #nosec G115 -- at most maxDimension
	}
	out = append(out, k.id[:]...)
	for _, part := range k.parts {
		for _, x := range part {
			out = binary.LittleEndian.AppendUint64(out, x)
		}
	}
	return out, nil
}

// UnmarshalKeyShare reads what MarshalBinary wrote: exact length, bounds checked
// before memory is taken, ErrEncoding else.
func UnmarshalKeyShare(b []byte) (*KeyShare, error) {
	if len(b) < shareHeader || b[0] != shareVersion {
		return nil, fmt.Errorf("%w: key share", ErrEncoding)
	}
	n, d, self := int(b[1]), int(b[2]), int(b[3])
	p := Parameters{NoiseBound: uint(b[4])}
	words := 0
	for s := range p.Dimensions {
		x := binary.BigEndian.Uint32(b[5+4*s:])
		if x > maxDimension {
			return nil, fmt.Errorf("%w: dimension %d", ErrEncoding, x)
		}
		p.Dimensions[s] = int(x)
		words += int(x) * d
	}
	code, err := sharing.New(n, sharing.Threshold(n), d)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	id := mpc.Digest(b[shareHeader-mpc.DigestSize:])
	b = b[shareHeader:]
	if len(b) != 8*words {
		return nil, fmt.Errorf("%w: key share has %d bytes, not %d", ErrEncoding, len(b), 8*words)
	}
	var parts [secrets][]uint64
	for s := range parts {
		parts[s] = make([]uint64, p.Dimensions[s]*d)
		for i := range parts[s] {
			parts[s][i] = binary.LittleEndian.Uint64(b)
			b = b[8:]
		}
	}
	k, err := NewKeyShare(p, id, code, self, parts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	return k, nil
}
