package cmd

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	poatypes "github.com/tkms-network/tkms/x/poa/types"
)

const (
	flagWait        = "wait"
	flagWaitTimeout = "wait-timeout"
)

// TxFailedError is a transaction that the chain refused.
type TxFailedError struct {
	Codespace string
	Code      uint32
	Log       string
	Hash      string
}

// Error implements error.
func (e *TxFailedError) Error() string {
	return fmt.Sprintf("transaction %s failed with code %s/%d: %s", e.Hash, e.Codespace, e.Code, e.Log)
}

// txResponse is what all transaction commands print.
type txResponse struct {
	Hash      string `json:"txhash"`
	Codespace string `json:"codespace"`
	Code      uint32 `json:"code"`
	Log       string `json:"raw_log"`
}

// tee keeps a copy of what a command prints.
type tee struct {
	io.Writer
	copy bytes.Buffer
}

// Write implements io.Writer.
func (t *tee) Write(p []byte) (int, error) {
	t.copy.Write(p)
	return t.Writer.Write(p)
}

// reportTransactions gives every command that sends a transaction sensible gas defaults and the flag
// --wait, and makes it fail if the chain refuses the transaction.
func reportTransactions(root *cobra.Command) {
	for _, child := range root.Commands() {
		if child.Name() == "tx" {
			wrapTransactions(child)
		}
	}
}

func wrapTransactions(cmd *cobra.Command) {
	for _, child := range cmd.Commands() {
		wrapTransactions(child)
	}
	if cmd.RunE == nil || cmd.Flags().Lookup(flags.FlagBroadcastMode) == nil || cmd.Flags().Lookup(flags.FlagGas) == nil {
		return
	}
	// A module's own command may wait for more than a block, such as the answer to its request.
	waits := cmd.Flags().Lookup(flagWait) == nil
	if waits {
		cmd.Flags().Bool(flagWait, false, "wait until the transaction is in a block, and fail if it failed there")
		cmd.Flags().Duration(flagWaitTimeout, 30*time.Second, "how long to wait")
	}
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := setGasDefaults(cmd); err != nil {
			return err
		}
		out := &tee{Writer: cmd.OutOrStdout()}
		cmd.SetOut(out)
		if clientCtx := client.GetClientContextFromCmd(cmd); clientCtx.CmdContext != nil {
			if err := client.SetCmdClientContext(cmd, clientCtx.WithOutput(out)); err != nil {
				return err
			}
		}
		if err := run(cmd, args); err != nil {
			return err
		}
		response, ok := findResponse(out.copy.Bytes())
		if !ok { // only generated, simulated, or not confirmed
			return nil
		}
		if response.Code != 0 {
			return &TxFailedError{response.Codespace, response.Code, response.Log, response.Hash}
		}
		if wait, _ := cmd.Flags().GetBool(flagWait); wait && waits {
			return waitForTransaction(cmd, response.Hash)
		}
		return nil
	}
}

// setGasDefaults lets the node estimate the gas and pays the default price, unless the user says otherwise.
func setGasDefaults(cmd *cobra.Command) error {
	f := cmd.Flags()
	changed := func(name string) bool { flag := f.Lookup(name); return flag != nil && flag.Changed }
	offline, _ := f.GetBool(flags.FlagOffline)
	generateOnly, _ := f.GetBool(flags.FlagGenerateOnly)
	if !changed(flags.FlagFees) && !changed(flags.FlagGasPrices) {
		if err := f.Set(flags.FlagGasPrices, poatypes.DefaultParams().MinGasPrice.String()); err != nil {
			return err
		}
	}
	if changed(flags.FlagGas) || offline || generateOnly {
		return nil
	}
	if err := f.Set(flags.FlagGas, flags.GasFlagAuto); err != nil {
		return err
	}
	if changed(flags.FlagGasAdjustment) {
		return nil
	}
	return f.Set(flags.FlagGasAdjustment, "1.5")
}

// findResponse finds the response in what a command printed: it is the last document, in JSON or YAML.
func findResponse(printed []byte) (txResponse, bool) {
	var response txResponse
	start := max(bytes.LastIndex(printed, []byte("\ncode:")), bytes.LastIndex(printed, []byte("\n{")))
	document := printed[start+1:]
	if json.Unmarshal(document, &response) != nil && yaml.Unmarshal(document, &response) != nil {
		return txResponse{}, false
	}
	return response, response.Hash != ""
}

func waitForTransaction(cmd *cobra.Command, hash string) error {
	clientCtx, err := client.GetClientQueryContext(cmd)
	if err != nil {
		return err
	}
	node, err := clientCtx.GetNode()
	if err != nil {
		return err
	}
	raw, err := hex.DecodeString(hash)
	if err != nil {
		return fmt.Errorf("transaction hash: %w", err)
	}
	timeout, _ := cmd.Flags().GetDuration(flagWaitTimeout)
	deadline := time.Now().Add(timeout)
	for {
		result, err := node.Tx(cmd.Context(), raw, false)
		if err == nil && result.TxResult.Code != 0 {
			return &TxFailedError{result.TxResult.Codespace, result.TxResult.Code, result.TxResult.Log, hash}
		}
		if err == nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "committed at height %d\n", result.Height)
			return nil
		}
		if time.Now().After(deadline) {
			return cli.WithHint(errors.Join(fmt.Errorf("transaction %s is not in a block after %s", hash, timeout), err),
				"it may still be committed: 'tkmsd query tx "+hash+"'")
		}
		select {
		case <-cmd.Context().Done():
			return cmd.Context().Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
