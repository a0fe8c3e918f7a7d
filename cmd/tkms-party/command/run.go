package command

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/enclave/courtesy"
	"github.com/tkms-network/tkms/enclave/lightclient"
	"github.com/tkms-network/tkms/enclave/party"
	"github.com/tkms-network/tkms/enclave/party/journal"
	"github.com/tkms-network/tkms/enclave/party/metrics"
	"github.com/tkms-network/tkms/enclave/party/status"
	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/enclave/seal"
)

func newRun(faults Faults) *cobra.Command {
	var level string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Follow the chain and work",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			home, s, err := settingsOf(cmd)
			if err != nil {
				return err
			}
			var minimum slog.Level
			if err := minimum.UnmarshalText([]byte(level)); err != nil {
				return cli.WithHint(err, "--log-level is debug, info, warn or error")
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: minimum}))
			return run(cmd.Context(), home, s, faults, log)
		},
	}
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func startLightClient(ctx context.Context, s *settings, store *seal.Store, now func() time.Time) (*lightclient.Client, func(), error) {
	nodes, err := s.nodes()
	if err != nil {
		return nil, nil, err
	}
	trusted, err := hex.DecodeString(s.TrustedHash)
	if err != nil {
		return nil, nil, err
	}
	client, err := lightclient.New(lightclient.Config{
		ChainID: s.ChainID, TrustedHeight: s.TrustedHeight, TrustedHash: trusted, Nodes: nodes,
		Store: lightclient.Sealed(store), Now: now,
	})
	if err != nil {
		return nil, nil, err
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = client.Run(running) }()
	return client, func() { cancel(); <-done }, nil
}

func run(ctx context.Context, home string, s *settings, faults Faults, log *slog.Logger) error {
	store, err := s.sealed(home)
	if err != nil {
		return err
	}
	keys, err := loadIdentity(store)
	if err != nil {
		return err
	}
	echoes, err := journal.Open(filepath.Join(home, "echoes.journal"))
	if err != nil {
		return err
	}
	defer func() { _ = echoes.Close() }()
	public, err := s.vault(home)
	if err != nil {
		return err
	}
	defer func() { _ = public.Close() }()
	registry := prometheus.NewRegistry()
	board := status.NewBoard(faults.now)
	measured := metrics.New(registry)
	stopServer, err := serve(s.StatusListen, board, public, registry)
	if err != nil {
		return cli.WithHint(err, "is another process using the address? choose another --status-listen")
	}
	defer stopServer()
	client, stop, err := startLightClient(ctx, s, store, faults.now)
	if err != nil {
		return err
	}
	defer stop()
	courtesy.MakeRoom(party.BackgroundThreads)
	log.Info("party starts", "moniker", s.Moniker, "chain", s.ChainID, "operator", s.Operator, "enclave_device", "SIMULATED")
	backups, closeBackups, err := s.backups(home, store)
	if err != nil {
		return err
	}
	defer closeBackups()
	p := party.New(party.Config{
		ChainID: s.ChainID, Moniker: s.Moniker, Identity: keys, Store: store, Journal: echoes, Backups: backups, Vault: public,
		Scratch: filepath.Join(home, "keys"), Listen: s.Listen,
		Chain: lightChain{client}, HTTP: &http.Client{Timeout: 10 * time.Second},
		StockTarget: s.StockItems, RareStockEvery: s.RareStockEvery, Patience: time.Duration(s.PatienceMillis) * time.Millisecond, Requests: s.MaxOpenRequests,
		Simulated: []string{"enclave device"}, Wrap: faults.Wrap, Now: faults.now, Log: log,
	}, board, measured)
	err = p.Run(ctx)
	if ctx.Err() != nil {
		log.Info("party stops")
		return nil
	}
	return err
}

// lightChain presents the light client to the daemon.
type lightChain struct{ client *lightclient.Client }

// Follow implements party.Chain.
func (c lightChain) Follow(ctx context.Context, f func(party.Header) error) error {
	for header := range c.client.Follow(ctx, 0) {
		if err := f(party.Header{Height: header.Height, Time: header.Time}); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return cli.WithHint(fmt.Errorf("the light client stopped: %w", c.client.Stopped()), "do not restart before you know why; the trusted header may have to be provisioned anew")
}

// proveTimeout bounds how long a proof is waited for.
const proveTimeout = 5 * time.Second

// Prove implements party.Chain.
func (c lightChain) Prove(ctx context.Context, store string, key []byte, height int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, proveTimeout)
	defer cancel()
	return c.client.Prove(ctx, store, key, height)
}

// Query implements party.Chain.
func (c lightChain) Query(ctx context.Context, path string, request []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, proveTimeout)
	defer cancel()
	return c.client.UntrustedQuery(ctx, path, request, 0)
}

// BroadcastTx implements party.Chain.
func (c lightChain) BroadcastTx(ctx context.Context, tx []byte) error {
	ctx, cancel := context.WithTimeout(ctx, proveTimeout)
	defer cancel()
	result, err := c.client.BroadcastTx(ctx, tx)
	if err != nil {
		return err
	}
	if result.Code != 0 {
		return fmt.Errorf("the node's mempool refused it: %s/%d: %s", result.Codespace, result.Code, result.Log)
	}
	return nil
}

// serve answers status, metrics and vault requests.
func serve(address string, board *status.Board, public *vault.Vault, registry *prometheus.Registry) (func(), error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /keys/{digest}", public)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /", board.Handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	return func() { _ = server.Close(); <-done }, nil
}
