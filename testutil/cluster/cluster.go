package cluster

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/vss"
	"github.com/tkms-network/tkms/testutil/fault"
)

// chainID stands in the session ids of all clusters: no chain orders them.
const chainID = "tkms-in-process-cluster"

// epochNumber is that of the only epoch.
const epochNumber = 1

// Config configures a Cluster.
type Config struct {
	// Parties is n: one of mpc.SupportedParties.
	Parties int
	// Faults are the faulty parties, by index 1..n. More than ⌊(n−1)/3⌋ are
	// accepted: protocols then fail.
	Faults map[int]fault.Kind
	// Dealt says that the parties deal each other their randomness even if they are few
	// enough for pseudo-random secret sharing.
	Dealt bool
	// Log takes life-cycle messages of the network (default: discarded).
	Log *slog.Logger
}

// Cluster is n parties that share a key.
type Cluster struct {
	cfg        Config
	parameters tfhe.Parameters
	code       *sharing.Code
	epoch      mpc.Digest
	net        *network
	parties    []*party // index-1
	sessions   uint64
	nextItem   uint64
	// excluded parties are not waited for in the offline phase; the generation counts
	// how often they changed.
	excluded   sharing.Parties
	generation uint32
	rehearsed  map[int]bool // by number of blocks
}

// party is what one party holds beside its end of the network.
type party struct {
	index    int
	identity *mpc.Identity
	public   ed25519.PublicKey  // of identity
	keys     *prss.Keys         // nil if there are too many parties
	secret   [vss.SeedSize]byte // that it deals from
	shares   keyShares
	fault    *fault.Party // nil if it is honest
}

// New starts the parties, runs the set-up of pseudo-random secret sharing among
// them, and deals them the compute and public-key encryption keys of key.
func New(ctx context.Context, cfg Config, key *tfhe.ClientKey, random io.Reader) (*Cluster, error) {
	c, err := connectParties(ctx, cfg, key.Parameters(), random)
	if err != nil {
		return nil, err
	}
	shares, err := dealKey(random, c.code, key)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	for i, p := range c.parties {
		p.shares = shares[i]
	}
	return c, nil
}

// connectParties starts the parties without a key.
func connectParties(ctx context.Context, cfg Config, p tfhe.Parameters, random io.Reader) (*Cluster, error) {
	n := cfg.Parties
	if err := mpc.CheckParties(n, sharing.Threshold(n), 1); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	code, err := sharing.New(n, sharing.Threshold(n), sharing.DegreeFor(n))
	if err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, parameters: p, code: code, rehearsed: map[int]bool{}}
	if _, err := io.ReadFull(random, c.epoch[:]); err != nil {
		return nil, fmt.Errorf("name the epoch: %w", err)
	}
	if c.net, err = connect(ctx, n, cfg.Log); err != nil {
		return nil, err
	}
	if err := c.setUp(ctx, random); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close stops the parties.
func (c *Cluster) Close() error { return c.net.close() }

func (c *Cluster) setUp(ctx context.Context, random io.Reader) error {
	identities, public, err := newIdentities(c.cfg.Parties)
	if err != nil {
		return err
	}
	keys := make([]*prss.Keys, c.cfg.Parties)
	if c.cfg.Parties <= maxPRSSMembers { // noise is not dealt
		if keys, err = c.setUpPRSS(ctx, random); err != nil {
			return err
		}
	}
	for i := range c.cfg.Parties {
		p := &party{index: i + 1, identity: identities[i], public: public[i], keys: keys[i]}
		if _, err := io.ReadFull(random, p.secret[:]); err != nil {
			return fmt.Errorf("secret of party %d: %w", p.index, err)
		}
		if kind, faulty := c.cfg.Faults[p.index]; faulty {
			p.fault = &fault.Party{Kind: kind}
		}
		c.parties = append(c.parties, p)
	}
	return nil
}

func newIdentities(n int) (identities []*mpc.Identity, public []ed25519.PublicKey, err error) {
	public = make([]ed25519.PublicKey, n)
	private := make([]ed25519.PrivateKey, n)
	for i := range n {
		if public[i], private[i], err = ed25519.GenerateKey(rand.Reader); err != nil {
			return nil, nil, fmt.Errorf("signing key of party %d: %w", i+1, err)
		}
	}
	identities = make([]*mpc.Identity, n)
	for i := range n {
		if identities[i], err = mpc.NewIdentity(i+1, private[i], public); err != nil {
			return nil, nil, err
		}
	}
	return identities, public, nil
}

// maxPRSSMembers is the number of parties above which randomness is always dealt.
const maxPRSSMembers = 13

// dealt reports whether the parties deal each other their randomness.
func (c *Cluster) dealt() bool { return c.cfg.Dealt || c.cfg.Parties > maxPRSSMembers }

// setUpPRSS plays the chain's part, which is to record the roots.
func (c *Cluster) setUpPRSS(ctx context.Context, random io.Reader) ([]*prss.Keys, error) {
	n, t := c.code.N(), c.code.T()
	contributions, roots := make([]*prss.Contribution, n), map[int]mpc.Digest{}
	var err error
	for i := range n {
		if contributions[i], err = prss.NewContribution(random, c.epoch, i+1, n, t); err != nil {
			return nil, err
		}
		roots[i+1] = contributions[i].Root()
	}
	setups, machines := make([]*prss.Setup, n), make([]mpc.Machine, n)
	for i := range n {
		if setups[i], err = prss.NewSetup(contributions[i], roots); err != nil {
			return nil, err
		}
		machines[i] = setups[i]
	}
	if err := c.runAll(ctx, c.session("prss-setup", nil), machines); err != nil {
		return nil, fmt.Errorf("set-up of pseudo-random secret sharing: %w", err)
	}
	keys := make([]*prss.Keys, n)
	for i := range n {
		keys[i] = setups[i].Keys()
	}
	return keys, nil
}

// session names the next session, with all parties. The counter takes the place of
// the request ids that a chain would give.
func (c *Cluster) session(protocol string, inputs []mpc.Digest) mpc.Session {
	c.sessions++
	return mpc.Session{
		ChainID: chainID, Subject: append(c.epoch[:], mpc.Uint64(c.sessions)...), Ciphertexts: inputs,
		Parameters: c.parameters.Name, Epoch: epochNumber, Protocol: protocol, Parties: sharing.AllParties(c.code.N()), T: c.code.T(),
	}
}

// runAll runs one machine a party as one session until all are done; the first
// failure ends it.
func (c *Cluster) runAll(ctx context.Context, s mpc.Session, machines []mpc.Machine) error {
	id := session.ID(s.ID())
	group, ctx := errgroup.WithContext(ctx)
	for i, node := range c.net.nodes {
		group.Go(func() error {
			if err := node.router.Run(ctx, id, machines[i]); err != nil {
				return fmt.Errorf("party %d: %w", node.index, err)
			}
			return nil
		})
	}
	return group.Wait()
}
