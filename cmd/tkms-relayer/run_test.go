package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// logUntil stops a command once its log, a line a write, has a text.
type logUntil struct {
	text string
	stop context.CancelFunc
	line string
}

func (l *logUntil) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(l.text)) {
		l.line = string(line)
		l.stop()
	}
	return len(line), nil
}

func TestTheLogNamesTheAccountThatNeedsCoins(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := &logUntil{text: "relayer starts", stop: stop}
	root := newRoot()
	root.SetErr(log)
	root.SetArgs([]string{
		"run", "--home", t.TempDir(), "--listen", "127.0.0.1:0", "--host-chain-id", "1", "--key-file", keyFile(t, keyText, 0o600),
		"--host-chain-rpc", "http://127.0.0.1:1", "--tkms-node", "http://127.0.0.1:1",
	})
	require.NoError(t, root.ExecuteContext(ctx))
	key, err := readAccountKey(keyFile(t, keyText, 0o600))
	require.NoError(t, err)
	address := sdk.AccAddress(key.PubKey().Address()).String()
	require.True(t, strings.HasPrefix(address, "tkms1"), address)
	require.Contains(t, log.line, "account="+address)
}
