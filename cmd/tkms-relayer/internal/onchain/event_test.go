package onchain

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
)

func word(last byte) []byte { return common.BytesToHash([]byte{last}).Bytes() }

func encoded(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestTheDataOfAnEventAreReadStrictly(t *testing.T) {
	list, err := decodeHandles(encoded(word(32), word(2), word(7), word(8)))
	require.NoError(t, err)
	require.Equal(t, []common.Hash{common.BytesToHash([]byte{7}), common.BytesToHash([]byte{8})}, list)
	large := common.Hash{0: 1, 31: 1}
	for name, data := range map[string][]byte{
		"nothing":                 nil,
		"no handle":               encoded(word(32), word(0)),
		"fewer words than said":   encoded(word(32), word(2), word(7)),
		"more words than said":    encoded(word(32), word(1), word(7), word(8)),
		"half a word":             encoded(word(32), word(1), word(7), []byte{0}),
		"another place":           encoded(word(64), word(1), word(7)),
		"a length above 64 bits":  encoded(word(32), large[:], word(7)),
		"more handles than taken": encoded(word(32), common.BytesToHash([]byte{1, 1}).Bytes(), make([]byte, 257*32)),
	} {
		_, err := decodeHandles(data)
		require.ErrorIs(t, err, ErrEvent, name)
	}
}

func FuzzDecodeHandles(f *testing.F) {
	f.Add(encoded(word(32), word(1), word(7)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := decodeHandles(data)
		if err != nil {
			if !errors.Is(err, ErrEvent) {
				t.Fatal(err)
			}
			return
		}
		again := encoded(word(32), common.BytesToHash([]byte{byte(len(list) >> 8), byte(len(list))}).Bytes())
		for _, h := range list {
			again = append(again, h[:]...)
		}
		if !bytes.Equal(again, data) {
			t.Fatalf("%x was read as %v", data, list)
		}
	})
}
