package transcript

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// LeafItems is the number of elements in a leaf; the last leaf of a run may have
// fewer. 128 elements are whole bytes, whatever the ring.
const LeafItems = 128

// Bounds of a layout: what one session sends.
const (
	maxK     = 128
	maxRuns  = 1 << 12
	maxCount = 1 << 20
)

// Errors of this package.
var (
	// ErrLayout reports a layout outside its bounds, or bytes that are none.
	ErrLayout = errors.New("transcript: malformed layout")
	// ErrShare reports a signed share that does not prove what it is to prove.
	ErrShare = errors.New("transcript: the share is not the one that was signed")
)

// Run is a vector of Count elements of R_K, K in 1..128, packed together.
type Run struct {
	K     uint
	Count int
}

// Layout is all that a party sends in a session under one root, in order.
type Layout struct {
	// Degree is d, the coordinates of an element.
	Degree int
	Runs   []Run
}

// Check returns ErrLayout unless the layout is within its bounds.
func (l Layout) Check() error {
	if l.Degree != 4 && l.Degree != ring.MaxDegree || len(l.Runs) < 1 || len(l.Runs) > maxRuns {
		return fmt.Errorf("%w: degree %d, %d runs", ErrLayout, l.Degree, len(l.Runs))
	}
	for _, r := range l.Runs {
		if r.K < 1 || r.K > maxK || r.Count < 1 || r.Count > maxCount {
			return fmt.Errorf("%w: %d elements of R_%d", ErrLayout, r.Count, r.K)
		}
	}
	return nil
}

// Bytes returns the length of run i on the wire.
func (l Layout) Bytes(i int) int { return ring.PackedLen(l.Runs[i].Count*l.Degree, l.Runs[i].K) }

// MarshalBinary returns the one encoding of the layout: d (1), then for each run
// K (1) and Count (4, big-endian).
func (l Layout) MarshalBinary() ([]byte, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	out := make([]byte, 0, 1+5*len(l.Runs))
	out = append(out, byte(l.Degree))
	for _, r := range l.Runs {
		out = append(out, byte(r.K))
		out = binary.BigEndian.AppendUint32(out, uint32(r.Count)) // #nosec G115 -- at most maxCount
	}
	return out, nil
}

// UnmarshalLayout reads what MarshalBinary wrote, ErrLayout else.
func UnmarshalLayout(raw []byte) (Layout, error) {
	if len(raw) < 6 || len(raw)%5 != 1 || len(raw) > 1+5*maxRuns {
		return Layout{}, fmt.Errorf("%w: %d bytes", ErrLayout, len(raw))
	}
	l := Layout{Degree: int(raw[0])}
	for raw = raw[1:]; len(raw) > 0; raw = raw[5:] {
		l.Runs = append(l.Runs, Run{K: uint(raw[0]), Count: int(binary.BigEndian.Uint32(raw[1:]))})
	}
	return l, l.Check()
}

// Digest returns the layout's digest. It panics on a layout that Check refuses.
func (l Layout) Digest() mpc.Digest {
	raw, err := l.MarshalBinary()
	if err != nil {
		panic(err.Error()) // layouts are made by protocols, or were decoded
	}
	return mpc.Hash("tkms/v1/transcript/layout", raw)
}

func leavesOf(count int) int { return (count + LeafItems - 1) / LeafItems }

// Leaves returns the number of leaves of all runs.
func (l Layout) Leaves() int {
	total := 0
	for _, r := range l.Runs {
		total += leavesOf(r.Count)
	}
	return total
}

// Leaf returns the leaf that has an element, ErrLayout if there is no such element.
func (l Layout) Leaf(run, element int) (int, error) {
	if run < 0 || run >= len(l.Runs) || element < 0 || element >= l.Runs[run].Count {
		return 0, fmt.Errorf("%w: no element %d in run %d", ErrLayout, element, run)
	}
	leaf := element / LeafItems
	for _, r := range l.Runs[:run] {
		leaf += leavesOf(r.Count)
	}
	return leaf, nil
}

// AppendLeaves appends the leaves of run i, whose packed bytes are given; they
// share its memory. It panics if the length is not Bytes(i).
func (l Layout) AppendLeaves(leaves [][]byte, i int, packed []byte) [][]byte {
	if len(packed) != l.Bytes(i) {
		panic("transcript: a run of the wrong length")
	}
	size := ring.PackedLen(LeafItems*l.Degree, l.Runs[i].K)
	for len(packed) > size {
		leaves = append(leaves, packed[:size:size])
		packed = packed[size:]
	}
	return append(leaves, packed)
}

// element reads the element at a place of a leaf of run i.
func (l Layout) element(run, element int, leaf []byte) (wide.Elem, error) {
	r := l.Runs[run]
	items := min(LeafItems, r.Count-element/LeafItems*LeafItems)
	words := make([]wide.Word, items*l.Degree)
	if err := wide.Unpack(words, leaf, r.K); err != nil {
		return wide.Elem{}, fmt.Errorf("%w: %w", ErrShare, err)
	}
	var e wide.Elem
	copy(e[:], words[element%LeafItems*l.Degree:][:l.Degree])
	return e, nil
}
