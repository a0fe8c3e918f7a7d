// Command tkmsd is the chain's node and every user's command line.
package main

import (
	"os"

	"github.com/tkms-network/tkms/cmd/tkmsd/cmd"
)

func main() {
	os.Exit(cmd.Execute(os.Args[1:], os.Stdout, os.Stderr))
}
