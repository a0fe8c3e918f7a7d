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
const Prefix = "TKMS"

// Variable returns the environment variable of a flag: --log-level is
// TKMS_LOG_LEVEL, --rpc.laddr is TKMS_RPC_LADDR.
func Variable(flag string) string {
	return Prefix + "_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(flag))
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

// hinted is an error that knows what its reader can do about it.
type hinted struct {
	error
	hint string
}

// Unwrap returns the cause.
func (h *hinted) Unwrap() error { return h.error }

// Hint returns the advice.
func (h *hinted) Hint() string { return h.hint }

// WithHint adds advice to an error; nil stays nil.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hinted{err, hint}
}

// Hint returns the advice of the outermost error that has a method Hint, or "".
func Hint(err error) string {
	var advising interface{ Hint() string }
	if errors.As(err, &advising) {
		return advising.Hint()
	}
	return ""
}

// PrintError writes an error and its hint, if it has one, for a person.
func PrintError(w io.Writer, err error) { Print(w, err.Error(), Hint(err)) }

// Print writes the message of an error and a hint, if there is one, for a person.
func Print(w io.Writer, message, hint string) {
	fmt.Fprintf(w, "error: %s\n", strings.TrimSpace(message))
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
}
