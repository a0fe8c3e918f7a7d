package decrypt

import (
	"math/bits"
	"sync"
)

// arena is the working memory of a session. It holds shares, so it is cleared
// before it goes back to the pool.
type arena struct {
	words []uint64
	used  int
}

// pools have arenas of 2^i words.
var pools [bits.UintSize]sync.Pool

func newArena(words int) *arena {
	class := bits.Len(uint(words))
	if a, ok := pools[class].Get().(*arena); ok {
		return a
	}
	return &arena{words: make([]uint64, 1<<class)}
}

// take returns zeros.
func (a *arena) take(words int) []uint64 {
	if words > len(a.words)-a.used {
		return make([]uint64, words)
	}
	out := a.words[a.used : a.used+words : a.used+words]
	a.used += words
	return out
}

// release ends the use of all that was taken.
func (a *arena) release() {
	clear(a.words[:a.used])
	a.used = 0
	pools[bits.Len(uint(len(a.words)))-1].Put(a)
}
