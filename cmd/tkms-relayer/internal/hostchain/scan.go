package hostchain

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
)

// scanBatch is how many headers are fetched at a time.
const scanBatch = 64

// ErrNoRecord reports that TKMS's record of the host chain is not known yet.
var ErrNoRecord = errors.New("TKMS does not know the host chain yet")

// Event is one event of a contract.
type Event struct {
	// Height and Index say where it is: the block, and its place among the block's events.
	Height uint64
	Index  int
	Topics []common.Hash
	Data   []byte
}

// Scan returns a contract's events in the blocks from a height on that have the first
// topic and, as the second, one of several; and the height after the last block that it
// looked at, which may be from itself. Only sealed blocks are looked at, and of these no
// event is left out: the seals cover the receipts' root. Not so for blocks before the
// height from which TKMS knows the validators, whose seals nobody can judge any more.
func (h *Host) Scan(ctx context.Context, from uint64, contract common.Address, first common.Hash, second []common.Hash) (next uint64, events []Event, err error) {
	record := h.record(ctx)
	if record == nil {
		return from, nil, ErrNoRecord
	}
	// Nobody seals the genesis block, and nothing happens in it.
	from = max(from, 1)
	sealed := h.Sealed()
	if sealed < from {
		return from, nil, nil
	}
	s := scan{record: record, contract: contract, first: first, second: second}
	count := int(min(scanBatch, sealed-from+1))
	type found struct {
		next   uint64
		events []Event
	}
	f, err := race(ctx, h, func(ctx context.Context, m *member) (found, error) {
		next, events, err := s.blocks(ctx, m, from, count)
		return found{next, events}, err
	})
	return max(f.next, from), f.events, err
}

// scan is what is looked for.
type scan struct {
	record   *acltypes.HostChain
	contract common.Address
	first    common.Hash
	second   []common.Hash
}

func (s scan) blocks(ctx context.Context, m *member, from uint64, count int) (next uint64, events []Event, err error) {
	heads, err := m.Heads(ctx, from, count)
	if err != nil {
		return 0, nil, err
	}
	if len(heads) == 0 {
		return 0, nil, fmt.Errorf("%w: no block %d", errBehind, from)
	}
	for _, head := range heads {
		if _, err := head.Check(s.record); err != nil && head.Height >= s.record.ValidatorsHeight {
			return 0, nil, err
		}
		if !s.mayHave(head) {
			continue
		}
		receipts, err := m.Receipts(ctx, head)
		if err != nil {
			return 0, nil, err
		}
		events = append(events, s.in(head, receipts)...)
	}
	return from + uint64(len(heads)), events, nil
}

// mayHave tells whether a block may have events that are looked for: its bloom, which is
// sealed, says for most that have none.
func (s scan) mayHave(head *client.Head) bool {
	return types.BloomLookup(head.Bloom, s.contract) && types.BloomLookup(head.Bloom, s.first) &&
		slices.ContainsFunc(s.second, func(topic common.Hash) bool { return types.BloomLookup(head.Bloom, topic) })
}

func (s scan) in(head *client.Head, receipts []*types.Receipt) []Event {
	var events []Event
	index := 0
	for _, receipt := range receipts {
		for _, log := range receipt.Logs {
			if log.Address == s.contract && len(log.Topics) > 1 && log.Topics[0] == s.first && slices.Contains(s.second, log.Topics[1]) {
				events = append(events, Event{Height: head.Height, Index: index, Topics: log.Topics, Data: log.Data})
			}
			index++
		}
	}
	return events
}
