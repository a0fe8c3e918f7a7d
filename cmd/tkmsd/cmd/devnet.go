package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/app/genesis"
	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/devnet/console"
	"github.com/tkms-network/tkms/testutil/fault"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// minVotingPeriod leaves the validators time for their votes.
const minVotingPeriod = 2 * time.Second

func devnetCommand() *cobra.Command {
	var (
		home    workspace
		parties int
		params  string
		voting  time.Duration
		lies    string
	)
	cmd := &cobra.Command{
		Use:   "devnet",
		Short: "Keep a whole network up on this machine",
		Long: "Keep a whole network up on this machine: four validators, the parties, an fhEVM host chain and a relayer.\n\n" +
			"It registers, forms the committee, generates a key, and stays until it is interrupted. With --faults it also keeps\n" +
			"decrypting, and says who cheated or is away and what proves it.\n" +
			"The enclave device, the host chain's coprocessor and its validator network are SIMULATED,\n" +
			"and all keys lie unencrypted in the folder.",
		Example: "tkmsd devnet\ntkmsd devnet --parties 7 --dir ./net\ntkmsd devnet --params production-compute\ntkmsd devnet --parties 7 --faults p3=bad-share,p5=silent",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkParties(parties); err != nil {
				return err
			}
			if err := checkParams(params, false); err != nil {
				return err
			}
			faults, err := fault.Parse(lies, parties, fault.ProcessKinds())
			if err != nil {
				return cli.WithHint(err, "for example --faults p4=bad-share")
			}
			if err := devnet.CheckFaults(faults, parties); err != nil {
				return cli.WithHint(err, "name fewer in --faults (TKMS_FAULTS), or take more --parties: 4 tolerate 1, 7 tolerate 2, 10 tolerate 3")
			}
			if voting < minVotingPeriod {
				return cli.WithHint(fmt.Errorf("no proposal passes in %s", voting), "--voting-period is at least "+minVotingPeriod.String())
			}
			if err := home.open(); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return home.close(keepUp(ctx, cmd.OutOrStdout(), devnet.Config{Bin: home.bin, Dir: home.dir, Parties: parties, Params: params, VotingPeriod: voting, Faults: faults}))
		},
	}
	cmd.AddCommand(soakCommand())
	home.addFlags(cmd)
	cmd.Flags().IntVar(&parties, "parties", 4, "number of MPC parties: 1, 4, 7, 10 or 13")
	cmd.Flags().StringVar(&params, "params", kmstypes.ProductionPKE, "parameter set of the key: production, production-compute, or production-pke, the compact public key alone")
	cmd.Flags().StringVar(&lies, "faults", "", "parties that misbehave, as p2=bad-share,p4=silent: "+kinds())
	cmd.Flags().DurationVar(&voting, "voting-period", genesis.DevnetGovernance().VotingPeriod, "voting period of proposals, also of the three with which the network starts")
	return cmd
}

// kinds lists the faults that a party can have.
func kinds() string {
	var names []string
	for _, k := range fault.ProcessKinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// checkParties tells whether there is a protocol for a number of parties.
func checkParties(n int) error {
	if !slices.Contains(mpc.SupportedParties, n) {
		return cli.WithHint(fmt.Errorf("no protocol for %d parties", n), "--parties is 1, 4, 7, 10 or 13")
	}
	return nil
}

// keepUp brings a network up and stops it when ctx ends.
func keepUp(ctx context.Context, out io.Writer, cfg devnet.Config) (err error) {
	net, err := devnet.New(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, net.Stop()) }()
	c := console.New(out)
	for _, stage := range net.Stages() {
		_, _, err := c.Step(strconv.Itoa(stage.Group), stage.Name, func() (string, error) { return stage.Run(ctx) })
		switch {
		case ctx.Err() != nil:
			return errors.New("interrupted")
		case err != nil:
			return fmt.Errorf("%s: %w", stage.Name, err)
		}
	}
	describe(c, net)
	if len(cfg.Faults) > 0 {
		defer showFaults(ctx, c, net)()
	}
	select {
	case <-ctx.Done():
		c.Line("\nstopping")
		return nil
	case name := <-ended(ctx, net):
		return fmt.Errorf("%s: %w", name, devnet.ErrEnded)
	}
}

// showFaults keeps the network decrypting and prints who misbehaves, until the returned
// function is called.
func showFaults(ctx context.Context, c *console.Console, net *devnet.Devnet) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	c.Line("")
	for _, number := range slices.Sorted(maps.Keys(net.Config.Faults)) {
		c.Line("FAULTY: p%d is %s", number, net.Config.Faults[number])
	}
	var printing sync.Mutex
	say := func(text string) {
		printing.Lock()
		defer printing.Unlock()
		c.Line("%s  %s", time.Now().Format(time.TimeOnly), text)
	}
	var running sync.WaitGroup
	running.Go(func() { net.Traffic(ctx, say) })
	running.Go(func() { net.Watch(ctx, say) })
	return func() { cancel(); running.Wait() }
}

// describe prints where everything is and what to try.
func describe(c *console.Console, net *devnet.Devnet) {
	c.Line("")
	for _, node := range net.Layout.Nodes {
		c.Line("%-10s rpc %s   rest %s   grpc %s", node.Moniker, node.RPCURL(), node.RESTURL(), node.GRPC)
	}
	for _, p := range net.Parties {
		c.Line("%-10s status http://%s/status", p.Moniker, p.StatusAddr)
	}
	info := net.HostClient.Info()
	c.Line("%-10s %s   chain id %d", "host chain", net.HostURL, info.ChainID)
	c.Line("%-10s %s   ciphertexts %s", "relayer", net.RelayerURL, net.BlobURL)
	c.Line("%-10s %s", "CRS", cmp.Or(net.Config.CRS, "none, so the client library starts only with one of its own: make client-crs"))
	c.Line("%-10s %s", "logs", net.Config.Dir)
	c.Line("\non the host chain:")
	c.Line("  ACL %s   registry %s   dApp %s", info.Contracts.ACL, info.Contracts.Registry, info.Contracts.Disclosure)
	c.Line("  KMSVerifier %s   InputVerifier %s", info.Contracts.KMSVerifier, info.Contracts.InputVerifier)
	c.Line("  gateway chain id %d   Decryption %s   InputVerification %s", info.Gateway.ChainID, info.Gateway.Decryption, info.Gateway.InputVerification)
	c.Line("\naccounts: '%s' in tkmsd's keyring has utkms; the host chain gives its coin to whom tkmstest_fund names", devnet.DAppAccount)
	node, tkmsd := net.Layout.Nodes[0], filepath.Join(net.Config.Bin, "tkmsd")
	c.Line("\ntry:")
	for _, example := range []string{
		"export TKMS_NODE=" + node.RPCURL() + " TKMS_CHAIN_ID=" + net.Layout.ChainID + " TKMS_KEYRING_BACKEND=test TKMS_KEYRING_DIR=" + net.Layout.KeyringDir,
		tkmsd + " query kms host-key " + fmt.Sprint(info.ChainID),
		tkmsd + " query parties epoch " + fmt.Sprint(devnet.FirstEpoch),
		tkmsd + " query parties evidence",
		tkmsd + " query acl host-chain " + fmt.Sprint(info.ChainID),
		tkmsd + " keys list",
		"curl -s " + node.RESTURL() + "/tkms/kms/v1/totals",
		"curl -s " + net.RelayerURL + "/v2/keyurl",
		"curl -s http://" + net.Parties[0].StatusAddr + "/status",
		"node docs/examples/dapp/read.mjs --relayer " + net.RelayerURL + " --host " + net.HostURL,
	} {
		c.Line("  %s", example)
	}
	c.Line("\nit stays up until you interrupt it")
}

// ended tells the name of a process that ends by itself.
func ended(ctx context.Context, net *devnet.Devnet) <-chan string {
	out := make(chan string, 1)
	go func() {
		if name := net.WaitEnd(ctx); name != "" {
			out <- name
		}
	}()
	return out
}
