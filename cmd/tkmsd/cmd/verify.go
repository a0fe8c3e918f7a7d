package cmd

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	errorsmod "cosmossdk.io/errors"

	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmttypes "github.com/cometbft/cometbft/types"

	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/codec"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/x/kms/certificate"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	poatypes "github.com/tkms-network/tkms/x/poa/types"
)

const (
	flagTrustedHeight  = "trusted-height"
	flagTrustedHash    = "trusted-hash"
	flagValidators     = "trusted-validators"
	flagGenesis        = "genesis"
	flagTrustingPeriod = "trusting-period"
)

// verifyHints by what failed.
var verifyHints = []struct {
	err  error
	hint string
}{
	{certificate.ErrNoTrust, "give --trusted-hash of a header that you had from somebody else, --trusted-validators, or --genesis"},
	{certificate.ErrExpired, "give a newer --trusted-hash and make the certificate anew with its --trusted-height, or give --trusted-validators"},
	{certificate.ErrUntrusted, "make the certificate with --trusted-height of the header that you trust; or else the certificate is forged"},
	{certificate.ErrFormat, "make it with 'tkmsd query kms certificate ID --output-file FILE'"},
	{certificate.ErrHostChain, "governance changed the host chain since: make the certificate on a node that has the state of the request's acceptance"},
}

// newVerifyCommand checks certificates, without a node.
func newVerifyCommand(cdc codec.Codec) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check a certificate of a decryption without a node",
		Long: "Check a certificate of a decryption without a node. FILE comes from 'tkmsd query kms certificate', - is standard input. " +
			"What you trust, you name: the hash of a TKMS header, of its validators, or the genesis file. " +
			"Everything else follows from it or the command fails: that TKMS accepted the request, that its committee signed the result, " +
			"and that the host chain's state allowed it.",
		Example: "tkmsd verify certificate.json --trusted-height 1234 --trusted-hash 5C0F…",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			trust, err := trustOf(cmd, cdc)
			if err != nil {
				return err
			}
			raw, err := readCertificate(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			c, err := certificate.Decode(raw)
			if err != nil {
				return explained(err)
			}
			output, err := cmd.Flags().GetString(flags.FlagOutput)
			if err != nil {
				return err
			}
			return report(cmd.OutOrStdout(), output, c, certificate.Verify(c, trust))
		},
	}
	f := cmd.Flags()
	f.String(flagTrustedHash, "", "hash of a TKMS header that you trust, hexadecimal")
	f.Int64(flagTrustedHeight, 0, "height of that header")
	f.StringSlice(flagValidators, nil, "hash of a set of TKMS validators that you trust, hexadecimal; may be given several times")
	f.String(flagGenesis, "", "genesis file whose validators you trust")
	f.Duration(flagTrustingPeriod, 7*24*time.Hour, "how old the trusted header may be for later ones to follow from it")
	f.String(flags.FlagOutput, flags.OutputFormatText, "output format (text|json)")
	return cmd
}

// trustOf reads what the caller trusts.
func trustOf(cmd *cobra.Command, cdc codec.Codec) (trust certificate.Trust, err error) {
	f := cmd.Flags()
	hash, e1 := f.GetString(flagTrustedHash)
	height, e2 := f.GetInt64(flagTrustedHeight)
	sets, e3 := f.GetStringSlice(flagValidators)
	genesis, e4 := f.GetString(flagGenesis)
	period, e5 := f.GetDuration(flagTrustingPeriod)
	if err := errors.Join(e1, e2, e3, e4, e5); err != nil {
		return trust, err
	}
	trust.Height, trust.Period, trust.Now = height, period, time.Now()
	if hash != "" {
		if trust.Header, err = parseHash(hash); err != nil {
			return trust, err
		}
	}
	for _, set := range sets {
		parsed, err := parseHash(set)
		if err != nil {
			return trust, err
		}
		trust.Validators = append(trust.Validators, parsed)
	}
	if genesis != "" {
		known, err := genesisValidators(cdc, genesis)
		if err != nil {
			return trust, err
		}
		trust.Validators = append(trust.Validators, known)
	}
	return trust, nil
}

func parseHash(text string) ([]byte, error) {
	hash, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || len(hash) != 32 {
		return nil, fmt.Errorf("%q is no hash: 32 bytes in hexadecimal", text)
	}
	return hash, nil
}

// genesisValidators is the hash of the validators that the chain begins with.
func genesisValidators(cdc codec.Codec, path string) ([]byte, error) {
	doc, err := genutiltypes.AppGenesisFromFile(path)
	if err != nil {
		return nil, err
	}
	var modules map[string]json.RawMessage
	if err := json.Unmarshal(doc.AppState, &modules); err != nil {
		return nil, fmt.Errorf("genesis %s: %w", path, err)
	}
	var state poatypes.GenesisState
	if err := cdc.UnmarshalJSON(modules[poatypes.ModuleName], &state); err != nil {
		return nil, fmt.Errorf("genesis %s: %w", path, err)
	}
	var list []*cmttypes.Validator
	for _, v := range state.Validators {
		if v.IsActive() {
			list = append(list, cmttypes.NewValidator(cmted25519.PubKey(v.ConsensusPubkey), v.Power))
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("genesis %s has no validators", path)
	}
	return cmttypes.NewValidatorSet(list).Hash(), nil
}

func readCertificate(path string, stdin io.Reader) ([]byte, error) {
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		stdin = file
	}
	return io.ReadAll(io.LimitReader(stdin, certificate.MaxSize+1)) // one more, so that excess is seen
}

// verdict is the outcome in JSON.
type verdict struct {
	Valid     bool     `json:"valid"`
	RequestID string   `json:"request_id"`
	Kind      string   `json:"kind"`
	Handles   []string `json:"handles"`
	Plaintext string   `json:"plaintext,omitempty"`
	User      string   `json:"user,omitempty"`
	Simulated []string `json:"simulated,omitempty"`
	Steps     []step   `json:"steps"`
}

type step struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code,omitempty"`
	Error  string `json:"error,omitempty"`
}

// report prints every step, and returns the first that failed as an error.
func report(w io.Writer, output string, c *kmstypes.ProvenCertificate, steps []certificate.Step) error {
	failed := certificate.Failed(steps)
	v := verdictOf(c, steps)
	switch output {
	case flags.OutputFormatJSON:
		encoded, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\n", encoded)
	case flags.OutputFormatText:
		v.print(w)
	default:
		return fmt.Errorf("output %q is neither text nor json", output)
	}
	if failed == nil {
		return nil
	}
	return explained(fmt.Errorf("%s: %w", failed.Name, failed.Err))
}

func verdictOf(c *kmstypes.ProvenCertificate, steps []certificate.Step) verdict {
	r := c.Certificate.Request
	v := verdict{
		Valid: certificate.Failed(steps) == nil, RequestID: hex.EncodeToString(r.Id), Kind: r.Kind.String(),
		Plaintext: hex.EncodeToString(r.Plaintext), Simulated: r.Simulated,
	}
	if r.AuthorizedBy != nil {
		v.User = hex.EncodeToString(r.AuthorizedBy.User)
	}
	for _, ciphertext := range r.Ciphertexts {
		v.Handles = append(v.Handles, hex.EncodeToString(ciphertext.Handle))
	}
	for _, s := range steps {
		out := step{Name: s.Name, OK: s.Err == nil, Detail: s.Detail}
		if s.Err != nil {
			out.Code, out.Error = codeOf(s.Err), s.Err.Error()
		}
		v.Steps = append(v.Steps, out)
	}
	return v
}

// print writes what was checked, and, only if all of it holds, what the certificate says.
func (v verdict) print(w io.Writer) {
	for _, s := range v.Steps {
		switch {
		case s.OK:
			fmt.Fprintf(w, "ok      %s: %s\n", s.Name, s.Detail)
		case s.Code == codeOf(certificate.ErrNotChecked):
			fmt.Fprintf(w, "skipped %s\n", s.Name)
		default:
			fmt.Fprintf(w, "FAILED  %s: %s: %s\n", s.Name, s.Code, s.Error)
		}
	}
	if !v.Valid {
		return
	}
	for _, handle := range v.Handles {
		fmt.Fprintf(w, "handle    0x%s\n", handle)
	}
	if v.User != "" {
		fmt.Fprintf(w, "read by   0x%s\n", v.User)
	} else {
		fmt.Fprintf(w, "plaintext 0x%s\n", v.Plaintext)
	}
	if len(v.Simulated) != 0 {
		fmt.Fprintf(w, "SIMULATED %s\n", strings.Join(v.Simulated, ", "))
	}
	fmt.Fprintln(w, "valid")
}

// codeOf is the stable name of an error, codespace and code; empty if it has none.
func codeOf(err error) string {
	var registered *errorsmod.Error
	if !errors.As(err, &registered) {
		return ""
	}
	return fmt.Sprintf("%s/%d", registered.Codespace(), registered.ABCICode())
}

// explained adds code and hint.
func explained(err error) error {
	err = fmt.Errorf("%w (%s)", err, codeOf(err))
	for _, h := range verifyHints {
		if errors.Is(err, h.err) {
			return cli.WithHint(err, h.hint)
		}
	}
	return cli.WithHint(err, "do not rely on this certificate")
}
