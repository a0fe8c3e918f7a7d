package cmd

import (
	"io"
	"regexp"
	"strings"

	"github.com/tkms-network/tkms/cmd/internal/cli"
)

// hints by a part of the message, for errors that come from libraries. The first match counts.
var hints = []struct{ part, hint string }{
	{"connection refused", "is the node running? --node (TKMS_NODE) names its RPC address; 'tkmsd devnet' starts a network"},
	{"no such host", "check --node (TKMS_NODE)"},
	{"key not found", "list your keys with 'tkmsd keys list', with the --keyring-backend and --home that hold them"},
	{"does not exist on chain", "the account exists once it was sent coins"},
	{"account not found", "the account exists once it was sent coins"},
	{"insufficient funds", "see the balance with 'tkmsd query bank balances ADDRESS'"},
	{"fee is below the minimum gas price", "raise --fees or --gas-prices; 'tkmsd query poa params' shows the price"},
	{"out of gas", "raise --gas or --gas-adjustment"},
	{"account sequence mismatch", "another transaction of this account is under way: try again after it"},
	{"unknown parameter set", "'tkmsd query kms params' lists the sets that the chain admits"},
	{"the host chain has a key", "see it with 'tkmsd query kms host-key CHAIN-ID'"},
	{"operations would come out wrong too often", "leave --noise out, or have governance accept more (--max-log2-failure-milli)"},
	{"are not generated with this noise", "leave --noise out"},
	{"chain ID required", "set --chain-id (TKMS_CHAIN_ID)"},
	{"couldn't find genesis", "prepare the home with 'tkmsd init MONIKER'"},
	{"genesis.json: no such file", "prepare the home with 'tkmsd init MONIKER'"},
	{"unknown command", "'tkmsd --help' lists the commands"},
	{"unknown flag", "add --help to the command to see its flags"},
	{"resource temporarily unavailable", "another process has opened this home: stop it first"},
}

// noise is what layers of gRPC and the SDK put around a message, and the source positions in it.
var noise = regexp.MustCompile(`rpc error: code = \S+ desc = | \[[^ \]]*\.go:\d+\]`)

// missing is how the SDK ends a query's answer that something is not there, whatever it is: with the
// words of a keyring that lacks a key.
var missing = regexp.MustCompile(`^((?s:.*)rpc error: code = NotFound desc = (?s:.*)): key not found$`)

func printError(w io.Writer, err error) {
	cli.Print(w, noise.ReplaceAllString(plain(err), ""), hintFor(err))
}

// plain is the text of an error without the SDK's wrong word on a query.
func plain(err error) string { return missing.ReplaceAllString(err.Error(), "$1") }

func hintFor(err error) string {
	if hint := cli.Hint(err); hint != "" {
		return hint
	}
	text := plain(err)
	for _, h := range hints {
		if strings.Contains(text, h.part) {
			return h.hint
		}
	}
	return ""
}
