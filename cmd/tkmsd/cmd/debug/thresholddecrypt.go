package debug

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tkms-network/tkms/cmd/internal/cli"
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/cluster"
	"github.com/tkms-network/tkms/testutil/fault"
)

// errOutput reports an output format that does not exist.
var errOutput = errors.New("unknown output format")

type thresholdDecrypt struct {
	clientKey, parameters, typeName, faults, output string
	parties                                         int
	timeout                                         time.Duration
}

func newThresholdDecryptCmd() *cobra.Command {
	var o thresholdDecrypt
	cmd := &cobra.Command{
		Use:   "threshold-decrypt --client-key FILE [flags] CIPHERTEXT...",
		Short: "Deal a TFHE-rs client key among parties in this process and decrypt files with it",
		Long: `Reads a TFHE-rs client key, deals shares of it among N parties that run in this
process and talk over mutual TLS on the loopback interface, and decrypts each
ciphertext by the threshold protocol: FheBool and FheUintN, before or after noise
squashing, and the lists CompactCiphertextList, CompressedCiphertextList and
CompressedSquashedNoiseCiphertextList, in TFHE-rs' safe_serialize format. The whole
key is in this process: use test keys only.

Single parties can be made to misbehave, both when random material is made
(offline) and when a value is decrypted (online):
  bad-share   sends wrong shares, and signs them
  equivocate  sends different shares to different parties, and signs both
  split       sends good shares to some, bad ones to others
  replay      sends messages of an earlier session
  garbage     sends random bytes
  silent      sends nothing
  late        sends everything, long after it was ready
Up to (N-1)/3 of them change nothing about the values. Who lied is named, with
the evidence that would convict it on the chain. Whom the offline phase cannot
do with is excluded from it, and the material made anew without it.`,
		Example: `  tkmsd debug threshold-decrypt --client-key client_key.bin ciphertext.bin
  tkmsd debug threshold-decrypt --client-key client_key.bin --parties 7 --faults p2=bad-share,p5=equivocate a.bin b.bin
  tkmsd debug threshold-decrypt --client-key client_key.bin --type euint64 --output json ciphertext.bin`,
		Args:          cobra.MinimumNArgs(1),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
			defer cancel()
			report, err := o.run(ctx, args)
			if err != nil {
				return err
			}
			return report.print(cmd.OutOrStdout(), o.output)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.clientKey, "client-key", "", "file of the TFHE-rs client key (required)")
	f.StringVar(&o.parameters, "parameters", tfhe.NameProduction, "TFHE parameter set of key and ciphertexts")
	f.IntVar(&o.parties, "parties", 4, "number of parties: 1, 4, 7, 10 or 13")
	f.StringVar(&o.faults, "faults", "", "faulty parties, as p2=bad-share,p3=silent")
	f.StringVar(&o.typeName, "type", "", "refuse ciphertexts of another type (ebool, euint8, …) or of several values")
	f.StringVar(&o.output, "output", "text", "output format: text or json")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "give up after this time")
	_ = cmd.MarkFlagRequired("client-key")
	return cmd
}

// input is one encrypted value of a file.
type input struct {
	file       string
	index      int
	ciphertext *tfhe.Ciphertext
}

func (o *thresholdDecrypt) run(ctx context.Context, files []string) (*report, error) {
	if !slices.Contains([]string{"text", "json"}, o.output) {
		return nil, cli.WithHint(fmt.Errorf("%w %q", errOutput, o.output), "use --output text or --output json")
	}
	if !slices.Contains(mpc.SupportedParties, o.parties) {
		return nil, cli.WithHint(fmt.Errorf("%w, not %d", mpc.ErrParties, o.parties), "use --parties 4, 7, 10 or 13")
	}
	faults, err := fault.Parse(o.faults, o.parties, fault.Kinds())
	if err != nil {
		return nil, cli.WithHint(err, "for example --faults p2=bad-share,p3=silent; --help lists the kinds")
	}
	p, err := tfhe.ByName(o.parameters)
	if err != nil {
		return nil, cli.WithHint(err, "the sets are "+strings.Join(tfhe.Names(), ", "))
	}
	key, err := readClientKey(o.clientKey, p)
	if err != nil {
		return nil, err
	}
	defer key.Zero()
	inputs, err := o.readCiphertexts(files, p)
	if err != nil {
		return nil, err
	}
	return o.decrypt(ctx, key, inputs, faults)
}

func (o *thresholdDecrypt) decrypt(ctx context.Context, key *tfhe.ClientKey, inputs []input, faults map[int]fault.Kind) (*report, error) {
	start := time.Now()
	c, err := cluster.New(ctx, cluster.Config{Parties: o.parties, Faults: faults}, key, rand.Reader)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	r := newReport(o.parties, faults, time.Since(start))
	for _, in := range inputs {
		result, err := c.Decrypt(ctx, in.ciphertext)
		if err != nil {
			return nil, cli.WithHint(fmt.Errorf("decrypt %s: %w", in.file, err),
				fmt.Sprintf("%d parties tolerate %d faulty ones; if there are no more, try a longer --timeout", o.parties, (o.parties-1)/3))
		}
		r.add(in, result)
	}
	return r, nil
}

func readClientKey(file string, p tfhe.Parameters) (*tfhe.ClientKey, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("read the client key: %w", err), "give the file that TfheClientKey.safe_serialize wrote")
	}
	defer clear(data)
	key, err := tfhe.UnmarshalClientKey(data, p)
	switch {
	case errors.Is(err, tfhe.ErrKind):
		return nil, cli.WithHint(fmt.Errorf("%s: %w", file, err), "--client-key wants the client key; public keys and ciphertexts are other files")
	case err != nil:
		return nil, cli.WithHint(fmt.Errorf("%s: %w", file, err), "the key must be of TFHE-rs 1.6 or 1.7 and of the parameter set "+p.Name)
	}
	return key, nil
}

func (o *thresholdDecrypt) readCiphertexts(files []string, p tfhe.Parameters) ([]input, error) {
	var inputs []input
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a ciphertext: %w", err)
		}
		values, err := o.decode(data, p)
		switch {
		case errors.Is(err, tfhe.ErrType) && o.typeName != "":
			return nil, cli.WithHint(fmt.Errorf("%s: %w", file, err), "leave --type away to decrypt whatever the file holds")
		case err != nil:
			return nil, cli.WithHint(fmt.Errorf("%s: %w", file, err), "FheBool, FheUintN and CompactCiphertextList of TFHE-rs 1.6 or 1.7 can be decrypted")
		}
		for i, c := range values {
			inputs = append(inputs, input{file: file, index: i, ciphertext: c})
		}
	}
	return inputs, nil
}

func (o *thresholdDecrypt) decode(data []byte, p tfhe.Parameters) ([]*tfhe.Ciphertext, error) {
	if o.typeName == "" {
		return tfhe.DecodeAny(data, p)
	}
	t, err := tfhe.TypeByName(strings.ToLower(o.typeName))
	if err != nil {
		return nil, err
	}
	c, err := tfhe.Decode(data, t, p)
	if err != nil {
		return nil, err
	}
	return []*tfhe.Ciphertext{c}, nil
}
