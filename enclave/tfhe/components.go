package tfhe

import "fmt"

// Secret names one of the binary secret keys of a key set.
type Secret uint8

// The secret keys, in the order in which they are stored.
const (
	// SecretPKE is the LWE key of the compact public key.
	SecretPKE Secret = iota
	// SecretCompute is the flattened GLWE key that blocks are under.
	SecretCompute
	// SecretSmall is the LWE key between key switch and bootstrap.
	SecretSmall
	// SecretCompression is the flattened GLWE key of compressed ciphertexts.
	SecretCompression
	// SecretSquashing is the flattened GLWE key of noise-squashed ciphertexts.
	SecretSquashing
	// SecretSquashingCompression is that of compressed noise-squashed ones.
	SecretSquashingCompression
	// SecretOPRF is the LWE key of oblivious pseudo-random generation.
	SecretOPRF
	secretCount
)

var secretNames = [secretCount]string{
	"pke", "compute", "small", "compression", "squashing", "squashing-compression", "oprf",
}

// String names the secret.
func (s Secret) String() string {
	if s < secretCount {
		return secretNames[s]
	}
	return fmt.Sprintf("secret(%d)", uint8(s))
}

// Secrets returns the secret keys that the set has, in order. The public-key
// encryption, compute and small key are in every set.
func (p Parameters) Secrets() []Secret {
	var out []Secret
	for s := range secretCount {
		if p.Dimension(s) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// Dimension returns the number of a secret's coefficients, 0 if the set has it not.
func (p Parameters) Dimension(s Secret) int {
	polynomials, degree := p.shape(s)
	return polynomials * degree
}

// shape returns the polynomials of a secret and their degree. The LWE keys that
// only key switches lead to have polynomials of degree 1.
func (p Parameters) shape(s Secret) (polynomials, degree int) {
	switch s {
	case SecretPKE:
		return 1, p.PKEDimension
	case SecretCompute:
		return p.GLWEDimension, p.PolynomialSize
	case SecretSmall:
		return p.LWEDimension, 1
	case SecretCompression:
		return p.Compression.GLWEDimension, p.Compression.PolynomialSize
	case SecretSquashing:
		return p.Squashing.GLWEDimension, p.Squashing.PolynomialSize
	case SecretSquashingCompression:
		return p.SquashingCompression.GLWEDimension, p.SquashingCompression.PolynomialSize
	case SecretOPRF:
		if p.Components.Has(ComponentOPRF) {
			return p.LWEDimension, 1
		}
	}
	return 0, 0
}

// SecretWidth returns the bits of the ring that shares of the secret are needed
// in: 128 for the keys of noise-squashed ciphertexts and, if the set squashes, for
// the small key, whose bits the squashing key encrypts; else 64.
func (p Parameters) SecretWidth(s Secret) uint {
	switch s {
	case SecretSquashing, SecretSquashingCompression:
		return 128
	case SecretSmall:
		if p.Components.Has(ComponentSquashing) {
			return 128
		}
	}
	return 64
}

// Component is a part of a key set that holds ciphertexts.
type Component uint8

// The components, in the order in which one stream gives them their masks.
const (
	// ComponentPublicKey is the compact public key.
	ComponentPublicKey Component = iota
	// ComponentCompression packs blocks for storage.
	ComponentCompression
	// ComponentDecompression bootstraps a stored block to a block.
	ComponentDecompression
	// ComponentKeySwitch leads from the compute to the small key.
	ComponentKeySwitch
	// ComponentBootstrap leads back.
	ComponentBootstrap
	// ComponentSquashing bootstraps to a ciphertext modulo 2^128.
	ComponentSquashing
	// ComponentCasting leads from the public-key encryption to the small key.
	ComponentCasting
	// ComponentReRandomization is a compact public key under the compute key.
	ComponentReRandomization
	// ComponentSquashingCompression packs noise-squashed ciphertexts.
	ComponentSquashingCompression
	// ComponentOPRF bootstraps from the OPRF key to the compute key.
	ComponentOPRF
	componentCount
)

var componentNames = [componentCount]string{
	"public-key", "compression", "decompression", "key-switch", "bootstrap", "squashing",
	"casting", "re-randomization", "squashing-compression", "oprf",
}

// String names the component.
func (c Component) String() string {
	if c < componentCount {
		return componentNames[c]
	}
	return fmt.Sprintf("component(%d)", uint8(c))
}

// Components is a set of components.
type Components uint16

const allComponents Components = 1<<componentCount - 1

func componentsOf(all ...Component) Components {
	var set Components
	for _, c := range all {
		set |= 1 << c
	}
	return set
}

// Has reports whether the component is in the set.
func (s Components) Has(c Component) bool { return c < componentCount && s>>c&1 == 1 }

// PartKind says how a component encrypts.
type PartKind uint8

const (
	// PartPublicKey is one row, a GLWE encryption of zero under the key with its
	// coefficients in reverse order.
	PartPublicKey PartKind = iota
	// PartLWE is a key-switching key: a row is an LWE ciphertext.
	PartLWE
	// PartGGSW is a bootstrapping key: a row is a GLWE ciphertext, a row of a GGSW.
	PartGGSW
	// PartGLWE is a packing key-switching key: a row is a GLWE ciphertext.
	PartGLWE
)

// Part describes a component: Rows ciphertexts of one form, whose masks come from
// a public stream and whose bodies are what a key set is published for.
type Part struct {
	Component Component
	Kind      PartKind
	// Width is the ciphertext modulus' bits, 64 or 128.
	Width uint
	// In is the key whose bits are encrypted (nothing to a PartPublicKey), Out the
	// key that they are encrypted under.
	In, Out Secret
	// Inputs is the number of bits of In, 0 for a PartPublicKey.
	Inputs int
	// Degree is N, the body words of a row; 1 for a PartLWE.
	Degree int
	// Polynomials is k, the mask polynomials of degree N of a row; for a PartLWE
	// the dimension of Out.
	Polynomials int
	// Decomposition gives each bit its rows; zero for a PartPublicKey.
	Decomposition
	// Noise is that of every body word.
	Noise Noise
}

// Rows returns the number of rows.
func (p Part) Rows() int {
	switch p.Kind {
	case PartPublicKey:
		return 1
	case PartGGSW:
		return p.Inputs * p.levels() * (p.Polynomials + 1)
	default:
		return p.Inputs * p.levels()
	}
}

func (p Part) levels() int { return int(p.Levels) } // #nosec G115 -- a few

// MaskWords returns the words of a row's mask.
func (p Part) MaskWords() int { return p.Polynomials * p.Degree }

// BodyWords returns the words of a row's body.
func (p Part) BodyWords() int { return p.Degree }

// wordSize is the bytes of a word.
func (p Part) wordSize() int { return int(p.Width / 8) } // #nosec G115 -- 8 or 16

// Row says what row r encrypts: bit is the index of the bit of In; level, from
// Levels down to 1, scales it by 2^(Width-BaseLog*level); poly is the row of the
// GGSW, 0…Polynomials, and 0 in all other parts. With s the bit and S the key Out:
//
//   - PartLWE and PartGLWE encrypt s*2^exponent, at coefficient 0;
//   - PartGGSW encrypts -s*S_poly(X)*2^exponent for poly < Polynomials, and
//     s*2^exponent at coefficient 0 for the last;
//   - PartPublicKey encrypts 0 (level 0).
//
// It panics if r is out of range.
func (p Part) Row(r int) (bit, level, poly int) {
	if r < 0 || r >= p.Rows() {
		panic("tfhe: row out of range")
	}
	switch p.Kind {
	case PartPublicKey:
		return 0, 0, 0
	case PartGGSW:
		poly = r % (p.Polynomials + 1)
		r /= p.Polynomials + 1
	}
	return r / p.levels(), p.levels() - r%p.levels(), poly
}

// Exponent returns the power of two that scales the bit in rows of the level.
func (p Part) Exponent(level int) uint { return p.Width - uint(p.BaseLog)*uint(level) } // #nosec G115 -- at most Width

// Parts returns the components of the set, in the order of the mask stream.
func (p Parameters) Parts() []Part {
	var out []Part
	for c := range componentCount {
		if part, ok := p.Part(c); ok {
			out = append(out, part)
		}
	}
	return out
}

// Part describes a component, false if the set has it not.
func (p Parameters) Part(c Component) (Part, bool) {
	if !p.Components.Has(c) {
		return Part{}, false
	}
	switch c {
	case ComponentPublicKey:
		return p.publicKey(c, SecretPKE, p.PKENoise), true
	case ComponentReRandomization:
		return p.publicKey(c, SecretCompute, p.GLWENoise), true
	case ComponentCompression:
		return p.part(c, PartGLWE, SecretCompute, SecretCompression, p.Compression.PackingKS, p.Compression.Noise), true
	case ComponentDecompression:
		return p.part(c, PartGGSW, SecretCompression, SecretCompute, p.Compression.BlindRotation, p.GLWENoise), true
	case ComponentKeySwitch:
		return p.part(c, PartLWE, SecretCompute, SecretSmall, p.KS, p.LWENoise), true
	case ComponentBootstrap:
		return p.part(c, PartGGSW, SecretSmall, SecretCompute, p.PBS, p.GLWENoise), true
	case ComponentSquashing:
		return p.part(c, PartGGSW, SecretSmall, SecretSquashing, p.Squashing.PBS, p.Squashing.Noise), true
	case ComponentCasting:
		return p.part(c, PartLWE, SecretPKE, SecretSmall, p.PKEKS, p.LWENoise), true
	case ComponentSquashingCompression:
		return p.part(c, PartGLWE, SecretSquashing, SecretSquashingCompression,
			p.SquashingCompression.PackingKS, p.SquashingCompression.Noise), true
	case ComponentOPRF:
		return p.part(c, PartGGSW, SecretOPRF, SecretCompute, p.PBS, p.GLWENoise), true
	}
	return Part{}, false
}

func (p Parameters) publicKey(c Component, out Secret, noise Noise) Part {
	return Part{
		Component: c, Kind: PartPublicKey, Width: 64, In: out, Out: out,
		Degree: p.Dimension(out), Polynomials: 1, Noise: noise,
	}
}

func (p Parameters) part(c Component, kind PartKind, in, out Secret, d Decomposition, noise Noise) Part {
	part := Part{Component: c, Kind: kind, Width: 64, In: in, Out: out, Inputs: p.Dimension(in), Decomposition: d, Noise: noise}
	part.Polynomials, part.Degree = p.shape(out)
	if out == SecretSquashing || out == SecretSquashingCompression {
		part.Width = 128
	}
	return part
}
