package tfhe

import (
	"fmt"

	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// Masks gives the masks of one component of a key set, expanded from the key
// set's seed: all components share one stream, one after the other in the order of
// [Component], their rows in order, mask words little-endian. It is safe for
// concurrent use.
type Masks struct {
	part   Part
	stream maskStream
	offset uint64 // of the component in the stream, in bytes
}

// maskBytes is the length of a component's part of the mask stream.
func (p Part) maskBytes() uint64 {
	return uint64(p.Rows()) * uint64(p.MaskWords()) * uint64(p.wordSize()) // #nosec G115 -- positive
}

// bodyBytes is the length of a component's bodies.
func (p Part) bodyBytes() int64 {
	return int64(p.Rows()) * int64(p.BodyWords()) * int64(p.wordSize())
}

// maskOffset returns the place in the stream at which a component's masks start.
func (p Parameters) maskOffset(c Component) uint64 {
	var at uint64
	for before := range c {
		if part, ok := p.Part(before); ok {
			at += part.maskBytes()
		}
	}
	return at
}

// Masks returns the masks of a component for the seed of the key set, which
// [KeySetSeed] makes the seed of the stream. A component that the set has not is
// [ErrParameters].
func (p Parameters) Masks(seed [16]byte, c Component) (*Masks, error) {
	part, ok := p.Part(c)
	if !ok {
		return nil, fmt.Errorf("masks of %v, which the set %q has not: %w", c, p.Name, ErrParameters)
	}
	return &Masks{part: part, stream: KeySetSeed(seed).stream(), offset: p.maskOffset(c)}, nil
}

// Row writes the masks of row r and, if dst is longer than one, of the rows after
// it: MaskWords words a row. It panics unless the component is modulo 2^64, dst is
// a number of whole rows, and they exist.
func (m *Masks) Row(r int, dst []uint64) {
	m.stream.words(m.place(r, len(dst), 64), dst)
}

// RowWide is Row for a component modulo 2^128.
func (m *Masks) RowWide(r int, dst []wide.Word) {
	m.stream.wideWords(m.place(r, len(dst), 128), dst)
}

func (m *Masks) place(r, words int, width uint) uint64 {
	if m.part.Width != width {
		panic("tfhe: masks of another width")
	}
	return m.offset + m.part.place(r, words, m.part.MaskWords())
}

// place returns the bytes before row r of so many words, of which words are read.
func (p Part) place(r, words, row int) uint64 {
	if words%row != 0 || r < 0 || r > p.Rows()-words/row {
		panic("tfhe: rows out of range")
	}
	return uint64(r) * uint64(row) * uint64(p.wordSize()) // #nosec G115 -- positive
}
