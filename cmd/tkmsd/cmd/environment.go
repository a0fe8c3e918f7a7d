package cmd

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// envPrefix starts the environment variable of each flag.
const envPrefix = "TKMS"

// flagsFromEnvironment sets each flag that the command line did not set from its variable: --log-level from
// TKMS_LOG_LEVEL, --rpc.laddr from TKMS_RPC_LADDR.
func flagsFromEnvironment(set *pflag.FlagSet) error {
	var err error
	set.VisitAll(func(flag *pflag.Flag) {
		value, ok := os.LookupEnv(variable(flag.Name))
		if flag.Changed || !ok || err != nil {
			return
		}
		if setErr := set.Set(flag.Name, value); setErr != nil {
			err = fmt.Errorf("%s: %w", variable(flag.Name), setErr)
		}
	})
	return err
}

func variable(flag string) string {
	return envPrefix + "_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(flag))
}
