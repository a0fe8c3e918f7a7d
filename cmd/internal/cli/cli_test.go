package cli_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/internal/cli"
)

func TestAVariableSetsAFlagThatTheCommandLineLeaves(t *testing.T) {
	t.Setenv("TKMS_LOG_LEVEL", "debug")
	t.Setenv("TKMS_LISTEN", "from variable")
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	level, listen := set.String("log-level", "info", ""), set.String("listen", "", "")
	require.NoError(t, set.Parse([]string{"--listen", "from line"}))
	require.NoError(t, cli.FlagsFromEnvironment(set))
	require.Equal(t, "debug", *level)
	require.Equal(t, "from line", *listen)

	require.Equal(t, "TKMS_RPC_LADDR", cli.Variable("rpc.laddr"))
	t.Setenv("TKMS_COUNT", "many")
	set.Int("count", 1, "")
	require.ErrorContains(t, cli.FlagsFromEnvironment(set), "TKMS_COUNT")
}

func TestAnErrorIsPrintedWithItsHint(t *testing.T) {
	var out strings.Builder
	cause := errors.New("no such key")
	cli.PrintError(&out, fmt.Errorf("sign: %w", cli.WithHint(cause, "make one")))
	require.Equal(t, "error: sign: no such key\nhint: make one\n", out.String())
	require.ErrorIs(t, cli.WithHint(cause, "x"), cause)
	require.NoError(t, cli.WithHint(nil, "x"))
	require.Equal(t, "outer", cli.Hint(cli.WithHint(cli.WithHint(cause, "inner"), "outer")))
	require.Empty(t, cli.Hint(cause))
}

func TestACommandReadsVariablesAndPrintsItsError(t *testing.T) {
	t.Setenv("TKMS_HOME", "from variable")
	var out strings.Builder
	var home string
	cause := errors.New("nothing there")
	root := &cobra.Command{Use: "test"}
	root.AddCommand(&cobra.Command{Use: "fail", RunE: func(*cobra.Command, []string) error {
		return cli.WithHint(cause, "look elsewhere")
	}})
	root.PersistentFlags().StringVar(&home, "home", "", "")
	root.SetErr(&out)
	root.SetArgs([]string{"fail"})
	require.ErrorIs(t, cli.Execute(t.Context(), root), cause)
	require.Equal(t, "from variable", home)
	require.Equal(t, "error: nothing there\nhint: look elsewhere\n", out.String())
}
