package hostchain

import (
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
)

// ErrHeader is returned for a header that breaks a rule of the chain other than its seals.
var ErrHeader = errors.New("hostchain: invalid header")

// maxClockDrift is how far a header's time may lie ahead of ours.
const maxClockDrift = 15 * time.Second

// engine is the consensus engine given to go-ethereum: it verifies QBFT seals and the header rules
// of Cancun. Blocks are built and sealed by Chain, hence Prepare, Finalize and Seal do nothing.
type engine struct {
	now func() time.Time
}

var _ consensus.Engine = (*engine)(nil)

func (*engine) Author(h *types.Header) (common.Address, error) { return h.Coinbase, nil }

func (e *engine) VerifyHeader(chain consensus.ChainHeaderReader, h *types.Header) error {
	parent := chain.GetHeader(h.ParentHash, h.Number.Uint64()-1)
	if parent == nil {
		return consensus.ErrUnknownAncestor
	}
	return e.verify(chain, parent, h)
}

func (e *engine) VerifyHeaders(chain consensus.ChainHeaderReader, headers []*types.Header) (chan<- struct{}, <-chan error) {
	results := make(chan error, len(headers))
	for i, h := range headers {
		parent := chain.GetHeader(h.ParentHash, h.Number.Uint64()-1)
		if parent == nil && i > 0 && headers[i-1].Hash() == h.ParentHash {
			parent = headers[i-1]
		}
		if parent == nil {
			results <- consensus.ErrUnknownAncestor
			continue
		}
		results <- e.verify(chain, parent, h)
	}
	return make(chan struct{}), results
}

func (e *engine) verify(chain consensus.ChainHeaderReader, parent, h *types.Header) error {
	switch {
	case h.Number.Uint64() != parent.Number.Uint64()+1:
		return fmt.Errorf("%w: number %d after %d", ErrHeader, h.Number, parent.Number)
	case h.Time < parent.Time:
		return fmt.Errorf("%w: older than its parent", ErrHeader)
	case h.Time > uint64(e.now().Add(maxClockDrift).Unix()):
		return consensus.ErrFutureBlock
	case h.Difficulty.Sign() != 0 || h.Nonce != (types.BlockNonce{}) || h.MixDigest != BFTMixHash:
		return fmt.Errorf("%w: difficulty, nonce or mixHash", ErrHeader)
	case h.UncleHash != types.EmptyUncleHash:
		return fmt.Errorf("%w: uncles", ErrHeader)
	case h.WithdrawalsHash == nil || *h.WithdrawalsHash != types.EmptyWithdrawalsHash:
		return fmt.Errorf("%w: withdrawals", ErrHeader)
	case h.ParentBeaconRoot == nil || h.RequestsHash != nil:
		return fmt.Errorf("%w: not a Cancun header", ErrHeader)
	}
	if err := eip1559.VerifyEIP1559Header(chain.Config(), parent, h); err != nil {
		return fmt.Errorf("%w: %w", ErrHeader, err)
	}
	if err := eip4844.VerifyEIP4844Header(chain.Config(), parent, h); err != nil {
		return fmt.Errorf("%w: %w", ErrHeader, err)
	}
	extra, err := DecodeExtraData(h.Extra)
	if err != nil {
		return err
	}
	return VerifySeals(h, extra.Validators)
}

func (*engine) VerifyUncles(_ consensus.ChainReader, b *types.Block) error {
	if len(b.Uncles()) > 0 {
		return fmt.Errorf("%w: uncles", ErrHeader)
	}
	return nil
}

func (*engine) Prepare(consensus.ChainHeaderReader, *types.Header) error { return nil }

func (*engine) Finalize(consensus.ChainHeaderReader, *types.Header, vm.StateDB, *types.Body) {}

func (*engine) Seal(consensus.ChainHeaderReader, *types.Block, chan<- *types.Block, <-chan struct{}) error {
	return errors.New("hostchain: blocks are sealed by Chain")
}

func (*engine) SealHash(h *types.Header) common.Hash {
	hash, err := SealHash(h)
	if err != nil {
		return common.Hash{}
	}
	return hash
}

func (*engine) CalcDifficulty(consensus.ChainHeaderReader, uint64, *types.Header) *big.Int {
	return new(big.Int)
}

func (*engine) Close() error { return nil }
