package client_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/acl/client"
	"github.com/tkms-network/tkms/x/acl/qbft"
)

func TestHeadsComeInOrderAndEndWhereTheNodeDoes(t *testing.T) {
	f := setUp(t)
	f.Submit("one", true)
	top := f.Chain.Head().Number.Uint64()
	heads, err := f.node.Heads(f.Context, top-1, 10)
	require.NoError(t, err)
	require.Len(t, heads, 2)
	newest, err := f.node.Head(f.Context)
	require.NoError(t, err)
	require.Equal(t, newest, heads[1])
	for _, head := range heads {
		succession, err := head.Check(f.Record)
		require.NoError(t, err)
		require.False(t, succession)
	}
	none, err := f.node.Heads(f.Context, top+1, 3)
	require.NoError(t, err)
	require.Empty(t, none)

	shifted := f.dial(f.Proxy(func(request, answer []byte) []byte {
		return bytes.ReplaceAll(answer, []byte(`"number":"0x`), []byte(`"number":"0x1`))
	}))
	_, err = shifted.Heads(f.Context, top-1, 1)
	require.ErrorIs(t, err, client.ErrBadAnswer)
}

func TestReceiptsAreAllOfTheBlocksOrNone(t *testing.T) {
	f := setUp(t)
	f.Submit("one", true)
	head, err := f.node.Head(f.Context)
	require.NoError(t, err)
	receipts, err := f.node.Receipts(f.Context, head)
	require.NoError(t, err)
	require.Len(t, receipts, 1)
	require.NotEmpty(t, receipts[0].Logs)

	for name, change := range map[string]func(answer []byte) []byte{
		"a topic changed": func(answer []byte) []byte {
			return bytes.ReplaceAll(answer, []byte(receipts[0].Logs[0].Topics[0].Hex()), []byte(common.Hash{1}.Hex()))
		},
		"nothing": func([]byte) []byte { return []byte(`{"jsonrpc":"2.0","id":1,"result":[]}`) },
	} {
		t.Run(name, func(t *testing.T) {
			liar := f.dial(f.Proxy(func(request, answer []byte) []byte {
				if !strings.Contains(string(request), "eth_getBlockReceipts") {
					return answer
				}
				return change(answer)
			}))
			_, err = liar.Receipts(f.Context, head)
			require.ErrorIs(t, err, client.ErrBadAnswer)
		})
	}
}

func TestAForgedHeadDoesNotPassItsCheck(t *testing.T) {
	f := setUp(t)
	liar := f.dial(f.Proxy(func(_, answer []byte) []byte {
		return bytes.ReplaceAll(answer, []byte(f.Chain.Head().Root.Hex()), []byte(common.Hash{1}.Hex()))
	}))
	head, err := liar.Head(f.Context)
	require.NoError(t, err)
	_, err = head.Check(f.Record)
	require.ErrorIs(t, err, qbft.ErrStranger)
}

func TestANodeTellsOfBlocksOverAWebsocketOnly(t *testing.T) {
	f := setUp(t)
	require.Error(t, f.node.Notify(f.Context, func() {}))
	socket := f.dial("ws" + strings.TrimPrefix(f.URL, "http"))
	ctx, cancel := context.WithCancel(f.Context)
	defer cancel()
	told, ended := make(chan struct{}, 64), make(chan error, 1)
	go func() { ended <- socket.Notify(ctx, func() { told <- struct{}{} }) }()
	require.Eventually(t, func() bool {
		_, err := f.Client.Mine(f.Context, 1)
		require.NoError(t, err)
		return len(told) > 0
	}, waitAtMost, pause)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}
