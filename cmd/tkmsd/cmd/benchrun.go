package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client/flags"
)

// benchReport is what a benchmark of a network tells.
type benchReport interface {
	WriteText(io.Writer) error
	WriteJSON(io.Writer) error
}

// benchRun is what the benchmarks of networks have in common.
type benchRun struct {
	home workspace
	// output is the format on standard output, out a file for the report as JSON.
	output, out string
}

func (b *benchRun) addFlags(cmd *cobra.Command) {
	b.home.addFlags(cmd)
	cmd.Flags().StringVar(&b.out, "out", "", "file for the report as JSON; none by default")
	cmd.Flags().StringVarP(&b.output, flags.FlagOutput, "o", flags.OutputFormatText, "output format (text|json)")
}

// run measures in the workspace and writes what came of it.
func (b *benchRun) run(cmd *cobra.Command, measure func(context.Context) (benchReport, error)) error {
	if b.output != flags.OutputFormatText && b.output != flags.OutputFormatJSON {
		return fmt.Errorf("--output is text or json, not %q", b.output)
	}
	if err := b.home.open(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := measure(ctx)
	if err != nil {
		return b.home.close(interrupted(ctx.Err(), err))
	}
	if b.output == flags.OutputFormatJSON {
		err = report.WriteJSON(cmd.OutOrStdout())
	} else {
		err = report.WriteText(cmd.OutOrStdout())
	}
	if b.out != "" {
		err = errors.Join(err, writeReport(b.out, report))
	}
	if judged, ok := report.(interface{ Err() error }); ok {
		err = errors.Join(err, judged.Err())
	}
	return b.home.close(err)
}

// writeReport writes a report for programs to a file.
func writeReport(path string, report benchReport) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(report.WriteJSON(file), file.Close())
}
