package soak

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tkms-network/tkms/testutil/devnet/console"
)

// String is the report for a person.
func (r *Report) String() string {
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	line("\n%d requests: %d answered right, %d refunded; median %s, slowest %s", r.Asked, r.Answered, r.Refunded, console.Duration(r.Median), console.Duration(r.Slowest))
	line("on the chain: %d accepted, %d fulfilled, %d expired, %d convictions", r.Accepted, r.Fulfilled, r.Expired, r.Convictions)
	kinds := make([]string, 0, len(r.Faults))
	for kind, times := range r.Faults {
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, times))
	}
	slices.Sort(kinds)
	line("faults: %s", strings.Join(kinds, ", "))
	line("parties restarted by hand: %d", r.Restarts)
	line("searched: %d logs for %d parts of secrets", r.Logs, r.Secrets)
	if len(r.Violations) == 0 {
		line("every request was answered right or refunded, none twice differently; escrow is zero; nobody honest is convicted; no secret is in a log")
	}
	for _, v := range r.Violations {
		line("VIOLATION: %s", v)
	}
	return out.String()
}
