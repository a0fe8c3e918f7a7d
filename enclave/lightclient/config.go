package lightclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cometbft/cometbft/crypto/tmhash"
	cmtcrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"
	"github.com/cometbft/cometbft/types"
)

// Errors of this package.
var (
	// ErrConfig reports a configuration that cannot work.
	ErrConfig = errors.New("light client: invalid configuration")
	// ErrNotSynced reports that a header is not verified yet. Try again; it is no
	// statement about the chain's state.
	ErrNotSynced = errors.New("light client: not synced to that height yet")
	// ErrHeightGone reports a height whose header is no longer, or never was, kept.
	ErrHeightGone = errors.New("light client: the header of that height is not kept")
	// ErrProof reports that no node delivered a valid proof.
	ErrProof = errors.New("light client: no node delivered a valid proof")
	// ErrFork reports two verified headers in conflict. The client has stopped.
	ErrFork = errors.New("light client: the chain has forked; stop and report the evidence")
	// ErrExpired reports that the last verified header is older than the trusting
	// period: the operator has to provision a new trusted header.
	ErrExpired = errors.New("light client: the trusted header has expired; provision a new one")
	// ErrBadHeader reports a header that does not verify.
	ErrBadHeader = errors.New("light client: header does not verify")
	// ErrNotYet is what a Node returns for a height that it does not have yet.
	ErrNotYet = errors.New("light client: the node does not have that height yet")
	// ErrNode reports a node that is away or answers nonsense.
	ErrNode = errors.New("light client: node failed")
	// ErrState reports a stored state that belongs to another chain or is damaged.
	ErrState = errors.New("light client: stored state is unusable")
)

// Proof is a node's claim about one key, unverified.
type Proof struct {
	// Height is the height that the claim is about.
	Height int64
	// Value is the claimed value, empty for absence.
	Value []byte
	// Ops prove it, innermost first.
	Ops []cmtcrypto.ProofOp
}

// BroadcastResult is a node's answer to a transaction, unverified.
type BroadcastResult struct {
	// Hash is the SHA-256 of the transaction.
	Hash []byte
	// Code is 0 if the node's mempool took the transaction.
	Code uint32
	// Codespace and Log explain another code.
	Codespace, Log string
}

// Node carries requests to one full node. Nothing it returns is trusted. It is
// safe for concurrent use and obeys contexts.
type Node interface {
	// Name identifies the node in logs and status.
	Name() string
	// SignedHeader returns the header and commit of a height, 0 for the latest,
	// or ErrNotYet.
	SignedHeader(ctx context.Context, height int64) (*types.SignedHeader, error)
	// Validators returns the validator set of a height.
	Validators(ctx context.Context, height int64) (*types.ValidatorSet, error)
	// Prove returns value and proof of a key in a store after a height.
	Prove(ctx context.Context, store string, key []byte, height int64) (*Proof, error)
	// Query passes an application query on; height 0 is the latest.
	Query(ctx context.Context, path string, data []byte, height int64) (value []byte, at int64, err error)
	// BroadcastTx hands a transaction to the node's mempool.
	BroadcastTx(ctx context.Context, tx []byte) (*BroadcastResult, error)
	// Watch calls wake, with the height or 0, at every new block until ctx ends
	// or the connection fails. It is a hint only.
	Watch(ctx context.Context, wake func(height int64)) error
}

// Config configures a Client. Zero values of the optional fields take defaults.
type Config struct {
	// ChainID is the TKMS chain's id.
	ChainID string
	// TrustedHeight and TrustedHash name the header fixed at provisioning.
	TrustedHeight int64
	TrustedHash   []byte
	// Nodes are the carriers, at least one.
	Nodes []Node
	// Store keeps the latest verified header across restarts. It must be sealed:
	// whoever writes it decides what the client believes.
	Store Store
	// Now is the clock, as good as the platform has it.
	Now func() time.Time

	// TrustingPeriod bounds the age of the header from which the client goes on
	// (default 7 days).
	TrustingPeriod time.Duration
	// MaxDrift is how far a header's time may be ahead of Now (default 10 s).
	MaxDrift time.Duration
	// MaxWalk is the largest distance walked height by height; a larger one is
	// skipped when catching up (default 64).
	MaxWalk int64
	// Keep is how many verified headers stay in memory (default 4096).
	Keep int
	// Poll is the interval at which nodes are asked without a working event
	// subscription, PollWatched the one with it (default 20 ms and 100 ms).
	Poll, PollWatched time.Duration
	// RequestTimeout bounds each request to a node (default 1 s).
	RequestTimeout time.Duration
	// Stagger is after how long a request is also sent to the next node
	// (default 100 ms).
	Stagger time.Duration
	// SaveInterval is the least time between two writes of the state (default 5 s).
	SaveInterval time.Duration
	// MaxValue bounds proven values in bytes (default 1 MiB).
	MaxValue int
	// Log takes misbehaviour of nodes (default: discarded).
	Log *slog.Logger
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.ChainID == "":
		return c, fmt.Errorf("%w: no chain id", ErrConfig)
	case c.TrustedHeight < 1 || len(c.TrustedHash) != tmhash.Size:
		return c, fmt.Errorf("%w: no trusted header", ErrConfig)
	case len(c.Nodes) == 0:
		return c, fmt.Errorf("%w: no node", ErrConfig)
	case c.Store == nil || c.Now == nil:
		return c, fmt.Errorf("%w: no store or clock", ErrConfig)
	}
	orDefault(&c.TrustingPeriod, 7*24*time.Hour)
	orDefault(&c.MaxDrift, 10*time.Second)
	orDefault(&c.MaxWalk, 64)
	orDefault(&c.Keep, 4096)
	orDefault(&c.Poll, 20*time.Millisecond)
	orDefault(&c.PollWatched, 100*time.Millisecond)
	orDefault(&c.RequestTimeout, time.Second)
	orDefault(&c.Stagger, 100*time.Millisecond)
	orDefault(&c.SaveInterval, 5*time.Second)
	orDefault(&c.MaxValue, 1<<20)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
