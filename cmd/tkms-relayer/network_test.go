package main

import (
	"context"
	"fmt"
	"math/big"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// Variables that turn the test of a whole network on: it takes a minute and two
// processors. binVariable names the folder that 'make build' fills.
const (
	enableVariable = "TKMS_NETWORK_TESTS"
	binVariable    = "TKMS_BIN"
)

// values is how many ciphertexts are asked for at a time.
const values = 16

// startNetwork brings up a whole network with a funded user.
func startNetwork(ctx context.Context, t *testing.T) (*devnet.Devnet, *devnet.User) {
	t.Helper()
	bin := os.Getenv(binVariable)
	if os.Getenv(enableVariable) == "" || bin == "" {
		t.Skipf("starts a whole network: set %s=1 and %s to the folder of the binaries to run it", enableVariable, binVariable)
	}
	d, err := devnet.New(devnet.Config{Bin: bin, Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Stop()) })
	for _, stage := range d.Stages() {
		_, err := stage.Run(ctx)
		require.NoError(t, err, stage.Name)
	}
	user, err := d.NewUser(ctx)
	require.NoError(t, err)
	return d, user
}

// give gives the dApp values from 1000 on, and each handle to permit.
func give(ctx context.Context, t *testing.T, d *devnet.Devnet, user *devnet.User, permit func(context.Context, fhevm.Handle) error) []fhevm.Handle {
	t.Helper()
	list := make([]fhevm.Handle, values)
	for i := range list {
		encrypted, err := devnet.Encrypt(d.Public, tfhe.EUint64, big.NewInt(int64(1000+i)))
		require.NoError(t, err)
		require.NoError(t, d.Store(ctx, encrypted))
		list[i], err = user.Submit(ctx, encrypted)
		require.NoError(t, err)
		require.NoError(t, permit(ctx, list[i]))
	}
	return list
}

func TestJobsThatAKillInterruptsReachTheDAppAndArePaidOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	d, user := startNetwork(ctx, t)
	list := give(ctx, t, d, user, user.Disclose)
	var group sync.WaitGroup
	failures := make([]error, values)
	for i, h := range list {
		group.Go(func() { _, failures[i] = d.Relay(ctx, h) })
	}
	group.Wait()
	for _, err := range failures {
		require.NoError(t, err)
	}
	require.NoError(t, d.Relayer.Kill())
	require.NoError(t, d.StartRelayer(ctx))
	for i, h := range list {
		for {
			got, err := d.HostClient.Plaintext(ctx, h)
			if err == nil {
				require.Equal(t, fmt.Sprint(1000+i), got.String())
				break
			}
			require.NoError(t, ctx.Err(), "value %d: %v", i, err)
			time.Sleep(20 * time.Millisecond)
		}
	}
	totals, err := d.Totals(ctx)
	require.NoError(t, err)
	require.EqualValues(t, values, totals.Requests, "none was made twice")
}

// readings is how often each value is read at the same time, each time for another key.
const readings = 4

func TestUsersWhoReadAtTheSameTimeAllGetTheirValues(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	d, user := startNetwork(ctx, t)
	list := give(ctx, t, d, user, func(ctx context.Context, h fhevm.Handle) error { return user.Allow(ctx, h, user.Address()) })
	var group sync.WaitGroup
	got, failures := make([]*devnet.Reading, values*readings), make([]error, values*readings)
	for i := range got {
		reader, err := user.Reader(ctx)
		require.NoError(t, err)
		question, err := reader.Ask(nil, nil, list[i%values])
		require.NoError(t, err)
		group.Go(func() { got[i], failures[i] = reader.Read(ctx, question) })
	}
	group.Wait()
	for i, reading := range got {
		require.NoError(t, failures[i], "reading %d", i)
		require.Equal(t, fmt.Sprint(1000+i%values), reading.Values[0].String())
		require.Empty(t, reading.Wrong)
		t.Logf("reading %d took %s", i, reading.Latency.Round(time.Millisecond))
	}
	totals, err := d.Totals(ctx)
	require.NoError(t, err)
	require.EqualValues(t, len(got), totals.Requests, "none was made twice")
}
