package vss

import (
	"math/bits"
	"sync"
)

// extractor says which dealings are added up to an output: row j has bit i set if that
// of the i-th dealer is one of them.
type extractor struct {
	rows []uint32
}

type extractorKey struct{ dealers, t int }

var extractors sync.Map

// extractorFor returns the rows for some number of dealers of which t are corrupt, at
// most 31 and 10: a basis of the lexicographic code of that length and distance t+1, so
// that any sum of rows has more than t dealers.
func extractorFor(dealers, t int) extractor {
	key := extractorKey{dealers, t}
	if e, ok := extractors.Load(key); ok {
		return e.(extractor)
	}
	e := extractor{rows: lexicode(dealers, t+1)}
	extractors.Store(key, e)
	return e
}

// lexicode returns a basis of the binary linear code that grows, word by word in
// ascending order, by each word that has the distance from all words so far. No two words
// of the basis have the same highest bit, since their sum would have come before.
func lexicode(length, distance int) []uint32 {
	code := []uint32{0}
	var basis []uint32
	for top := range length {
		for word := uint32(1) << top; word < 1<<(top+1); word++ {
			if !apart(code, word, distance) {
				continue
			}
			basis = append(basis, word)
			for _, c := range code {
				code = append(code, c^word)
			}
			break
		}
	}
	return basis
}

// apart reports whether a word has the distance from all words of a code.
func apart(code []uint32, word uint32, distance int) bool {
	for _, c := range code {
		if bits.OnesCount32(c^word) < distance {
			return false
		}
	}
	return true
}
