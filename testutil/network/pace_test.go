package network_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/tkms-network/tkms/app/localnet"
	"github.com/tkms-network/tkms/app/params"
	"github.com/tkms-network/tkms/testutil/apptest"
	"github.com/tkms-network/tkms/testutil/network"
)

// TestPace prints how long a transaction takes until another node has committed it, and until its state can
// be proven there, which is one height later. It asserts nothing about time.
func TestPace(t *testing.T) {
	n := network.Start(t, localnet.Config{Validators: 4, Accounts: []string{"user"}})
	samples := 30
	if value, err := strconv.Atoi(os.Getenv("TKMS_PACE_SAMPLES")); err == nil {
		samples = value
	}
	broadcast := unorderedSender(t, n)
	start, from := time.Now(), n.Height(0)
	time.Sleep(3 * time.Second)
	idle := float64(n.Height(0)-from) / time.Since(start).Seconds()

	var committed, provable []time.Duration
	for range samples {
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		begin := time.Now()
		height := broadcast()
		committed = append(committed, time.Since(begin))
		n.WaitFor(3, height+1)
		provable = append(provable, time.Since(begin))
	}
	load, _ := os.ReadFile("/proc/loadavg")
	t.Logf("committed elsewhere p50 %v p95 %v; provable p50 %v p95 %v; %.1f blocks/s idle; load %s",
		quantile(committed, 50), quantile(committed, 95), quantile(provable, 50), quantile(provable, 95), idle,
		strings.TrimSpace(string(load)))
}

func quantile(durations []time.Duration, percent int) time.Duration {
	slices.Sort(durations)
	return durations[(len(durations)-1)*percent/100].Round(time.Millisecond)
}

// unorderedSender returns a function that sends a transaction to the first node and returns its height once
// the last node has it.
func unorderedSender(t *testing.T, n *network.Network) func() int64 {
	t.Helper()
	encoding := apptest.New(t, apptest.Options{}).App
	keys, err := keyring.New(params.Name, keyring.BackendTest, n.Layout.KeyringDir, nil, encoding.Codec())
	require.NoError(t, err)
	user, err := n.Layout.Account("user")
	require.NoError(t, err)
	address, err := sdk.AccAddressFromBech32(user.Address)
	require.NoError(t, err)
	first, err := n.Client(0)
	require.NoError(t, err)
	last, err := n.Client(3)
	require.NoError(t, err)
	clientCtx := client.Context{}.WithCodec(encoding.Codec()).WithInterfaceRegistry(encoding.InterfaceRegistry()).
		WithTxConfig(encoding.TxConfig()).WithAccountRetriever(authtypes.AccountRetriever{}).WithClient(first).
		WithChainID(n.Layout.ChainID).WithKeyring(keys).WithFromAddress(address).WithFromName("user")
	number, _, err := clientCtx.AccountRetriever.GetAccountNumberSequence(clientCtx, address)
	require.NoError(t, err)
	factory := tx.Factory{}.WithChainID(n.Layout.ChainID).WithTxConfig(encoding.TxConfig()).WithKeybase(keys).
		WithAccountNumber(number).WithGas(200_000).WithFees("200" + params.Denom).WithUnordered(true).WithSignMode(1)
	return func() int64 {
		factory := factory.WithTimeoutTimestamp(time.Now().Add(time.Minute))
		builder, err := factory.BuildUnsignedTx(banktypes.NewMsgSend(address, address, sdk.NewCoins(sdk.NewInt64Coin(params.Denom, 1))))
		require.NoError(t, err)
		require.NoError(t, tx.Sign(context.Background(), factory, "user", builder, true))
		raw, err := encoding.TxConfig().TxEncoder()(builder.GetTx())
		require.NoError(t, err)
		response, err := first.BroadcastTxSync(context.Background(), raw)
		require.NoError(t, err)
		require.Zero(t, response.Code, response.Log)
		var result *coretypes.ResultTx
		require.Eventually(t, func() bool {
			var err error
			result, err = last.Tx(context.Background(), response.Hash, false)
			return err == nil
		}, time.Minute, 5*time.Millisecond)
		require.Zero(t, result.TxResult.Code, result.TxResult.Log)
		return result.Height
	}
}
