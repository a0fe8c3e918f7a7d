package qbft

import (
	"fmt"

	"github.com/ethereum/go-ethereum/rlp"
)

// splitList returns the encoded items of a list that is the whole of b and has
// least … most items. Canonical sizes are checked by rlp.Split.
func splitList(b []byte, least, most int) ([][]byte, error) {
	content, rest, err := rlp.SplitList(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%w: %d bytes after the list", ErrMalformed, len(rest))
	}
	var items [][]byte
	for len(content) > 0 {
		if len(items) == most {
			return nil, fmt.Errorf("%w: more than %d items", ErrMalformed, most)
		}
		_, _, rest, err := rlp.Split(content)
		if err != nil {
			return nil, fmt.Errorf("%w: item %d: %w", ErrMalformed, len(items), err)
		}
		items = append(items, content[:len(content)-len(rest)])
		content = rest
	}
	if len(items) < least {
		return nil, fmt.Errorf("%w: %d items, want at least %d", ErrMalformed, len(items), least)
	}
	return items, nil
}

// fixedString reads an encoded string of exactly len(into) bytes.
func fixedString(item, into []byte) error {
	content, _, err := rlp.SplitString(item)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(content) != len(into) {
		return fmt.Errorf("%w: %d bytes, want %d", ErrMalformed, len(content), len(into))
	}
	copy(into, content)
	return nil
}

// shortString checks that an item is a string of at most the given length.
func shortString(item []byte, most int) error {
	content, _, err := rlp.SplitString(item)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(content) > most {
		return fmt.Errorf("%w: %d bytes, want at most %d", ErrMalformed, len(content), most)
	}
	return nil
}

// scalar reads an encoded integer below 2⁶⁴ without leading zeros.
func scalar(item []byte) (uint64, error) {
	x, _, err := rlp.SplitUint64(item)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return x, nil
}

// joinList encodes already encoded items as one list.
func joinList(items [][]byte) []byte {
	w := rlp.NewEncoderBuffer(nil)
	list := w.List()
	for _, item := range items {
		// The buffer's Write appends and cannot fail.
		_, _ = w.Write(item)
	}
	w.ListEnd(list)
	return w.ToBytes()
}
