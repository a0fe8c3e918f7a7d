package prss

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"slices"
)

// reader reads the key streams of a kind, one a set, from a common position on.
type reader struct {
	keys     []stream
	position uint64 // block of key stream with the next item's first byte
	skip     int    // bytes before it
	counter  [aes.BlockSize]byte

	// Of long reads: each set's bulk counter mode and the last block it made.
	counters []cipher.Stream
	tails    [][aes.BlockSize]byte

	raw []byte // a stretch of key stream
}

// singleBlocks is the stretch up to which encrypting block by block is quicker
// than setting up a bulk counter mode.
const singleBlocks = 16

// positionBits is the part of the counter that counts 16-byte blocks; sub and try
// fill the rest of its 64 bits.
const positionBits = 40

// seek sets the position to that of count items of size bytes at a, ErrRange if the
// stream does not reach as far.
func (r *reader) seek(a Address, size, count int) error {
	width := uint64(max(size, 1)) // #nosec G115 -- positive
	limit := uint64(1)<<positionBits*aes.BlockSize/width - 1
	if a.First > limit || uint64(count) > limit-a.First { // #nosec G115 -- a count is not negative
		return fmt.Errorf("%w: items %d…+%d", ErrRange, a.First, count)
	}
	start := a.First * width
	r.skip = int(start % aes.BlockSize)
	r.position = uint64(a.Try)<<56 | uint64(a.Sub)<<positionBits | start/aes.BlockSize
	return nil
}

// start prepares to read total bytes of each set's stream, piece at most at a time.
func (r *reader) start(keys []stream, total, piece int) {
	r.keys = keys
	r.raw = resize(r.raw, span(piece)*aes.BlockSize)
	r.counters, r.tails = r.counters[:0], r.tails[:0]
	if span(total) > singleBlocks {
		r.bulk()
	}
}

// span returns the blocks that hold size bytes wherever they begin, one more at most.
func span(size int) int { return (2*(aes.BlockSize-1) + size) / aes.BlockSize }

func resize[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }

// bulk sets up counter modes.
func (r *reader) bulk() {
	r.counters = resize(r.counters, len(r.keys))
	r.tails = resize(r.tails, len(r.keys))
	for i := range r.keys {
		r.count(i, 0)
		r.counters[i] = cipher.NewCTR(r.keys[i].block, r.counter[:])
		if r.skip != 0 {
			r.counters[i].XORKeyStream(r.tails[i][:], r.tails[i][:])
		}
	}
}

// count sets counter to the input of block position+ahead of the set's key stream.
func (r *reader) count(set, ahead int) {
	copy(r.counter[:], r.keys[set].iv[:])
	binary.BigEndian.PutUint64(r.counter[8:], r.position+uint64(ahead)) // #nosec G115 -- seek bounds it
}

// read returns the next size bytes of the set's key stream, until it is called again.
// Between two steps it reads each set once.
func (r *reader) read(set, size int) []byte {
	blocks := (r.skip + size + aes.BlockSize - 1) / aes.BlockSize
	raw := r.raw[:blocks*aes.BlockSize]
	if len(r.counters) == 0 {
		for b := range blocks {
			r.count(set, b)
			r.keys[set].block.Encrypt(raw[b*aes.BlockSize:], r.counter[:])
		}
		return raw[r.skip:][:size]
	}
	fresh, tail := raw, r.tails[set][:]
	if r.skip != 0 { // the counter mode is past the first block
		copy(raw, tail)
		fresh = raw[aes.BlockSize:]
	}
	clear(fresh)
	r.counters[set].XORKeyStream(fresh, fresh)
	copy(tail, raw[len(raw)-aes.BlockSize:])
	return raw[r.skip:][:size]
}

// step moves past size bytes that were read of all sets.
func (r *reader) step(size int) {
	size += r.skip
	r.position += uint64(size / aes.BlockSize) // #nosec G115 -- seek bounds it
	r.skip = size % aes.BlockSize
}

// erase clears what was read.
func (r *reader) erase() {
	clear(r.tails)
	clear(r.counters)
	clear(r.raw)
	r.keys = nil
}
