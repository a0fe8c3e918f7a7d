package stock

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tkms-network/tkms/enclave/mpc/wire"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
)

// Range is a run of items.
type Range struct {
	First uint64
	Count int
}

// Version says as which generations made them the batches of some items are taken.
// A batch that was made when the set of members changed may be held as one
// generation made it by some members and as the next by others: a request is
// answered with whichever enough of them have. Masks of two generations are
// independent, and each meets that request's input only.
type Version string

// Versions returns the versions in which all the items are held, the newest first:
// for each generation the newest batches that are not newer than it. The channel is
// closed when there may be others. ErrRange for ranges that cannot be.
func (s *Stock) Versions(ranges ...Range) (versions []Version, changed <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lists [][]made
	var all []uint32
	for _, r := range ranges {
		if r.Count < 1 || r.First+uint64(r.Count) < r.First {
			return nil, nil, ErrRange
		}
		for number := r.First / BatchItems; number <= (r.First+uint64(r.Count)-1)/BatchItems; number++ {
			list := s.batches[number]
			lists = append(lists, list)
			for _, m := range list {
				all = append(all, m.generation)
			}
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	slices.Reverse(all)
	for _, generation := range all {
		if version, ok := asOf(generation, lists); ok {
			versions = append(versions, version)
		}
	}
	return versions, s.changed, nil
}

// asOf returns the version of a generation, false if some batch was made only later.
func asOf(generation uint32, lists [][]made) (Version, bool) {
	var version []byte
	for _, list := range lists {
		at := len(list)
		for at > 0 && list[at-1].generation > generation {
			at--
		}
		if at == 0 {
			return "", false
		}
		version = binary.BigEndian.AppendUint32(version, list[at-1].generation)
	}
	return Version(version), true
}

// Cut returns copies of the items in a version, ErrMissing if it is not held.
func (s *Stock) Cut(version Version, ranges ...Range) ([]*preproc.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := wire.NewReader([]byte(version))
	var pieces []*preproc.Batch
	for _, items := range ranges {
		for at, end := items.First, items.First+uint64(items.Count); at < end; { // #nosec G115 -- Versions took the ranges
			number, generation := at/BatchItems, r.Uint32()
			stop := min(end, (number+1)*BatchItems)
			list := s.batches[number]
			place := slices.IndexFunc(list, func(m made) bool { return m.generation == generation })
			if place < 0 || r.Failed() {
				return nil, fmt.Errorf("%w: batch %d", ErrMissing, number)
			}
			piece, err := list[place].batch.Cut(at, int(stop-at)) // #nosec G115 -- at most BatchItems
			if err != nil {
				return nil, fmt.Errorf("stock: cut: %w", err)
			}
			pieces = append(pieces, piece)
			at = stop
		}
	}
	return pieces, nil
}
