// Package command is the command line of tkms-party, so that a test network can
// run the same party with peers' messages tampered with. The program itself runs
// what is here and nothing else.
package command

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/app/params"
	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/enclave/party"
)

// Faults is what a test program has different from tkms-party.
type Faults struct {
	// Wrap is party.Config's.
	Wrap party.Wrap
	// Clock is how far the clock is ahead.
	Clock time.Duration
}

func (f Faults) now() time.Time { return time.Now().Add(f.Clock) }

// Main runs the command line. Faults are none but in test programs.
func Main(faults Faults) { cli.Main(newRoot(faults)) }

func newRoot(faults Faults) *cobra.Command {
	params.SetAddressPrefixes()
	root := &cobra.Command{
		Use:   "tkms-party",
		Short: "One MPC party of a TKMS network",
		Long:  "One MPC party of a TKMS network. Each flag may also be given as a variable: --home is TKMS_HOME.",
	}
	root.PersistentFlags().String("home", ".tkms-party", "folder of configuration, sealed state and public vault")
	root.AddCommand(newInit(), newRegisterMessage(), newRun(faults), newStatus(), newDoctor(), newBackup())
	return root
}
