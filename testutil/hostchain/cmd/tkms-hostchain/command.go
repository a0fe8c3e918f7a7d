package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tkms-network/tkms/testutil/hostchain"
	"github.com/tkms-network/tkms/testutil/hostchain/api"
)

// errExposed is returned for a listening address that other machines reach.
var errExposed = errors.New("the harness has no authentication and must not be reachable from other machines")

// shutdownTimeout bounds how long requests under way may take at the end.
const shutdownTimeout = 5 * time.Second

// options are the flags.
type options struct {
	listen            string
	expose            bool
	cors              []string
	output            string
	home              string
	artifacts         string
	blockTime         time.Duration
	chainID           uint64
	validators        int
	sealers           int
	gatewayChainID    uint64
	decryption        string
	inputVerification string
	kmsSigners        []string
	kmsThreshold      int
	coprocessors      int
	fund              []string
}

func newCommand() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "tkms-hostchain",
		Short: "Run a test fhEVM host chain with QBFT-sealed headers (simulated validator network)",
		Example: `  tkms-hostchain --block-time 1s --kms-signers 0xAA...,0xBB...,0xCC...,0xDD... --kms-threshold 3
  tkms-hostchain --listen 127.0.0.1:0 --output json`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := environment(cmd.Flags()); err != nil {
				return err
			}
			return o.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	f := command.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8545", "address for JSON-RPC and HTTP; port 0 takes a free one")
	f.BoolVar(&o.expose, "unsafe-expose", false, "allow an address that other machines reach")
	f.StringSliceVar(&o.cors, "cors", nil, "web origins that may call, * for all")
	f.StringVar(&o.output, "output", "text", "text or json: how to print addresses once the chain runs")
	f.StringVar(&o.home, "home", "", "directory that keeps the chain and its keys (default: in memory)")
	f.StringVar(&o.artifacts, "artifacts", "", "directory of the contract artifacts (default: build/hostchain/artifacts of the repository)")
	f.DurationVar(&o.blockTime, "block-time", time.Second, "time between blocks, 0 seals a block for each transaction")
	f.Uint64Var(&o.chainID, "chain-id", hostchain.DefaultChainID, "chain id")
	f.IntVar(&o.validators, "validators", hostchain.DefaultValidators, "number of validator keys")
	f.IntVar(&o.sealers, "sealers", 0, "seals in each block (default: a quorum)")
	f.Uint64Var(&o.gatewayChainID, "gateway-chain-id", hostchain.DefaultGatewayChainID, "chain id of the verifier contracts' EIP-712 domains")
	f.StringVar(&o.decryption, "decryption-address", hostchain.DefaultDecryption.Hex(), "verifying contract of decryption results")
	f.StringVar(&o.inputVerification, "input-verification-address", hostchain.DefaultInputVerification.Hex(), "verifying contract of inputs")
	f.StringSliceVar(&o.kmsSigners, "kms-signers", nil, "addresses whose signatures KMSVerifier accepts (default: nobody's, until "+api.PathKMSContext+")")
	f.IntVar(&o.kmsThreshold, "kms-threshold", 0, "how many of them are needed (default: all)")
	f.IntVar(&o.coprocessors, "coprocessors", 1, "number of simulated coprocessor signers")
	f.StringSliceVar(&o.fund, "fund", nil, "addresses that own 1000 ether in the genesis")
	f.VisitAll(func(flag *pflag.Flag) { flag.Usage += " [" + variable(flag.Name) + "]" })
	return command
}

// variable returns the environment variable of a flag.
func variable(flag string) string {
	return "TKMS_HOSTCHAIN_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// environment sets the flags that were not given from their variables.
func environment(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(flag *pflag.Flag) {
		value, ok := os.LookupEnv(variable(flag.Name))
		if !ok || flag.Changed {
			return
		}
		if err := flags.Set(flag.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", variable(flag.Name), err))
		}
	})
	return errors.Join(errs...)
}

func (o *options) run(ctx context.Context, out io.Writer) error {
	if o.output != "text" && o.output != "json" {
		return fmt.Errorf("--output is %q, want text or json", o.output)
	}
	config, err := o.config()
	if err != nil {
		return err
	}
	listener, err := o.open()
	if err != nil {
		return err
	}
	defer listener.Close() //nolint:errcheck // Serve closes it; this is for the way out before
	chain, err := hostchain.New(config)
	if err != nil {
		return err
	}
	return errors.Join(o.serve(ctx, out, chain, listener), chain.Close())
}

// serve answers requests until ctx ends.
func (o *options) serve(ctx context.Context, out io.Writer, chain *hostchain.Chain, listener net.Listener) error {
	handler, stop, err := chain.Handler(o.cors)
	if err != nil {
		return err
	}
	defer stop()
	if err := o.announce(out, chain, "http://"+listener.Addr().String()); err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	// The command's context is over; requests under way get a little longer.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}

func (o *options) open() (net.Listener, error) {
	address, err := net.ResolveTCPAddr("tcp", o.listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	if !o.expose && !address.IP.IsLoopback() {
		return nil, fmt.Errorf("--listen %s: %w", o.listen, errExposed)
	}
	listener, err := net.ListenTCP("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	return listener, nil
}

func (o *options) config() (hostchain.Config, error) {
	config := hostchain.Config{
		ChainID:        o.chainID,
		BlockPeriod:    o.blockTime,
		Validators:     o.validators,
		Sealers:        o.sealers,
		GatewayChainID: o.gatewayChainID,
		KMSThreshold:   o.kmsThreshold,
		Coprocessors:   o.coprocessors,
		DataDir:        o.home,
		Artifacts:      o.artifacts,
		Balances:       make(map[common.Address]*big.Int),
	}
	var err error
	if config.Decryption, err = parseAddress("decryption-address", o.decryption); err != nil {
		return config, err
	}
	if config.InputVerification, err = parseAddress("input-verification-address", o.inputVerification); err != nil {
		return config, err
	}
	for _, text := range o.kmsSigners {
		signer, err := parseAddress("kms-signers", text)
		if err != nil {
			return config, err
		}
		config.KMSSigners = append(config.KMSSigners, signer)
	}
	for _, text := range o.fund {
		account, err := parseAddress("fund", text)
		if err != nil {
			return config, err
		}
		config.Balances[account] = api.DefaultFunding()
	}
	return config, nil
}

func parseAddress(flag, text string) (common.Address, error) {
	if !common.IsHexAddress(text) {
		return common.Address{}, fmt.Errorf("--%s: %q is no address", flag, text)
	}
	return common.HexToAddress(text), nil
}

// announcement is what --output json prints, on one line.
type announcement struct {
	URL  string    `json:"url"`
	Info *api.Info `json:"info"`
}

func (o *options) announce(out io.Writer, chain *hostchain.Chain, url string) error {
	info, err := chain.Info()
	if err != nil {
		return err
	}
	if o.output == "json" {
		return json.NewEncoder(out).Encode(announcement{URL: url, Info: info})
	}
	_, err = fmt.Fprintf(out, `%s
  JSON-RPC      %s
  coprocessor   %s%s
  KMS context   %s%s
  health        %s%s
  chain id      %d, a block every %s, %d seals of %d validators
  ACL           %s
  registry      %s
  dApp          %s
  KMS verifier  %s, %d of %d signers
`, info.Name, url, url, api.PathInput, url, api.PathKMSContext, url, api.PathHealth,
		info.ChainID, o.blockTime, info.Sealers, len(info.Validators),
		info.Contracts.ACL, info.Contracts.Registry, info.Contracts.Disclosure,
		info.Contracts.KMSVerifier, info.KMS.Threshold, len(info.KMS.Signers))
	return err
}
