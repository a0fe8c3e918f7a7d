package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/client/flags"
	sdk "github.com/cosmos/cosmos-sdk/types"

	aclclient "github.com/tkms-network/tkms/x/acl/client"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	kmsclient "github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/handles"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// userFlow is what a user decryption needs of the two chains.
type userFlow struct {
	kms     types.QueryClient
	acl     acltypes.QueryClient
	parties partiestypes.QueryClient
	// from pays.
	from sdk.AccAddress
	// gather proves what the host chain permits.
	gather func(context.Context, *acltypes.HostChain, acltypes.UserAccess) (*aclclient.Evidence, error)
	// blockTime is the time on TKMS, which decides whether an authorization holds.
	blockTime func(context.Context) (time.Time, error)
	// send returns when the message is in a block.
	send func(context.Context, *types.MsgRequestUserDecryption) error
}

// decrypt asks for the values, waits for the parties and reads their answer.
func (f userFlow) decrypt(ctx context.Context, o userOptions) (*userResult, error) {
	question, session, err := f.question(ctx, o)
	if err != nil {
		return nil, err
	}
	defer session.Zero()
	access, err := question.Access()
	if err != nil {
		return nil, err
	}
	evidence, err := f.gather(ctx, question.HostChain, access)
	if err != nil {
		return nil, err
	}
	price, err := priceOf(question.HostChain.Fees, question.Handles)
	if err != nil {
		return nil, err
	}
	id, err := question.ID()
	if err != nil {
		return nil, err
	}
	if err := f.send(ctx, question.Message(f.from, evidence.Proof, price)); err != nil {
		return nil, err
	}
	return f.read(ctx, session, question, id)
}

// question makes a key pair and has the user authorize it.
func (f userFlow) question(ctx context.Context, o userOptions) (q kmsclient.UserQuestion, s *kmsclient.UserSession, err error) {
	host, err := f.acl.HostChain(ctx, &acltypes.QueryHostChainRequest{Id: o.hostChainID})
	if err != nil {
		return q, nil, fmt.Errorf("host chain %d: %w", o.hostChainID, err)
	}
	key, err := f.kms.HostKey(ctx, &types.QueryHostKeyRequest{HostChainId: o.hostChainID})
	if err != nil {
		return q, nil, fmt.Errorf("key of host chain %d: %w", o.hostChainID, err)
	}
	if len(key.Key.Id) != types.IDSize {
		return q, nil, types.ErrMalformed.Wrapf("a key id has %d bytes", types.IDSize)
	}
	now, err := f.blockTime(ctx)
	if err != nil {
		return q, nil, fmt.Errorf("time of the chain: %w", err)
	}
	if s, err = kmsclient.NewUserSession(rand.Reader, o.key); err != nil {
		return q, nil, err
	}
	terms := kmsclient.Terms{Delegator: o.delegator, Start: now, Days: o.days}
	for _, c := range o.contracts {
		if !slices.Contains(terms.Contracts, c) {
			terms.Contracts = append(terms.Contracts, c)
		}
	}
	q = kmsclient.UserQuestion{HostChain: &host.HostChain, KeyID: [types.IDSize]byte(key.Key.Id), Handles: o.handles, Contracts: o.contracts}
	if q.Authorization, err = s.Authorize(q.HostChain, terms); err != nil {
		return q, nil, err
	}
	return q, s, q.Check()
}

// priceOf is what the host chain's request costs now.
func priceOf(fees acltypes.Fees, batch []handles.Handle) (uint64, error) {
	high, low := bits.Mul64(fees.UserDecryptionPerBlock, handles.Blocks(batch))
	sum, carry := bits.Add64(low, fees.PerRequest, 0)
	if high != 0 || carry != 0 {
		return 0, types.ErrFeeTooLow.Wrap("the price exceeds 64 bits")
	}
	return sum, nil
}

// read waits for the shares and opens them.
func (f userFlow) read(ctx context.Context, session *kmsclient.UserSession, question kmsclient.UserQuestion, id [types.IDSize]byte) (*userResult, error) {
	var record types.Request
	source := func(ctx context.Context, id [types.IDSize]byte) (*types.QuerySharesResponse, error) {
		response, err := f.kms.Shares(ctx, &types.QuerySharesRequest{Id: hex.EncodeToString(id[:])})
		if status.Code(err) == codes.NotFound {
			return nil, kmsclient.ErrNotFound // the node that answers may be a block behind
		}
		if err != nil {
			return nil, fmt.Errorf("query: %w", err)
		}
		record = response.Request
		return response, nil
	}
	if err := poll(ctx, pollInterval, func() (bool, error) {
		_, err := source(ctx, id)
		if errors.Is(err, kmsclient.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}); err != nil {
		return nil, fmt.Errorf("request %x: %w", id, err)
	}
	epoch, err := f.parties.Epoch(ctx, &partiestypes.QueryEpochRequest{Id: record.EpochId})
	if err != nil {
		return nil, fmt.Errorf("epoch %d: %w", record.EpochId, err)
	}
	signers, err := kmsclient.SignersOf(epoch.Parties)
	if err != nil {
		return nil, err
	}
	answer, err := session.Await(ctx, question, signers, source)
	if err != nil {
		return nil, err
	}
	return newUserResult(id, question.Handles, answer, record.Simulated), nil
}

// userResult is what the command prints.
type userResult struct {
	RequestID string      `json:"request_id"`
	Values    []userValue `json:"values"`
	// Indices of the parties whose shares are right, and of those whose are not.
	Contributed []int `json:"contributed"`
	Wrong       []int `json:"wrong"`
	// Simulated are stand-ins on the path of the values.
	Simulated []string `json:"simulated"`
}

type userValue struct {
	Handle string `json:"handle"`
	Type   string `json:"type"`
	// Value is decimal, true or false of an ebool, an address of an eaddress.
	Value string `json:"value"`
}

func newUserResult(id [types.IDSize]byte, list []handles.Handle, answer *kmsclient.UserAnswer, simulated []string) *userResult {
	result := &userResult{
		RequestID: hex.EncodeToString(id[:]), Contributed: answer.Contributed, Wrong: append([]int{}, answer.Wrong...),
		Simulated: append([]string{}, simulated...),
	}
	for i, h := range list {
		result.Values = append(result.Values, userValue{h.String(), h.Type().String(), format(h.Type(), answer.Values[i])})
	}
	return result
}

func format(t handles.Type, value *big.Int) string {
	switch t {
	case handles.Bool:
		return fmt.Sprint(value.Sign() != 0)
	case handles.Uint160:
		return common.BigToAddress(value).Hex()
	}
	return value.String()
}

// print writes JSON, or the values to out and what is to be known about them to notes.
func (r *userResult) print(out, notes io.Writer, format string) error {
	if format == flags.OutputFormatJSON {
		return json.NewEncoder(out).Encode(r)
	}
	for _, v := range r.Values {
		if _, err := fmt.Fprintf(out, "%s %s %s\n", v.Handle, v.Type, v.Value); err != nil {
			return err
		}
	}
	fmt.Fprintf(notes, "request %s answered by parties %s\n", r.RequestID, joined(r.Contributed))
	if len(r.Wrong) > 0 {
		fmt.Fprintf(notes, "wrong shares of parties %s were left out\n", joined(r.Wrong))
	}
	if len(r.Simulated) > 0 {
		fmt.Fprintf(notes, "simulated: %s\n", strings.Join(r.Simulated, ", "))
	}
	return nil
}

func joined(list []int) string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(list)), ", "), "[]")
}
