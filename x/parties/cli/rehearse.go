package cli

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cosmos/gogoproto/proto"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	sdk "github.com/cosmos/cosmos-sdk/types"

	kmscli "github.com/tkms-network/tkms/x/kms/cli"
	"github.com/tkms-network/tkms/x/parties/types"
)

const (
	flagRun     = "run"
	flagTimeout = "wait-timeout"

	pollInterval = 200 * time.Millisecond
)

var (
	// ErrGovernance says that only governance may rehearse with another committee.
	ErrGovernance = errors.New("an operator rehearses new shares for the present committee only")
	// ErrNotRehearsed says that a rehearsal failed.
	ErrNotRehearsed = errors.New("the rehearsal failed")
	// ErrNoEnd says that the wait was over before the rehearsal.
	ErrNoEnd = errors.New("the rehearsal is not over yet")
)

// NewCommand returns the commands about committees that are neither a query nor one
// transaction.
func NewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   types.ModuleName,
		Short: "Look ahead at changes of the committee",
		RunE:  client.ValidateCmd,
	}
	cmd.AddCommand(newRehearseCommand())
	return cmd
}

func newRehearseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rehearse [proposal]",
		Short: "Show what a proposal does to the committee, and try it in shadow",
		Long: "Show what a proposal does to the committee: members, n, t, how many failures are survived, enclave images, estimated cost, and what " +
			"speaks against it. PROPOSAL is the number of a proposal to governance or a file as 'tkmsd tx parties propose-rotation' takes it; " +
			"without one, the flags of that command say what is meant.\n\n" +
			"With --run the parties do all of it but the activation, from the key of an operator of the present committee (--from): the shares in use serve " +
			"on, those made are erased. An operator may do so for a refresh; other committees are rehearsed by governance.",
		Example: "tkmsd parties rehearse 7\ntkmsd parties rehearse --replace 4=5 --output json\ntkmsd parties rehearse --refresh --run --from operator1",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return hinted(rehearse(cmd, args))
		},
	}
	addWishFlags(cmd)
	flags.AddTxFlagsToCmd(cmd)
	cmd.Flags().Bool(flagRun, false, "have the parties do it in shadow, and wait for the end")
	cmd.Flags().Duration(flagTimeout, 15*time.Minute, "how long to wait for the end")
	if output := cmd.Flags().Lookup(flags.FlagOutput); output != nil {
		output.DefValue = "text"
		_ = output.Value.Set("text")
	}
	return cmd
}

func rehearse(cmd *cobra.Command, args []string) error {
	run, _ := cmd.Flags().GetBool(flagRun)
	read := client.GetClientQueryContext
	if run {
		read = client.GetClientTxContext
	}
	clientCtx, err := read(cmd)
	if err != nil {
		return err
	}
	snapshot, err := takeWith(cmd.Context(), clientCtx)
	if err != nil {
		return err
	}
	plan, err := planFrom(cmd, clientCtx, args, snapshot)
	if err != nil {
		return err
	}
	outlook, err := plan.outlook(snapshot)
	if err != nil {
		return err
	}
	output, _ := cmd.Flags().GetString(flags.FlagOutput)
	if err := printOutlook(cmd.OutOrStdout(), output, outlook); err != nil || !run {
		return err
	}
	msg, err := plan.rehearsal(snapshot, clientCtx.GetFromAddress())
	if err != nil {
		return err
	}
	timeout, _ := cmd.Flags().GetDuration(flagTimeout)
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	included, err := kmscli.SendAndAwait(ctx, cmd, clientCtx, msg)
	if err != nil {
		return err
	}
	id, err := epochIn(included)
	if err != nil {
		return err
	}
	phases := phases{out: cmd.OutOrStdout(), json: output == "json", now: time.Now}
	return phases.follow(ctx, types.NewQueryClient(clientCtx), id)
}

// planFrom reads what is to be rehearsed: a number, a file, or the flags.
func planFrom(cmd *cobra.Command, clientCtx client.Context, args []string, s *Snapshot) (*Plan, error) {
	var messages []sdk.Msg
	var err error
	if len(args) == 1 {
		if slices.ContainsFunc(append(wishFlags, flagFile), cmd.Flags().Changed) {
			return nil, fmt.Errorf("%w: name a proposal, or say what to change", ErrWish)
		}
		if id, notNumber := strconv.ParseUint(args[0], 10, 64); notNumber == nil {
			if messages, err = proposalMessages(cmd.Context(), clientCtx, id); err != nil {
				return nil, fmt.Errorf("proposal %d: %w", id, err)
			}
			return planOf(messages, s)
		}
		if err := cmd.Flags().Set(flagFile, args[0]); err != nil {
			return nil, err
		}
	}
	wish, err := wishOf(cmd.Flags(), cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	if messages, err = wish.messages(s); err != nil {
		return nil, err
	}
	return planOf(messages, s)
}

// rehearsal returns the message by which an operator has the plan rehearsed, or
// ErrGovernance.
func (p *Plan) rehearsal(s *Snapshot, operator sdk.AccAddress) (*types.MsgRotate, error) {
	if p.Rotate == nil {
		return nil, ErrNothing
	}
	if !s.Active.SameCommittee(p.Rotate.PartyIds, p.Rotate.T) {
		return nil, ErrGovernance
	}
	return &types.MsgRotate{Authority: operator.String(), PartyIds: p.Rotate.PartyIds, T: p.Rotate.T, Rehearsal: true}, nil
}

// epochIn reads the epoch's id in the chain's answer to the message.
func epochIn(included *sdk.TxResponse) (uint64, error) {
	raw, err := hex.DecodeString(included.Data)
	if err != nil {
		return 0, fmt.Errorf("answer of transaction %s: %w", included.TxHash, err)
	}
	var data sdk.TxMsgData
	var response types.MsgRotateResponse
	if err := proto.Unmarshal(raw, &data); err != nil || len(data.MsgResponses) != 1 || proto.Unmarshal(data.MsgResponses[0].Value, &response) != nil {
		return 0, fmt.Errorf("answer of transaction %s: not of one rotation", included.TxHash)
	}
	return response.EpochId, nil
}

// phases tells of an epoch in the making whenever that goes on.
type phases struct {
	out  io.Writer
	json bool
	now  func() time.Time

	began time.Time
	said  phase
}

// phase is one line about an epoch.
type phase struct {
	Epoch   uint64 `json:"epoch"`
	Status  string `json:"status"`
	Attempt uint32 `json:"attempt"`
	// Failure is set at the end, if it is no good one.
	Failure string `json:"failure,omitempty"`
	// Seconds since the first line.
	Seconds float64 `json:"seconds"`
}

// follow waits for the end of a rehearsal. It returns ErrNotRehearsed or ErrNoEnd.
func (p *phases) follow(ctx context.Context, queries types.QueryClient, id uint64) error {
	p.began = p.now()
	for {
		response, err := queries.Epoch(ctx, &types.QueryEpochRequest{Id: id})
		if err == nil {
			p.tell(&response.Epoch)
			switch response.Epoch.Status {
			case types.EPOCH_STATUS_REHEARSED:
				return nil
			case types.EPOCH_STATUS_FAILED:
				return fmt.Errorf("%w: %s", ErrNotRehearsed, failureText(response.Epoch.Failure))
			}
		}
		// A node that is busy answers later: the deadline decides.
		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return errors.Join(ErrNoEnd, err)
			}
			return ctx.Err()
		}
	}
}

func (p *phases) tell(epoch *types.Epoch) {
	line := phase{Epoch: epoch.Id, Status: statusText(epoch.Status), Attempt: max(epoch.Attempt, 1)}
	if epoch.Resharing != nil && epoch.Resharing.Attempt > 0 {
		line.Attempt = epoch.Resharing.Attempt
	}
	if epoch.Status == types.EPOCH_STATUS_FAILED {
		line.Failure = failureText(epoch.Failure)
	}
	if line == p.said {
		return
	}
	p.said = line
	line.Seconds = float64(p.now().Sub(p.began).Milliseconds()) / 1000
	if p.json {
		if raw, err := json.Marshal(line); err == nil {
			fmt.Fprintln(p.out, string(raw))
		}
		return
	}
	fmt.Fprintf(p.out, "%6.1f s  epoch %d  %s, attempt %d\n", line.Seconds, line.Epoch, line.Status, line.Attempt)
}

func statusText(status types.EpochStatus) string {
	return strings.ToLower(strings.TrimPrefix(status.String(), "EPOCH_STATUS_"))
}

// failureText says why an epoch failed.
func failureText(failure types.EpochFailure) string {
	switch failure {
	case types.EPOCH_FAILURE_NOT_ACCEPTED:
		return "a party did not accept its seat in time"
	case types.EPOCH_FAILURE_SETUP:
		return "no attempt of the set-up succeeded"
	case types.EPOCH_FAILURE_RESHARING:
		return "no attempt of the resharing succeeded"
	case types.EPOCH_FAILURE_NO_QUORUM:
		return "too few members are left"
	case types.EPOCH_FAILURE_SUPERSEDED:
		return "a rotation took its place"
	case types.EPOCH_FAILURE_CANCELLED:
		return "governance gave it up"
	default:
		return "no reason is recorded"
	}
}
