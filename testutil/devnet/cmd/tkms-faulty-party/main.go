// Command tkms-faulty-party is tkms-party with a fault, for networks on one
// machine: the variable TKMS_FAULT names what its messages are like, and
// TKMS_CLOCK_AHEAD how far its clock is ahead, as -1h. Its measurement is not that
// of tkms-party, so no network accepts it whose governance was not asked.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/tkms-network/tkms/cmd/tkms-party/command"
	"github.com/tkms-network/tkms/testutil/fault"
)

func main() {
	faults, err := readFaults()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	command.Main(faults)
}

func readFaults() (command.Faults, error) {
	var faults command.Faults
	if name := os.Getenv("TKMS_FAULT"); name != "" {
		kind, err := fault.ParseKind(name)
		if err != nil {
			return faults, fmt.Errorf("TKMS_FAULT: %w", err)
		}
		faults.Wrap = (&fault.Party{Kind: kind}).Wrap
	}
	if ahead := os.Getenv("TKMS_CLOCK_AHEAD"); ahead != "" {
		var err error
		if faults.Clock, err = time.ParseDuration(ahead); err != nil {
			return faults, fmt.Errorf("TKMS_CLOCK_AHEAD: %w", err)
		}
	}
	if faults.Wrap == nil && faults.Clock == 0 {
		return faults, fmt.Errorf("neither TKMS_FAULT nor TKMS_CLOCK_AHEAD is set")
	}
	return faults, nil
}
