package network_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/crypto/tmhash"
	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	"github.com/cometbft/cometbft/types"

	"github.com/tkms-network/tkms/app/localnet"
	"github.com/tkms-network/tkms/enclave/lightclient"
	"github.com/tkms-network/tkms/testutil/carrier"
	"github.com/tkms-network/tkms/testutil/network"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// patience bounds what has to happen at all, on a loaded machine.
const patience = time.Minute

// start runs a light client that trusts the header of f.height until the test ends.
func (f *forgery) start(t *testing.T, walk int64, carriers ...*carrier.Carrier) *lightclient.Client {
	t.Helper()
	cfg := lightclient.Config{
		ChainID: f.n.Layout.ChainID, TrustedHeight: f.height, TrustedHash: f.trusted.Hash(),
		Store: lightclient.InMemory(), Now: time.Now, MaxWalk: walk,
		// Whoever waits for one that never answers fails the test.
		RequestTimeout: 10 * patience,
	}
	for _, c := range carriers {
		cfg.Nodes = append(cfg.Nodes, by(t, c))
	}
	client, err := lightclient.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = client.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return client
}

// walking is a distance that is always walked height by height.
const walking = 1 << 40

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// requireTruth checks the next headers and the record with a client that has an honest node.
func (f *forgery) requireTruth(t *testing.T, client *lightclient.Client) {
	t.Helper()
	header, err := client.HeaderAt(within(t, patience), f.height+3)
	require.NoError(t, err)
	require.EqualValues(t, f.header(t, f.height+3).Hash(), header.Hash)
	value, err := client.Prove(within(t, patience), kmstypes.StoreKey, liedAbout, f.height)
	require.NoError(t, err)
	require.Equal(t, f.after.Value, value)
	require.NoError(t, client.Stopped())
}

// TestALightClientBelievesNoLieOfACarrierBeforeARealNode puts lying proxies before the node of a real
// network. Each lie is told to a client that has nobody else, which must not believe it, and to one with an
// honest node beside the liar, which must have the truth.
func TestALightClientBelievesNoLieOfACarrierBeforeARealNode(t *testing.T) {
	n := network.Start(t, localnet.Config{Validators: 4, Governance: unhurried()})
	f := newForgery(t, n)
	t.Run("absence", f.testAbsence)
	t.Run("ahead", f.testAhead)
	t.Run("header", f.testHeaders)
	t.Run("provisioned", f.testProvisioned)
	t.Run("record", f.testRecords)
	t.Run("stall", f.testStalls)
	t.Run("frozen", f.testFrozen)
	t.Run("three of four", f.testThreeOfFour)
}

// testAbsence proves that what parties ask for is not there on a chain that has not got it yet.
func (f *forgery) testAbsence(t *testing.T) {
	client := f.start(t, walking, carry(t, f.n.Layout.Nodes[1].RPC, carrier.Lie{}))
	id := tmhash.Sum([]byte("a request"))
	absent := []struct {
		name, store string
		key         []byte
	}{
		{"key", kmstypes.StoreKey, kmstypes.StoreKeyOfKey(id)},
		{"request", kmstypes.StoreKey, kmstypes.StoreKeyOfRequest(id)},
		{"first request", kmstypes.StoreKey, kmstypes.StoreKeyOfRequest(make([]byte, 32))},
		{"last request", kmstypes.StoreKey, kmstypes.StoreKeyOfRequest(bytes.Repeat([]byte{0xff}, 32))},
		{"work", kmstypes.StoreKey, kmstypes.StoreKeyOfWork(uint64(f.height))},
		{"item counter", kmstypes.StoreKey, kmstypes.StoreKeyOfItemCounter(1)},
		{"last item counter", kmstypes.StoreKey, kmstypes.StoreKeyOfItemCounter(1<<64 - 1)},
		{"party", partiestypes.StoreKey, partiestypes.PartyKey(1)},
		{"epoch", partiestypes.StoreKey, partiestypes.EpochKey(1)},
		{"last epoch", partiestypes.StoreKey, partiestypes.EpochKey(1<<64 - 1)},
		{"active epoch", partiestypes.StoreKey, partiestypes.ActiveEpochKey()},
		{"host chain", acltypes.StoreKey, acltypes.StoreKeyOfHostChain(1)},
		{"last host chain", acltypes.StoreKey, acltypes.StoreKeyOfHostChain(1<<64 - 1)},
	}
	for _, record := range absent {
		t.Run(record.name, func(t *testing.T) {
			value, err := client.Prove(within(t, patience), record.store, record.key, f.height)
			require.NoError(t, err)
			require.Nil(t, value)

			// Nobody can present it, with whatever belongs to another record.
			presented := carry(t, f.n.Layout.Nodes[1].RPC, carrier.Lie{Query: func(r *abci.ResponseQuery) bool {
				r.Value, r.ProofOps = f.after.Value, relabelled(f.after, record.key, record.store)
				return true
			}})
			_, err = f.start(t, walking, presented).Prove(within(t, patience), record.store, record.key, f.height)
			require.ErrorIs(t, err, lightclient.ErrProof)
		})
	}
}

// testAhead asks for records of heights that the chain does not have yet.
func (f *forgery) testAhead(t *testing.T) {
	client := f.start(t, walking, carry(t, f.n.Layout.Nodes[0].RPC, carrier.Lie{}), carry(t, f.n.Layout.Nodes[1].RPC, carrier.Lie{}))
	f.requireTruth(t, client)
	for range 3 {
		for ahead := range int64(3) {
			value, err := client.Prove(within(t, patience), kmstypes.StoreKey, liedAbout, f.n.Height(2)+ahead)
			require.NoError(t, err)
			require.Equal(t, f.after.Value, value)
		}
	}
	for _, node := range client.Nodes() {
		require.Zero(t, node.Refused, node.Err)
	}
}

func (f *forgery) testHeaders(t *testing.T) {
	for name, l := range f.headerLies() {
		t.Run(name, func(t *testing.T) {
			for _, walk := range []int64{walking, 1} {
				liar := carry(t, f.n.Layout.Nodes[0].RPC, l)
				f.requireNotMoved(t, f.start(t, walk, liar))
				require.Positive(t, liar.Told())
			}
			liar := carry(t, f.n.Layout.Nodes[0].RPC, l)
			client := f.start(t, walking, liar, carry(t, f.n.Layout.Nodes[1].RPC, carrier.Lie{}))
			f.requireTruth(t, client)
			requireRefused(t, client)
		})
	}
}

func requireRefused(t *testing.T, client *lightclient.Client) {
	t.Helper()
	require.Eventually(t, func() bool { return client.Nodes()[0].Refused > 0 }, patience, 5*time.Millisecond)
}

// requireNotMoved checks a client whose only node lies about all headers after the trusted one.
func (f *forgery) requireNotMoved(t *testing.T, client *lightclient.Client) {
	t.Helper()
	requireRefused(t, client)
	latest, err := client.Latest()
	require.NoError(t, err)
	require.Equal(t, f.height, latest.Height)
	require.ErrorIs(t, client.Nodes()[0].Err, lightclient.ErrBadHeader)
	value, err := client.Prove(within(t, 300*time.Millisecond), kmstypes.StoreKey, liedAbout, f.height)
	require.ErrorIs(t, err, lightclient.ErrNotSynced)
	require.Nil(t, value)
	require.NoError(t, client.Stopped(), "a lie is no fork")
}

// testProvisioned lies about the header that was fixed at provisioning, and its validators.
func (f *forgery) testProvisioned(t *testing.T) {
	validators := func(change func([]*types.Validator) []*types.Validator) carrier.Lie {
		return carrier.Lie{Validators: func(r *coretypes.ResultValidators) bool {
			r.Validators = change(r.Validators)
			r.Count, r.Total = len(r.Validators), len(r.Validators)
			return true
		}}
	}
	another := func(signers int) carrier.Lie {
		return carrier.Lie{Commit: func(r *coretypes.ResultCommit) bool {
			if r.Height != f.height {
				return false
			}
			f.oldState(r.Header)
			r.Commit = f.sign(r.Header, signers)
			return true
		}}
	}
	const unanimous = "another, signed by 4 of 4"
	for name, l := range map[string]carrier.Lie{
		unanimous:                   another(4),
		"another, signed by 2 of 4": another(2),
		"the header of another height": {Commit: func(r *coretypes.ResultCommit) bool {
			r.SignedHeader = *f.stale
			return true
		}},
		"validators without one": validators(func(all []*types.Validator) []*types.Validator { return all[1:] }),
		"a validator of another power": validators(func(all []*types.Validator) []*types.Validator {
			all[0].VotingPower *= 100
			return all
		}),
		"a validator twice": validators(func(all []*types.Validator) []*types.Validator {
			all[1] = all[0].Copy()
			return all
		}),
		"no validators": validators(func([]*types.Validator) []*types.Validator { return nil }),
	} {
		t.Run(name, func(t *testing.T) {
			client := f.start(t, walking, carry(t, f.n.Layout.Nodes[0].RPC, l))
			requireRefused(t, client)
			_, err := client.Latest()
			require.ErrorIs(t, err, lightclient.ErrNotSynced)
			require.ErrorIs(t, client.Nodes()[0].Err, lightclient.ErrBadHeader)
			if name == unanimous {
				// Beside the provisioned header it is evidence of a fork, if it comes second.
				return
			}
			f.requireTruth(t, f.start(t, walking, carry(t, f.n.Layout.Nodes[0].RPC, l), carry(t, f.n.Layout.Nodes[1].RPC, carrier.Lie{})))
		})
	}
}

func (f *forgery) testRecords(t *testing.T) {
	for name, change := range f.recordLies(t) {
		t.Run(name, func(t *testing.T) {
			l := carrier.Lie{Query: func(r *abci.ResponseQuery) bool {
				change(r)
				return true
			}}
			client := f.start(t, walking, carry(t, f.n.Layout.Nodes[0].RPC, l))
			_, err := client.HeaderAt(within(t, patience), f.height+1)
			require.NoError(t, err)
			value, err := client.Prove(within(t, patience), kmstypes.StoreKey, liedAbout, f.height)
			require.ErrorIs(t, err, lightclient.ErrProof)
			require.Nil(t, value)

			// The liar is the quicker with headers, so it is asked first.
			liar := carry(t, f.n.Layout.Nodes[0].RPC, l)
			client = f.start(t, walking, liar, carry(t, f.n.Layout.Nodes[1].RPC, carrier.Lie{Pace: 100 * time.Millisecond}))
			f.requireTruth(t, client)
			require.Positive(t, liar.Told())
			requireRefused(t, client)
		})
	}
}

// testStalls has carriers that never answer: nobody else is kept waiting.
func (f *forgery) testStalls(t *testing.T) {
	for name, stall := range map[string]func(method string, height int64) bool{
		"everything": func(string, int64) bool { return true },
		"headers":    func(method string, height int64) bool { return method == "commit" && height != f.height },
		"validators": func(method string, _ int64) bool { return method == "validators" },
		"records":    func(method string, _ int64) bool { return method == "abci_query" },
	} {
		t.Run(name, func(t *testing.T) {
			client := f.start(t, walking, carry(t, f.n.Layout.Nodes[0].RPC, carrier.Lie{Stall: stall}))
			value, err := client.Prove(within(t, 2*time.Second), kmstypes.StoreKey, liedAbout, f.height)
			if name == "records" {
				require.ErrorIs(t, err, lightclient.ErrNode)
			} else {
				require.ErrorIs(t, err, lightclient.ErrNotSynced)
			}
			require.NotErrorIs(t, err, lightclient.ErrProof)
			require.Nil(t, value)

			liar := carry(t, f.n.Layout.Nodes[0].RPC, carrier.Lie{Stall: stall})
			client = f.start(t, walking, liar, carry(t, f.n.Layout.Nodes[1].RPC, carrier.Lie{Pace: 100 * time.Millisecond}))
			f.requireTruth(t, client)
			require.Positive(t, liar.Told())
		})
	}
}

// testFrozen has a carrier that shows an old chain: true, but without the latest blocks. Alone it holds the
// client where it is, which the caller sees by the age of the latest header.
func (f *forgery) testFrozen(t *testing.T) {
	l := carrier.Lie{
		Commit: func(r *coretypes.ResultCommit) bool {
			r.SignedHeader = *f.trusted
			return true
		},
		Fail: func(method string, height int64) string {
			if method == "commit" && height > f.height {
				return "height must be less than or equal to the current blockchain height"
			}
			return ""
		},
		Query: f.oldAnswer,
	}
	liar := carry(t, f.n.Layout.Nodes[0].RPC, l)
	client := f.start(t, walking, liar)
	value, err := client.Prove(within(t, time.Second), kmstypes.StoreKey, liedAbout, f.height)
	require.ErrorIs(t, err, lightclient.ErrNotSynced)
	require.Nil(t, value)
	latest, err := client.Latest()
	require.NoError(t, err)
	require.Equal(t, f.height, latest.Height)
	require.Positive(t, liar.Told())
	f.requireTruth(t, f.start(t, walking, carry(t, f.n.Layout.Nodes[0].RPC, l), carry(t, f.n.Layout.Nodes[1].RPC, carrier.Lie{})))
}

// testThreeOfFour shows where the light client's assumption ends, and that the other tests forge well: one
// signature more, and the old state is believed by a client that has nobody else. Beside an honest node it
// stops the client, with the evidence.
func (f *forgery) testThreeOfFour(t *testing.T) {
	header := *f.next.Header
	f.oldState(&header)
	forged := types.SignedHeader{Header: &header, Commit: f.sign(&header, 3)}
	l := carrier.Lie{
		Query: f.oldAnswer,
		Commit: func(r *coretypes.ResultCommit) bool {
			if r.Height <= f.height {
				return false
			}
			r.SignedHeader = forged
			return true
		},
		Fail: func(method string, height int64) string {
			if method == "commit" && height > f.height+1 {
				return "height must be less than or equal to the current blockchain height"
			}
			return ""
		},
	}
	value, err := f.start(t, walking, carry(t, f.n.Layout.Nodes[0].RPC, l)).Prove(within(t, patience), kmstypes.StoreKey, liedAbout, f.height)
	require.NoError(t, err)
	require.Equal(t, f.before.Value, value)

	client := f.start(t, walking, carry(t, f.n.Layout.Nodes[0].RPC, l), carry(t, f.n.Layout.Nodes[1].RPC, carrier.Lie{}))
	require.Eventually(t, func() bool { return client.Stopped() != nil }, patience, 5*time.Millisecond)
	require.ErrorIs(t, client.Stopped(), lightclient.ErrFork)
	_, err = client.Prove(within(t, patience), kmstypes.StoreKey, liedAbout, f.height)
	require.ErrorIs(t, err, lightclient.ErrFork)
	evidence := client.Evidence()
	require.NotEqual(t, evidence.Ours.Hash(), evidence.Theirs.Hash())
	// The real header in conflict has the same height, or names another as its predecessor.
	require.Contains(t, []int64{f.height + 1, f.height + 2}, evidence.Theirs.Height)
}
