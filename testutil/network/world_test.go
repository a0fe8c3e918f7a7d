package network_test

import (
	"context"
	"fmt"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/testutil/measure"
	"github.com/tkms-network/tkms/testutil/network"
	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// binVariable names the folder that 'make build' fills.
const binVariable = "TKMS_BIN"

// world is a whole network of a test.
type world struct {
	*testing.T
	ctx context.Context
	*devnet.Devnet
}

// start brings a network up, changed by prepare if there is one.
func start(t *testing.T, cfg devnet.Config, prepare func(*devnet.Devnet)) *world {
	t.Helper()
	w := ready(t, cfg)
	if prepare != nil {
		prepare(w.Devnet)
	}
	w.run(w.Stages())
	return w
}

// ready prepares a network whose processes end with the test. Its logs stay if the test
// fails.
func ready(t *testing.T, cfg devnet.Config) *world {
	t.Helper()
	cfg.Bin = os.Getenv(binVariable)
	if os.Getenv(network.EnableVariable) == "" || cfg.Bin == "" {
		t.Skipf("starts a whole network: set %s=1 and %s to the folder of the binaries to run it", network.EnableVariable, binVariable)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	t.Cleanup(cancel)
	var err error
	cfg.Dir, err = os.MkdirTemp("", "tkms-network-")
	require.NoError(t, err)
	d, err := devnet.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, d.Stop())
		if t.Failed() {
			t.Logf("logs are in %s", cfg.Dir)
			return
		}
		require.NoError(t, os.RemoveAll(cfg.Dir))
	})
	return &world{t, ctx, d}
}

// run brings a part of the network up.
func (w *world) run(stages []devnet.Stage) {
	w.Helper()
	began := time.Now()
	for _, stage := range stages {
		_, err := stage.Run(w.ctx)
		require.NoError(w, err, stage.Name)
	}
	w.Logf("up after %s, load average %s", time.Since(began).Round(time.Second), measure.LoadAverage())
}

// in returns the world for a test within its test.
func (w *world) in(t *testing.T) *world { return &world{t, w.ctx, w.Devnet} }

// by returns the world with another relayer or host chain.
func (w *world) by(d *devnet.Devnet) *world { return &world{w.T, w.ctx, d} }

func (w *world) user() *devnet.User {
	w.Helper()
	user, err := w.NewUser(w.ctx)
	require.NoError(w, err)
	return user
}

func (w *world) reader(user *devnet.User) *devnet.Reader {
	w.Helper()
	reader, err := user.Reader(w.ctx)
	require.NoError(w, err)
	return reader
}

// ask has a reader authorize a question.
func (w *world) ask(reader *devnet.Reader, list ...fhevm.Handle) client.UserQuestion {
	w.Helper()
	question, err := reader.Ask(nil, nil, list...)
	require.NoError(w, err)
	return question
}

// give gives the dApp a value of a user.
func (w *world) give(user *devnet.User, value int64) fhevm.Handle {
	w.Helper()
	encrypted, err := devnet.Encrypt(w.Public, tfhe.EUint64, big.NewInt(value))
	require.NoError(w, err)
	require.NoError(w, w.Store(w.ctx, encrypted))
	handle, err := user.Submit(w.ctx, encrypted)
	require.NoError(w, err)
	return handle
}

// private gives the dApp a value that only its user may read.
func (w *world) private(user *devnet.User, value int64) fhevm.Handle {
	w.Helper()
	handle := w.give(user, value)
	require.NoError(w, user.Allow(w.ctx, handle, user.Address()))
	return handle
}

// public gives the dApp a value that everybody may have decrypted.
func (w *world) public(user *devnet.User, value int64) fhevm.Handle {
	w.Helper()
	handle := w.give(user, value)
	require.NoError(w, user.Disclose(w.ctx, handle))
	return handle
}

// read has a reader ask the relayer and checks the values.
func (w *world) read(reader *devnet.Reader, q client.UserQuestion, values ...int64) *devnet.Reading {
	w.Helper()
	reading, err := reader.Read(w.ctx, q)
	require.NoError(w, err)
	w.check(reading, values...)
	return reading
}

func (w *world) check(reading *devnet.Reading, values ...int64) {
	w.Helper()
	want, got := fmt.Sprint(values), fmt.Sprint(reading.Values)
	require.Equal(w, want, got)
	w.Logf("read %s in %s, parties %v right, %v wrong", got, reading.Latency.Round(time.Millisecond), reading.Contributed, reading.Wrong)
}

// travel has the relayer carry a value to the dApp, and checks it there.
func (w *world) travel(user *devnet.User, handle fhevm.Handle, value int64) *devnet.Journey {
	w.Helper()
	journey, err := user.Travel(w.ctx, handle)
	require.NoError(w, err)
	require.Equal(w, fmt.Sprint(value), journey.Got.String())
	w.Logf("%d decrypted in %s, in the dApp after %s", value, journey.TKMS.Round(time.Millisecond), journey.Host.Round(time.Millisecond))
	return journey
}

// requests counts those that TKMS accepted.
func (w *world) requests() uint64 {
	w.Helper()
	totals, err := w.Totals(w.ctx)
	require.NoError(w, err)
	return totals.Requests
}

// funds of a named account, in utkms.
func (w *world) funds(account string) math.Int {
	w.Helper()
	sender, err := w.Sender(w.ctx, account)
	require.NoError(w, err)
	balance, err := w.Balance(w.ctx, sender.Address())
	require.NoError(w, err)
	return balance
}

// refused sends a request straight to a validator, which has to refuse it with an
// error and make nothing of it.
func (w *world) refused(want interface {
	Codespace() string
	ABCICode() uint32
}, msg sdk.Msg) {
	w.Helper()
	before := w.requests()
	sender, err := w.Sender(w.ctx, devnet.DAppAccount)
	require.NoError(w, err)
	_, err = sender.Send(w.ctx, devnet.RequestGas, msg)
	var refusal *client.TxError
	require.ErrorAs(w, err, &refusal)
	require.Equal(w, (&client.TxError{Codespace: want.Codespace(), Code: want.ABCICode()}).Name(), refusal.Name(), refusal.Log)
	require.Equal(w, before, w.requests())
}

// message is a request with genuine proofs at the head.
func (w *world) message(list ...fhevm.Handle) *kmstypes.MsgRequestPublicDecryption {
	w.Helper()
	sender, err := w.Sender(w.ctx, devnet.DAppAccount)
	require.NoError(w, err)
	proof, err := w.Proof(w.ctx, nil, list...)
	require.NoError(w, err)
	return w.Message(sender, proof, list...)
}
