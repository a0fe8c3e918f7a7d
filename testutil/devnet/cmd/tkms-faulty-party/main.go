// Command tkms-faulty-party is tkms-party with a fault, for networks on one
// machine: the variable TKMS_FAULT names what it does. Its measurement is not that
// of tkms-party, so no network accepts it whose governance was not asked.
package main

import (
	"fmt"
	"os"

	"github.com/tkms-network/tkms/cmd/tkms-party/command"
	"github.com/tkms-network/tkms/testutil/fault"
)

func main() {
	kind, err := fault.ParseKind(os.Getenv("TKMS_FAULT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: TKMS_FAULT:", err)
		os.Exit(1)
	}
	command.Main((&fault.Party{Kind: kind}).Wrap)
}
