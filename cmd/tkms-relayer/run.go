package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/cmd/internal/cli"
)

func newRun() *cobra.Command {
	var cfg config
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Serve ciphertexts and carry requests and results",
		Example: "  tkms-relayer run --host-chain-id 31337 --host-chain-rpc http://127.0.0.1:8545 \\\n" +
			"    --tkms-node http://127.0.0.1:26657 --key-file relayer.key",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.home, err = cmd.Flags().GetString("home"); err != nil {
				return err
			}
			if err := cfg.check(); err != nil {
				return err
			}
			var minimum slog.Level
			if err := minimum.UnmarshalText([]byte(cfg.logLevel)); err != nil {
				return cli.WithHint(err, "--log-level is debug, info, warn or error")
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: minimum}))
			return run(cmd.Context(), cfg, log)
		},
	}
	cfg.addFlags(cmd)
	return cmd
}

func run(ctx context.Context, cfg config, log *slog.Logger) error {
	r, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer r.close()
	if r.stopServer, err = serve(cfg.listen, r.server, r.server.Release, log); err != nil {
		return cli.WithHint(err, "is another process using the address? choose another --listen")
	}
	log.Info("relayer starts", "listen", cfg.listen, "host_chain", cfg.hostChainID, "account", r.chain.Address().String(), "callbacks", r.carrier())
	<-ctx.Done()
	log.Info("relayer stops")
	return nil
}

// stopTimeout is how long answers under way may take when the relayer stops.
const stopTimeout = 5 * time.Second

// serve answers HTTP requests until the returned function is called, which has
// answers that are held back released.
func serve(address string, handler http.Handler, release func(), log *slog.Logger) (func(), error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 2 * time.Minute,
		WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
	server.RegisterOnShutdown(release)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the HTTP interface ended", "err", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-done
	}, nil
}
