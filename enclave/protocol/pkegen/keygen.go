package keygen

import (
	"encoding/binary"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/negacyclic"
)

// SeedSize is the length of the seed of the public mask.
const SeedSize = 16

const kind = "keygen"

// sections are the shared bits of a key: the secrets, then the public key's noise.
func (p Parameters) sections() []preproc.Section {
	var out []preproc.Section
	for s, n := range p.Dimensions {
		out = append(out, preproc.Section{Kind: kind + "/secret/" + Secret(s).String(), K: 64, Count: n})
	}
	return append(out, NoiseSections(kind, p.NoiseBound, 0, p.Dimensions[PublicKey])...)
}

// NewGeneration returns stage A: the machine that makes the shared bits. The
// context of c.Source must be the session id, so that another attempt draws other
// bits; c.Sections is ignored. Its Echo is the digest to post on the chain.
func NewGeneration(c preproc.Config, p Parameters) (*preproc.Machine, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if c.Source.Context() != c.Session {
		return nil, fmt.Errorf("%w: the randomness is not the session's", ErrMaterial)
	}
	c.Sections = p.sections()
	return preproc.New(c)
}

// OpeningConfig is what stage B needs.
type OpeningConfig struct {
	Parameters Parameters
	// Session is the id of the session.
	Session mpc.Digest
	// Generation is the finished stage A; its material is taken over, and its identity
	// signs what is sent.
	Generation *preproc.Machine
	// Posted is the digest of stage A that n−t parties posted on the chain.
	Posted mpc.Digest
	// KeyID distinguishes the key.
	KeyID mpc.Digest
	// Expand returns the first n mask coefficients of the seed's expansion.
	Expand func(seed [SeedSize]byte, n int) ([]uint64, error)
}

// Opening is stage B. It is a mpc.Machine of two rounds and the signed root; after
// Done it goes on checking late shares.
type Opening struct {
	linear
	config OpeningConfig
	source *prss.Source
	share  *KeyShare
	noise  []uint64
	seed   [SeedSize]byte
	body   []uint64
}

// Rounds of stage B.
const (
	roundSeed = iota
	roundBody
	// OpeningRounds is their number; the signed root follows.
	OpeningRounds
)

// seedWords are the words over R_64 of a seed.
const seedWords = SeedSize / 8

// NewOpening returns stage B, ErrDigest if stage A is not what the chain recorded,
// or ErrMaterial if it is not done.
func NewOpening(c OpeningConfig) (*Opening, error) {
	if err := c.Parameters.Check(); err != nil {
		return nil, err
	}
	if !c.Generation.Done() {
		return nil, fmt.Errorf("%w: stage A is not done", ErrMaterial)
	}
	if c.Generation.Echo() != c.Posted {
		return nil, ErrDigest
	}
	material := c.Generation.Material()
	if len(material) != len(c.Parameters.sections()) {
		return nil, fmt.Errorf("%w: %d sections", ErrMaterial, len(material))
	}
	o := &Opening{config: c, source: c.Generation.Source}
	code, self := o.source.Code(), o.source.Self()
	var err error
	if o.linear, err = newLinear(code, c.Session, c.Generation.Identity, seedWords, c.Parameters.Dimensions[PublicKey]); err != nil {
		return nil, err
	}
	var parts [secrets][]uint64
	for s := range parts {
		parts[s] = material[s].Bits
	}
	if o.share, err = NewKeyShare(c.Parameters, c.KeyID, code, self, parts); err != nil {
		return nil, err
	}
	if o.noise, err = Noise(code, c.Parameters.NoiseBound, material[secrets:]); err != nil {
		return nil, err
	}
	for i := range material[secrets:] {
		material[int(secrets)+i].Zero()
	}
	o.step = o.next
	return o, nil
}

func (o *Opening) next(round int, values []uint64) ([]uint64, error) {
	switch round {
	case roundSeed:
		shares := make([]uint64, seedWords*o.code.Degree())
		err := o.source.Draw(prss.Address{Kind: kind + "/seed", K: 64}, prss.Vectors{Integers: [][]uint64{shares}})
		return shares, err
	case roundBody:
		for i, x := range values {
			binary.LittleEndian.PutUint64(o.seed[8*i:], x)
		}
		return o.bodyShares()
	}
	o.body = values
	clear(o.noise)
	return nil, nil
}

// bodyShares returns shares of a·rev(s) + e, where rev(s)_i = s_(N−1−i).
func (o *Opening) bodyShares() ([]uint64, error) {
	n, d := o.config.Parameters.Dimensions[PublicKey], o.code.Degree()
	mask, err := o.config.Expand(o.seed, n)
	if err != nil {
		return nil, fmt.Errorf("keygen: expand the seed: %w", err)
	}
	if len(mask) != n {
		return nil, fmt.Errorf("%w: a mask of %d words", ErrMaterial, len(mask))
	}
	multiplier, err := negacyclic.New(n)
	if err != nil {
		return nil, err
	}
	s := o.share.Part(PublicKey)
	reversed := make([]uint64, len(s))
	for i := range n {
		copy(reversed[i*d:(i+1)*d], s[(n-1-i)*d:])
	}
	out := append([]uint64(nil), o.noise...)
	multiplier.MulAdd(o.code.Ring(), out, mask, reversed)
	clear(reversed)
	return out, nil
}

// String hides the key.
func (o *Opening) String() string { return "keygen.Opening(redacted)" }

// GoString hides the key.
func (o *Opening) GoString() string { return o.String() }

// Share returns the party's key share, nil before Done.
func (o *Opening) Share() *KeyShare {
	if !o.done {
		return nil
	}
	return o.share
}

// Seed returns the seed of the public mask; it is public once stage B is done.
func (o *Opening) Seed() [SeedSize]byte { return o.seed }

// Body returns the N coefficients of the compact public key's body, nil before
// Done.
func (o *Opening) Body() []uint64 { return o.body }

// OpenedSecrets returns the public values of stage A from which an absent party
// rebuilds its share, 8 bytes a coefficient; ErrMaterial before it is done.
func OpenedSecrets(generation *preproc.Machine, p Parameters) ([]byte, error) {
	opened := generation.Opened()
	if p.Check() != nil || len(opened) < p.openedSecrets() || len(generation.Sections) != len(p.sections()) {
		return nil, fmt.Errorf("%w: no opened secrets", ErrMaterial)
	}
	return opened[:p.openedSecrets():p.openedSecrets()], nil
}

func (p Parameters) openedSecrets() int {
	total := 0
	for _, n := range p.Dimensions {
		total += 8 * n
	}
	return total
}

// OpenedDigest is the digest by which t+1 parties vouch for OpenedSecrets.
func OpenedDigest(keyID mpc.Digest, opened []byte) mpc.Digest {
	return mpc.Hash("tkms/v1/keygen/opened", keyID[:], opened)
}

// RebuildShare returns the key share of a party that was not in stage A, from its
// own PRSS keys and OpenedSecrets. The caller has these from peers of which t+1
// sent equal digests of them: what does not open to a key share is not noticed.
func RebuildShare(source *prss.Source, p Parameters, keyID mpc.Digest, opened []byte) (*KeyShare, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	material, err := preproc.Rebuild(source, p.sections()[:secrets], opened)
	if err != nil {
		return nil, err
	}
	var parts [secrets][]uint64
	for s := range parts {
		parts[s] = material[s].Bits
	}
	return NewKeyShare(p, keyID, source.Code(), source.Self(), parts)
}
