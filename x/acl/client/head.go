package client

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/trie"

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
//
// It rebuilds the header's RLP from the JSON of its block. Fields of a later fork that
// this build does not know would be missing in it; the seals then do not verify.
func (n *Node) Head(ctx context.Context) (*Head, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	header, err := n.eth.HeaderByNumber(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNode, err)
	}
	return newHead(header)
}

// Receipts returns the receipts of a head's block. They are those under the header's
// root, all of them, or ErrBadAnswer; errors are also ErrNode. A receipt's hash, block
// and index are not under the root.
func (n *Node) Receipts(ctx context.Context, head *Head) ([]*types.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	receipts, err := n.eth.BlockReceipts(ctx, rpc.BlockNumberOrHashWithNumber(rpc.BlockNumber(head.Height)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNode, err)
	}
	if root := types.DeriveSha(types.Receipts(receipts), trie.NewStackTrie(nil)); root != head.Receipts {
		return nil, fmt.Errorf("%w: receipts under %s, block %d has %s", ErrBadAnswer, root, head.Height, head.Receipts)
	}
	return receipts, nil
}

// Notify calls wake for each new block that the node tells of, until the context or the
// connection ends. A node that does not tell of blocks, as none does over HTTP, is an
// error at once.
func (n *Node) Notify(ctx context.Context, wake func()) error {
	headers := make(chan *types.Header, 16)
	subscription, err := n.eth.SubscribeNewHead(ctx, headers)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNode, err)
	}
	defer subscription.Unsubscribe()
	for {
		select {
		case <-headers:
			wake()
		case err := <-subscription.Err():
			return fmt.Errorf("%w: %w", ErrNode, err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Heads asks for the headers of count blocks from a height on, in one round trip, and
// returns those that the node has: fewer, or none, if it is not as far. Errors: ErrNode,
// ErrBadAnswer.
func (n *Node) Heads(ctx context.Context, from uint64, count int) ([]*Head, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	headers := make([]*types.Header, count)
	batch := make([]rpc.BatchElem, count)
	for i := range batch {
		batch[i] = rpc.BatchElem{Method: "eth_getBlockByNumber", Args: []any{hexutil.Uint64(from + uint64(i)), false}, Result: &headers[i]}
	}
	if err := n.rpc.BatchCallContext(ctx, batch); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNode, err)
	}
	heads := make([]*Head, 0, count)
	for i, header := range headers {
		if err := batch[i].Error; err != nil {
			return nil, fmt.Errorf("%w: eth_getBlockByNumber: %w", ErrNode, err)
		}
		if header == nil {
			break
		}
		head, err := newHead(header)
		if err != nil {
			return nil, err
		}
		if want := from + uint64(i); head.Height != want {
			return nil, fmt.Errorf("%w: block %d instead of %d", ErrBadAnswer, head.Height, want)
		}
		heads = append(heads, head)
	}
	return heads, nil
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
