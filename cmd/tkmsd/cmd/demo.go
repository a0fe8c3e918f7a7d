package cmd

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet/demo"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// addNetworkCommands adds what runs a whole network on this machine.
func addNetworkCommands(root *cobra.Command) {
	root.AddCommand(demoCommand(), devnetCommand(), benchCommand())
}

func demoCommand() *cobra.Command {
	var (
		home   workspace
		out    string
		params string
		types  []string
		seed   uint64
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole network on this machine and check every step",
		Long: "Run a whole network on this machine and check every step.\n\n" +
			"Validators, parties, a relayer and an fhEVM host chain start as processes of their own; a key set is generated,\n" +
			"used, values of every type are decrypted on the host chain's word, attacks are refused, a party dies and returns,\n" +
			"the parties refresh their shares.\n" +
			"The enclave device, the host chain's coprocessor and its validator network are SIMULATED.",
		Example: "tkmsd demo\ntkmsd demo --types ebool,euint64 --seed 7\ntkmsd demo --keep --dir ./net --out ./demo.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			chosen, err := parseTypes(types)
			if err != nil {
				return err
			}
			if err := checkParams(params, true); err != nil {
				return err
			}
			if !cmd.Flags().Changed("seed") {
				if seed, err = randomSeed(); err != nil {
					return err
				}
			}
			if err := home.open(); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			report, err := demo.Run(ctx, demo.Options{Bin: home.bin, Dir: home.dir, Params: params, Types: chosen, Seed: seed, Out: cmd.OutOrStdout()})
			if report != nil && out != "" {
				err = errors.Join(err, report.Write(out))
			}
			return home.close(err)
		},
	}
	f := cmd.Flags()
	home.addFlags(cmd)
	f.StringVar(&out, "out", filepath.Join("build", "demo.json"), "file for the report as JSON; empty for none")
	f.StringVar(&params, "params", kmstypes.ProductionCompute, "parameter set of the key, production or production-compute")
	f.StringSliceVar(&types, "types", nil, "types to decrypt, such as ebool,euint64; all by default")
	f.Uint64Var(&seed, "seed", 0, "seed of the encrypted values; drawn at random by default")
	return cmd
}

func parseTypes(names []string) ([]tfhe.Type, error) {
	if len(names) == 0 {
		return demo.DefaultTypes(), nil
	}
	var out []tfhe.Type
	for _, name := range names {
		t, err := tfhe.TypeByName(strings.TrimSpace(name))
		if err != nil {
			return nil, cli.WithHint(err, "types are ebool, euint4, euint8, euint16, euint32, euint64, euint128, euint160, euint256 and euint2048")
		}
		out = append(out, t)
	}
	return out, nil
}

func randomSeed() (uint64, error) {
	var raw [8]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return 0, err
	}
	// Short enough to be typed again.
	return uint64(binary.BigEndian.Uint32(raw[:])), nil
}

// workspace is where a network's binaries and files are.
type workspace struct {
	bin, dir string
	keep     bool
}

func (w *workspace) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.bin, "bin", "", "folder of tkmsd, tkms-party, tkms-relayer and tkms-hostchain; that of this program by default")
	cmd.Flags().StringVar(&w.dir, "dir", "", "folder for homes and logs; a temporary one by default")
	cmd.Flags().BoolVar(&w.keep, "keep", false, "keep homes and logs also if all went well")
}

// open finds the binaries and makes the folder. A folder that was named must not
// hold a network.
func (w *workspace) open() error {
	if w.bin == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		w.bin = filepath.Dir(self)
	}
	var err error
	if w.bin, err = filepath.Abs(w.bin); err != nil {
		return err
	}
	if w.dir != "" {
		w.keep = true
		if entries, err := os.ReadDir(w.dir); err == nil && len(entries) > 0 {
			return cli.WithHint(fmt.Errorf("%s is not empty", w.dir), "name a folder that does not exist yet with --dir (TKMS_DIR)")
		}
		if w.dir, err = filepath.Abs(w.dir); err != nil {
			return err
		}
		return os.MkdirAll(w.dir, 0o700)
	}
	w.dir, err = os.MkdirTemp("", "tkms-devnet-")
	return err
}

// close removes the folder unless it is to be kept or explains a failure.
func (w *workspace) close(err error) error {
	if err != nil {
		return cli.WithHint(err, "the logs are in "+w.dir)
	}
	if w.keep {
		return nil
	}
	return os.RemoveAll(w.dir)
}
