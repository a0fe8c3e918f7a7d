// Package debug is the command group "tkmsd debug": tools for developers and
// operators that work on files on this machine and talk to no network.
//
// threshold-decrypt deals a whole client key among parties in this process. It
// shows that the threshold protocols and the TFHE-rs formats are right for a key
// that somebody holds anyway; it says nothing about a key that nobody holds, and
// must never be given one that matters.
package debug

import (
	"github.com/spf13/cobra"
)

// NewDebugCmd returns the command group "debug".
func NewDebugCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "debug",
		Short: "Tools for developers, working on local files",
	}
	cmd.AddCommand(newThresholdDecryptCmd())
	return cmd
}
