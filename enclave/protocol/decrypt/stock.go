package decrypt

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/protocol/preproc"
)

// takeStock checks that the stock has an item for each block, none twice and none
// used before, likewise what lifts the values, and marks all of it as used.
func (m *Machine) takeStock(stock, lift []*preproc.Batch) (err error) {
	if m.segments, err = m.assign(stock, m.shape); err != nil {
		return err
	}
	if len(lift) > 0 {
		if m.lifter, err = newLifter(m, lift); err != nil {
			return err
		}
	}
	for _, b := range append(stock[:len(stock):len(stock)], lift...) {
		if err := b.Take(); err != nil {
			return err
		}
	}
	return nil
}

// assign gives each block an item of batches of a shape, in order.
func (m *Machine) assign(batches []*preproc.Batch, shape preproc.Shape) ([]segment, error) {
	var segments []segment
	items := 0
	for i, b := range batches {
		if b.Shape() != shape || !b.Fits(m.code, m.self) {
			return nil, fmt.Errorf("%w: stock %v of shape %v", ErrConfig, b, b.Shape())
		}
		first, n := b.Range()
		segments = append(segments, segment{batch: b, first: items, count: n})
		items += n
		for _, other := range batches[:i] {
			start, count := other.Range()
			if other.Context() == b.Context() && first < start+uint64(count) && start < first+uint64(n) { // #nosec G115 -- positive
				return nil, fmt.Errorf("%w: an item for two blocks, in %v and %v", ErrConfig, other, b)
			}
		}
	}
	if items != m.count {
		return nil, fmt.Errorf("%w: %d items for %d blocks", ErrConfig, items, m.count)
	}
	return segments, nil
}

// segment is the part of the blocks that takes its items from one batch.
type segment struct {
	batch *preproc.Batch
	// first and count are blocks of the session.
	first, count int
}
