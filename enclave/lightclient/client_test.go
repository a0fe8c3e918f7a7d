package lightclient

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cometbft/cometbft/crypto/tmhash"
	"github.com/cometbft/cometbft/types"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/seal"
)

const patience = time.Minute

func configFor(c *chain, nodes ...Node) Config {
	return Config{
		ChainID: testChain, TrustedHeight: 2, TrustedHash: c.headers[2].Hash(), Nodes: nodes, Store: InMemory(),
		Now:  func() time.Time { height, _ := c.latest(); return timeOf(height).Add(time.Second) },
		Poll: 2 * time.Millisecond, Stagger: 20 * time.Millisecond,
	}
}

// run starts a client; the returned function stops it and gives Run's error.
func run(t testing.TB, cfg Config) (*Client, func() error) {
	t.Helper()
	c, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stopped := false
	stop := func() error {
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return errors.New("Run does not end")
		}
	}
	t.Cleanup(func() {
		if !stopped {
			_ = stop()
		}
	})
	return c, stop
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestARestartGoesOnFromTheSealedState(t *testing.T) {
	chain := newChain(t)
	wrapper, err := seal.NewSimulatedDevice(make([]byte, 32))
	require.NoError(t, err)
	sealed, err := seal.Open(t.TempDir(), wrapper, testChain, "alice")
	require.NoError(t, err)
	node := serve(t, chain, false, nil)
	cfg := configFor(chain, node.node(t))
	cfg.Store = Sealed(sealed)
	client, stop := run(t, cfg)
	chain.produce(10)
	_, err = client.HeaderAt(within(t), 13)
	require.NoError(t, err)
	require.NoError(t, stop())

	again, err := New(cfg)
	require.NoError(t, err)
	latest, err := again.Latest()
	require.NoError(t, err)
	require.EqualValues(t, 13, latest.Height, "before any node is asked")

	other := cfg
	other.ChainID = "tkms-other"
	_, err = New(other)
	require.ErrorIs(t, err, ErrState)
	other = cfg
	other.TrustedHeight = 14
	_, err = New(other)
	require.ErrorIs(t, err, ErrState)
	other = cfg
	other.TrustedHeight, other.TrustedHash = 13, tmhash.Sum(nil)
	_, err = New(other)
	require.ErrorIs(t, err, ErrState)
	require.NoError(t, cfg.Store.Save([]byte("garbage")))
	_, err = New(cfg)
	require.ErrorIs(t, err, ErrState)
}

func TestAnotherHeaderThanTheProvisionedIsRefused(t *testing.T) {
	chain := newChain(t)
	cfg := configFor(chain, serve(t, chain, false, nil).node(t))
	cfg.TrustedHash = tmhash.Sum([]byte("another"))
	client, _ := run(t, cfg)
	require.Eventually(t, func() bool { return client.Nodes()[0].Refused > 0 }, patience, time.Millisecond)
	_, err := client.Latest()
	require.ErrorIs(t, err, ErrNotSynced)
}

func TestQueriesAndTransactionsReachANodeThatWorks(t *testing.T) {
	chain := newChain(t)
	dead, err := HTTP("http://127.0.0.1:1")
	require.NoError(t, err)
	client, err := New(configFor(chain, dead, serve(t, chain, false, nil).node(t)))
	require.NoError(t, err)
	value, err := client.UntrustedQuery(within(t), "/hello", []byte("bob"), 0)
	require.NoError(t, err)
	require.Equal(t, "hello bob", string(value))
	result, err := client.BroadcastTx(within(t), []byte("odd"))
	require.NoError(t, err)
	require.EqualValues(t, 1, result.Code)
	require.Equal(t, tmhash.Sum([]byte("odd")), result.Hash)
	require.Equal(t, [][]byte{[]byte("odd")}, chain.txs)

	alone, err := New(configFor(chain, dead))
	require.NoError(t, err)
	_, err = alone.BroadcastTx(within(t), []byte("x"))
	require.ErrorIs(t, err, ErrNode)
	_, err = alone.Prove(within(t), "kms", []byte("x"), 1)
	require.ErrorIs(t, err, ErrNotSynced)
}

func TestANodeThatTalksWithoutEndIsCutOff(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for range 64 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	node, err := HTTP(server.URL)
	require.NoError(t, err)
	_, err = node.SignedHeader(within(t), 1)
	require.ErrorIs(t, err, errTooLong)
}

func TestAValidatorSetThatOverflowsIsRefusedWithoutAPanic(t *testing.T) {
	chain := newChain(t)
	lie := func(n *rpcNode) {
		n.validators = func(_ int64, set []*types.Validator) []*types.Validator {
			for _, v := range set {
				v.VotingPower = types.MaxTotalVotingPower
			}
			return set
		}
	}
	client, _ := run(t, configFor(chain, serve(t, chain, false, lie).node(t)))
	require.Eventually(t, func() bool { return client.Nodes()[0].Refused > 0 }, patience, time.Millisecond)
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	chain := newChain(t)
	node := serve(t, chain, false, nil).node(t)
	for name, change := range map[string]func(*Config){
		"chain": func(c *Config) { c.ChainID = "" }, "height": func(c *Config) { c.TrustedHeight = 0 },
		"hash": func(c *Config) { c.TrustedHash = c.TrustedHash[:31] }, "nodes": func(c *Config) { c.Nodes = nil },
		"store": func(c *Config) { c.Store = nil }, "clock": func(c *Config) { c.Now = nil },
	} {
		cfg := configFor(chain, node)
		change(&cfg)
		_, err := New(cfg)
		require.ErrorIs(t, err, ErrConfig, name)
	}
	client, err := New(configFor(chain, node))
	require.NoError(t, err)
	for _, q := range []struct {
		store, key string
		height     int64
	}{{"", "k", 1}, {"a/b", "k", 1}, {"kms", "", 1}, {"kms", string(make([]byte, 1025)), 1}, {"kms", "k", 0}} {
		_, err := client.Prove(within(t), q.store, []byte(q.key), q.height)
		require.ErrorIs(t, err, ErrConfig)
	}
	_, err = HTTP("::")
	require.ErrorIs(t, err, ErrConfig)
}

func FuzzDecodeState(f *testing.F) {
	chain := newChain(f)
	state, err := encodeState(&types.LightBlock{SignedHeader: chain.headers[2], ValidatorSet: chain.sets[2]})
	require.NoError(f, err)
	f.Add(state)
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeState(data, testChain)
		if err != nil {
			require.ErrorIs(t, err, ErrState)
			return
		}
		require.NoError(t, b.ValidateBasic(testChain))
	})
}

// BenchmarkProof is a block's way to a proven value: produced, followed, proven.
func BenchmarkProof(b *testing.B) {
	chain := newChain(b)
	client, _ := run(b, configFor(chain, serve(b, chain, true, nil).node(b), serve(b, chain, true, nil).node(b)))
	_, err := client.HeaderAt(context.Background(), 3)
	require.NoError(b, err)
	for b.Loop() {
		b.StopTimer()
		height, _ := chain.latest()
		b.StartTimer()
		chain.produce(1)
		if _, err := client.Prove(context.Background(), "kms", []byte("height"), height); err != nil {
			b.Fatal(err)
		}
	}
}
