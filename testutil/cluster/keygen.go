package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// ErrPublicKey reports parties that came to different public keys.
var ErrPublicKey = errors.New("cluster: the parties do not agree on a public key")

// Generate starts the parties and has them generate a key with the parameters p.
// It returns their compact public key, in the form with a seeded mask. All parties
// take part honestly: cfg.Faults concern decryption.
func Generate(ctx context.Context, cfg Config, p tfhe.Parameters, random io.Reader) (*Cluster, *tfhe.CompressedCompactPublicKey, error) {
	c, err := connectParties(ctx, cfg, p, random)
	if err != nil {
		return nil, nil, err
	}
	key, err := c.generate(ctx)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("key generation: %w", err), c.Close())
	}
	return c, key, nil
}

func (c *Cluster) generate(ctx context.Context) (*tfhe.CompressedCompactPublicKey, error) {
	p := keygen.Parameters{
		Dimensions: [3]int{
			keygen.PublicKey: c.parameters.PKEDimension,
			keygen.Compute:   c.parameters.ComputeDimension(),
			keygen.Small:     c.parameters.LWEDimension,
		},
		NoiseBound: uint(c.parameters.PKENoise),
	}
	generations, err := c.generateBits(ctx, p)
	if err != nil {
		return nil, err
	}
	openings, machines := make([]*keygen.Opening, len(generations)), make([]mpc.Machine, len(generations))
	for i, g := range generations {
		openings[i], err = keygen.NewOpening(keygen.OpeningConfig{
			Parameters: p, Generation: g, Posted: generations[0].Echo(), KeyID: c.epoch,
			Expand: func(seed [keygen.SeedSize]byte, n int) ([]uint64, error) {
				return tfhe.ExpandMask(tfhe.KeySetSeed(seed), n), nil
			},
		})
		if err != nil {
			return nil, fmt.Errorf("party %d: %w", i+1, err)
		}
		machines[i] = openings[i]
	}
	if err := c.runAll(ctx, c.sessionID("keygen-opening", nil), machines); err != nil {
		return nil, err
	}
	return c.takeKey(openings)
}

// generateBits is the first stage. Its randomness is that of the session.
func (c *Cluster) generateBits(ctx context.Context, p keygen.Parameters) ([]*preproc.Machine, error) {
	id := c.sessionID("keygen", nil)
	generations, machines := make([]*preproc.Machine, len(c.parties)), make([]mpc.Machine, len(c.parties))
	for i, party := range c.parties {
		source, err := prss.NewSource(party.keys, c.code, id)
		if err != nil {
			return nil, err
		}
		generations[i], err = keygen.NewGeneration(preproc.Config{
			Source: source, Session: id, From: sharing.AllParties(c.code.N()), Identity: party.identity,
		}, p)
		if err != nil {
			return nil, err
		}
		machines[i] = generations[i]
	}
	return generations, c.runAll(ctx, id, machines)
}

// takeKey checks that all parties have one public key and prepares their shares.
func (c *Cluster) takeKey(openings []*keygen.Opening) (*tfhe.CompressedCompactPublicKey, error) {
	seed, body := openings[0].Seed(), openings[0].Body()
	for i, o := range openings {
		if o.Seed() != seed || !slices.Equal(o.Body(), body) {
			return nil, fmt.Errorf("party %d: %w", i+1, ErrPublicKey)
		}
		shares := keyShares{}
		for kind, secret := range map[tfhe.KeyKind]keygen.Secret{
			tfhe.ComputeKey: keygen.Compute, tfhe.PublicKeyEncryptionKey: keygen.PublicKey,
		} {
			key, err := decrypt.NewKey(c.code, shapeOf(c.parameters), o.Share().Part(secret))
			if err != nil {
				return nil, fmt.Errorf("party %d: %w", i+1, err)
			}
			shares[kind] = key
		}
		c.parties[i].shares = shares
	}
	return tfhe.NewCompressedCompactPublicKey(c.parameters, tfhe.KeySetSeed(seed), body)
}
