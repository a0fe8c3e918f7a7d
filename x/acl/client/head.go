package client

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/tkms-network/tkms/x/acl/qbft"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
)

// Head is a header of the host chain as a node gave it: nothing in it is true before
// Check has verified its seals.
type Head struct {
	// Raw is the header's RLP, Height its number, Time in seconds since the epoch.
	Raw          []byte
	Height, Time uint64
	Root         common.Hash
	// Hash names the block on its own chain.
	Hash common.Hash
	// Bloom is of all logs of the block, Receipts the root of its receipts.
	Bloom    types.Bloom
	Receipts common.Hash

	number *big.Int
	sealed *qbft.Header
}

// Head asks for the newest header. Errors: ErrNode, ErrBadAnswer.
func (n *Node) Head(ctx context.Context) (*Head, error) { return n.header(ctx, nil) }

// HeadAt asks for the header of a height. Errors: ErrNode, also while the node does not
// have the block, and ErrBadAnswer.
func (n *Node) HeadAt(ctx context.Context, height uint64) (*Head, error) {
	head, err := n.header(ctx, new(big.Int).SetUint64(height))
	if err == nil && head.Height != height {
		return nil, fmt.Errorf("%w: block %d instead of %d", ErrBadAnswer, head.Height, height)
	}
	return head, err
}

// header rebuilds a header's RLP from the JSON of its block. Fields of a later fork
// that this build does not know would be missing in it; the seals then do not verify.
func (n *Node) header(ctx context.Context, number *big.Int) (*Head, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	header, err := n.eth.HeaderByNumber(ctx, number)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNode, err)
	}
	return newHead(header)
}

func newHead(header *types.Header) (*Head, error) {
	raw, err := rlp.EncodeToBytes(header)
	if err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrBadAnswer, err)
	}
	sealed, err := qbft.DecodeHeader(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadAnswer, err)
	}
	return &Head{
		Raw: raw, Height: sealed.Height, Time: sealed.Time, Root: sealed.StateRoot, Hash: sealed.BlockHash(),
		Bloom: header.Bloom, Receipts: header.ReceiptHash, number: header.Number, sealed: sealed,
	}, nil
}

// Check verifies the seals against the validators on TKMS's record, and tells whether
// the header is of a set that may succeed them. Errors are those of package qbft if
// TKMS would not accept the header.
func (h *Head) Check(record *acltypes.HostChain) (succession bool, err error) {
	trusted, err := record.ValidatorSet()
	if err != nil {
		return false, err
	}
	if !h.sealed.CarriesOther(trusted) {
		return false, h.sealed.Verify(trusted)
	}
	if _, err := h.sealed.VerifySuccession(trusted); err != nil {
		return false, err
	}
	return true, nil
}
