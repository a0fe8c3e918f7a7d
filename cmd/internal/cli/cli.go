// Package cli is what all commands of this repository share in how they meet a
// person: flags that also come from TKMS_ variables, and errors with a hint.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// Prefix starts the environment variable of each flag.
const Prefix = "TKMS_"

// Variable returns the environment variable of a flag: --log-level is
// TKMS_LOG_LEVEL, --rpc.laddr is TKMS_RPC_LADDR.
func Variable(flag string) string {
	return Prefix + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(flag))
}

// FlagsFromEnvironment sets each flag that the command line did not set from its
// variable.
func FlagsFromEnvironment(set *pflag.FlagSet) error {
	var failure error
	set.VisitAll(func(flag *pflag.Flag) {
		value, given := os.LookupEnv(Variable(flag.Name))
		if flag.Changed || !given || failure != nil {
			return
		}
		if err := set.Set(flag.Name, value); err != nil {
			failure = fmt.Errorf("%s: %w", Variable(flag.Name), err)
		}
	})
	return failure
}

// Hinted is an error that knows what its reader can do about it.
type Hinted struct {
	Err  error
	Hint string
}

// Error implements error.
func (h *Hinted) Error() string { return h.Err.Error() }

// Unwrap returns the cause.
func (h *Hinted) Unwrap() error { return h.Err }

// WithHint adds advice to an error; nil stays nil.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &Hinted{err, hint}
}

// PrintError writes an error and its hint, if it has one, for a person.
func PrintError(w io.Writer, err error) {
	fmt.Fprintf(w, "error: %s\n", strings.TrimSpace(err.Error()))
	var hinted *Hinted
	if errors.As(err, &hinted) && hinted.Hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hinted.Hint)
	}
}
