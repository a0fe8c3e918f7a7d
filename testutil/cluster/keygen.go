package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/pkegen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// ErrPublicKey reports parties that came to different public keys.
var ErrPublicKey = errors.New("cluster: the parties do not agree on a public key")

// Generation is a key that the parties generated, and how that went.
type Generation struct {
	// PublicKey is the compact public key, in the form with a seeded mask.
	PublicKey *tfhe.CompressedCompactPublicKey
	// Bits made the secret and the noise bits; Opening opened the public key.
	Bits, Opening Phase
}

// Generate starts the parties and has them generate a key with the parameters p.
// A party that was excluded on the way rebuilds its share.
func Generate(ctx context.Context, cfg Config, p tfhe.Parameters, random io.Reader) (*Cluster, *Generation, error) {
	c, err := connectParties(ctx, cfg, p, random)
	if err != nil {
		return nil, nil, err
	}
	g := &Generation{Bits: Phase{Name: "secret bits"}, Opening: Phase{Name: "public key"}}
	if err := c.generate(ctx, g); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("key generation: %w", err), c.Close())
	}
	return c, g, nil
}

func keygenParameters(p tfhe.Parameters) keygen.Parameters {
	return keygen.Parameters{
		Dimensions: [3]int{
			keygen.PublicKey: p.PKEDimension,
			keygen.Compute:   p.ComputeDimension(),
			keygen.Small:     p.LWEDimension,
		},
		NoiseBound: uint(p.PKENoise),
	}
}

func (c *Cluster) generate(ctx context.Context, g *Generation) error {
	p := keygenParameters(c.parameters)
	// Noise cannot be rebuilt, so the second stage takes n−t parties of the first.
	bits, err := c.offline(ctx, &g.Bits, "keygen", c.code.Quorum(), func(q *party, a attempt) (*preproc.Machine, error) {
		id := a.session.ID()
		source, err := prss.NewSource(q.keys, c.code, id) // the randomness is the session's
		if err != nil {
			return nil, err
		}
		return keygen.NewGeneration(preproc.Config{Source: source, Session: id, From: a.session.Parties, Identity: q.identity}, p)
	})
	if err != nil {
		return err
	}
	shares, err := c.rebuildShares(bits, p)
	if err != nil {
		return err
	}
	openings, err := c.open(ctx, &g.Opening, bits, p)
	if err != nil {
		return err
	}
	for i, o := range openings {
		shares[i] = o.Share()
	}
	if err := c.takeShares(shares); err != nil {
		return err
	}
	first := openings[g.Opening.Agreed.List()[0]]
	g.PublicKey, err = tfhe.NewCompressedCompactPublicKey(c.parameters, tfhe.KeySetSeed(first.Seed()), first.Body())
	return err
}

// open is the second stage, among the parties that are done with the first. It
// returns the machines of those that are done, n−t with one public key among them.
func (c *Cluster) open(ctx context.Context, phase *Phase, bits made, p keygen.Parameters) (map[int]*keygen.Opening, error) {
	vouched, err := bits.vouched(c.code.T())
	if err != nil {
		return nil, err
	}
	s := c.session("keygen-opening", nil)
	s.Parties = 0
	for i := range bits.machines {
		s.Parties = s.Parties.With(i)
	}
	machines, openings := map[int]mpc.Machine{}, map[int]*keygen.Opening{}
	for i, m := range bits.machines {
		o, err := keygen.NewOpening(keygen.OpeningConfig{
			Parameters: p, Session: s.ID(), Generation: m, Posted: vouched.Echo(), KeyID: c.epoch,
			Expand: func(seed [keygen.SeedSize]byte, n int) ([]uint64, error) {
				return tfhe.ExpandMask(tfhe.KeySetSeed(seed), n), nil
			},
		})
		if err != nil {
			return nil, fmt.Errorf("party %d: %w", i, err)
		}
		machines[i], openings[i] = o, o
	}
	began := time.Now()
	endings := c.play(ctx, s, machines)
	done, at, failure := c.sum(endings, c.code.Quorum())
	phase.Runs, phase.Took = 1, at.Sub(began)
	c.judgeOpening(phase, s, endings, func(i int) opening { return openings[i] })
	for i := range openings {
		if !done.Has(i) {
			delete(openings, i)
		}
	}
	for _, o := range openings {
		var same sharing.Parties
		for i, other := range openings {
			if other.Seed() == o.Seed() && slices.Equal(other.Body(), o.Body()) {
				same = same.With(i)
			}
		}
		if same.Count() >= c.code.Quorum() {
			phase.Agreed = same
			return openings, nil
		}
	}
	return nil, errors.Join(ErrPublicKey, context.Cause(ctx), failure)
}

// rebuildShares gives the parties that are not done with the first stage their
// shares of the secret bits.
func (c *Cluster) rebuildShares(bits made, p keygen.Parameters) (map[int]*keygen.KeyShare, error) {
	shares := map[int]*keygen.KeyShare{}
	vouched, err := bits.vouched(c.code.T())
	if err != nil {
		return nil, err
	}
	for _, q := range c.parties {
		if bits.machines[q.index] != nil {
			continue
		}
		opened, err := keygen.OpenedSecrets(vouched, p)
		if err != nil {
			return nil, err
		}
		source, err := prss.NewSource(q.keys, c.code, bits.session.ID())
		if err != nil {
			return nil, err
		}
		if shares[q.index], err = keygen.RebuildShare(source, p, c.epoch, opened); err != nil {
			return nil, fmt.Errorf("party %d: %w", q.index, err)
		}
	}
	return shares, nil
}

// takeShares prepares the parties' shares for decryption.
func (c *Cluster) takeShares(all map[int]*keygen.KeyShare) error {
	for _, p := range c.parties {
		share := all[p.index]
		if share == nil { // it is not done with the second stage
			continue
		}
		p.shares = keyShares{}
		for kind, secret := range map[tfhe.KeyKind]keygen.Secret{
			tfhe.ComputeKey: keygen.Compute, tfhe.PublicKeyEncryptionKey: keygen.PublicKey,
		} {
			key, err := decrypt.NewKey(c.code, shapeOf(c.parameters), share.Part(secret))
			if err != nil {
				return fmt.Errorf("party %d: %w", p.index, err)
			}
			p.shares[kind] = key
		}
	}
	return nil
}
