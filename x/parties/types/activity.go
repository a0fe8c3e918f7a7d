package types

import "slices"

// maxResultBlocks is the number of latest results that latency is shown of.
const maxResultBlocks = 64

// AddResult counts a result that came the given number of blocks after its request was
// accepted.
func (a *Activity) AddResult(blocks uint64) {
	a.Results++
	const longest = 1<<32 - 1
	a.ResultBlocks = append(a.ResultBlocks, uint32(min(blocks, longest)))
	if excess := len(a.ResultBlocks) - maxResultBlocks; excess > 0 {
		a.ResultBlocks = slices.Delete(a.ResultBlocks, 0, excess)
	}
}

// Latency sums up the latest results; of none it is zero.
func (a Activity) Latency() Latency {
	if len(a.ResultBlocks) == 0 {
		return Latency{}
	}
	var sum uint64
	for _, blocks := range a.ResultBlocks {
		sum += uint64(blocks)
	}
	count := uint64(len(a.ResultBlocks))
	return Latency{Results: uint32(count), MeanMilliblocks: sum * 1000 / count, WorstBlocks: slices.Max(a.ResultBlocks)}
}

func (a Activity) validate() error {
	if len(a.ResultBlocks) > maxResultBlocks || uint64(len(a.ResultBlocks)) > a.Results || a.Results > a.Contributions {
		return ErrInvalidMessage.Wrapf("activity of party %d: latest results are among its results, and these among its contributions", a.PartyId)
	}
	return nil
}
