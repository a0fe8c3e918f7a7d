package hostchain

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/filtermaps"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/eth/gasprice"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/event"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

// errUnknownBlock answers requests about blocks that the chain does not have.
var errUnknownBlock = errors.New("unknown block")

// backend gives go-ethereum's log filters and gas price oracle their view of the chain. QBFT blocks
// are final at once, hence the tags latest, safe, finalized and pending all mean the head.
type backend struct{ c *Chain }

var (
	_ filters.Backend        = backend{}
	_ gasprice.OracleBackend = backend{}
)

func (b backend) ChainDb() ethdb.Database            { return b.c.database }
func (b backend) ChainConfig() *params.ChainConfig   { return b.c.chain.Config() }
func (b backend) CurrentHeader() *types.Header       { return b.c.chain.CurrentHeader() }
func (b backend) HistoryPruningCutoff() uint64       { return 0 }
func (b backend) CurrentView() *filtermaps.ChainView { return chainView(b.c.chain) }
func (b backend) NewMatcherBackend() filtermaps.MatcherBackend {
	return b.c.logIndex.maps.NewMatcherBackend()
}

func (b backend) HeaderByNumber(_ context.Context, number rpc.BlockNumber) (*types.Header, error) {
	switch {
	case number == rpc.EarliestBlockNumber:
		return b.c.chain.GetHeaderByNumber(0), nil
	case number < 0:
		return b.c.head(), nil
	}
	return b.c.chain.GetHeaderByNumber(uint64(number)), nil
}

func (b backend) HeaderByHash(_ context.Context, hash common.Hash) (*types.Header, error) {
	return b.c.chain.GetHeaderByHash(hash), nil
}

func (b backend) BlockByNumber(ctx context.Context, number rpc.BlockNumber) (*types.Block, error) {
	header, err := b.HeaderByNumber(ctx, number)
	if header == nil || err != nil {
		return nil, err
	}
	return b.c.chain.GetBlock(header.Hash(), header.Number.Uint64()), nil
}

func (b backend) GetBody(_ context.Context, hash common.Hash, _ rpc.BlockNumber) (*types.Body, error) {
	if body := b.c.chain.GetBody(hash); body != nil {
		return body, nil
	}
	return nil, errUnknownBlock
}

func (b backend) GetReceipts(_ context.Context, hash common.Hash) (types.Receipts, error) {
	return b.c.chain.GetReceiptsByHash(hash), nil
}

func (b backend) GetLogs(_ context.Context, hash common.Hash, number uint64) ([][]*types.Log, error) {
	return rawdb.ReadLogs(b.c.database, hash, number), nil
}

// Pending reports no pending block: the oracle then works from the head.
func (b backend) Pending() (*types.Block, types.Receipts, *state.StateDB) { return nil, nil, nil }

func (b backend) SubscribeNewTxsEvent(ch chan<- core.NewTxsEvent) event.Subscription {
	return b.c.pool.SubscribeTransactions(ch, true)
}

func (b backend) SubscribeChainEvent(ch chan<- core.ChainEvent) event.Subscription {
	return b.c.chain.SubscribeChainEvent(ch)
}

func (b backend) SubscribeChainHeadEvent(ch chan<- core.ChainHeadEvent) event.Subscription {
	return b.c.chain.SubscribeChainHeadEvent(ch)
}

func (b backend) SubscribeRemovedLogsEvent(ch chan<- core.RemovedLogsEvent) event.Subscription {
	return b.c.chain.SubscribeRemovedLogsEvent(ch)
}

func (b backend) SubscribeLogsEvent(ch chan<- []*types.Log) event.Subscription {
	return b.c.chain.SubscribeLogsEvent(ch)
}

// header resolves a block argument; nil means the head.
func (b backend) header(at *rpc.BlockNumberOrHash) (*types.Header, error) {
	var header *types.Header
	switch {
	case at == nil:
		header = b.c.head()
	case at.BlockHash != nil:
		header = b.c.chain.GetHeaderByHash(*at.BlockHash)
		if header != nil && at.RequireCanonical && b.c.chain.GetCanonicalHash(header.Number.Uint64()) != *at.BlockHash {
			return nil, fmt.Errorf("block %s is not canonical", at.BlockHash)
		}
	default:
		number, _ := at.Number()
		header, _ = b.HeaderByNumber(context.Background(), number)
	}
	if header == nil {
		return nil, errUnknownBlock
	}
	return header, nil
}

// stateAt returns the state after a block, nil meaning the head.
func (b backend) stateAt(at *rpc.BlockNumberOrHash) (*state.StateDB, *types.Header, error) {
	header, err := b.header(at)
	if err != nil {
		return nil, nil, err
	}
	statedb, err := b.c.chain.StateAt(header.Root, header.Number, header.Time)
	if err != nil {
		return nil, nil, fmt.Errorf("state of block %d: %w", header.Number, err)
	}
	return statedb, header, nil
}

// logIndex is go-ethereum's log index, switched off: logs are searched block by block, which is
// quick on chains as short as these.
type logIndex struct {
	maps  *filtermaps.FilterMaps
	chain *core.BlockChain
}

func newLogIndex(db ethdb.Database, chain *core.BlockChain) (*logIndex, error) {
	maps, err := filtermaps.NewFilterMaps(db, chainView(chain), 0, 0, filtermaps.DefaultParams, filtermaps.Config{Disabled: true, HashScheme: true})
	if err != nil {
		return nil, fmt.Errorf("hostchain: log index: %w", err)
	}
	maps.Start()
	return &logIndex{maps: maps, chain: chain}, nil
}

func (l *logIndex) update(head *types.Header) {
	if view := chainView(l.chain); view != nil {
		l.maps.SetTarget(view, 0, head.Number.Uint64())
	}
}

func (l *logIndex) close() { l.maps.Stop() }

func chainView(chain *core.BlockChain) *filtermaps.ChainView {
	head := chain.CurrentBlock()
	return filtermaps.NewChainView(chain, head.Number.Uint64(), head.Hash())
}
