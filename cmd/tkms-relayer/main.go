// Command tkms-relayer is the bridge between one fhEVM host chain and TKMS: it
// keeps ciphertext bytes, brings requests with headers and proofs to TKMS, and
// carries signed plaintexts back. Nobody has to trust it.
package main

import (
	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/app/params"
	"github.com/tkms-network/tkms/cmd/internal/cli"
)

func main() { cli.Main(newRoot()) }

func newRoot() *cobra.Command {
	params.SetAddressPrefixes()
	root := &cobra.Command{
		Use:   "tkms-relayer",
		Short: "The bridge between one fhEVM host chain and TKMS",
		Long:  "The bridge between one fhEVM host chain and TKMS. Each flag may also be given as a variable: --home is TKMS_HOME.",
	}
	root.PersistentFlags().String("home", ".tkms-relayer", "folder of ciphertexts and jobs")
	root.AddCommand(newRun())
	return root
}
