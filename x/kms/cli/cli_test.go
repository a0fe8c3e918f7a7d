package cli

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cosmos/gogoproto/jsonpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	kmsclient "github.com/tkms-network/tkms/x/kms/client"
	"github.com/tkms-network/tkms/x/kms/types"
)

func example() *types.MsgRequestPublicDecryption {
	handle := bytes.Repeat([]byte{1}, 32)
	binary.BigEndian.PutUint64(handle[22:], 31337)
	handle[30], handle[31] = 5, 0
	return &types.MsgRequestPublicDecryption{
		HostChainId: 31337, KeyId: bytes.Repeat([]byte{2}, 32), Handles: [][]byte{handle}, MaxFee: 9,
		Proof: acltypes.DecryptionProof{Header: []byte{3}},
	}
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "request.json")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestARequestIsReadFromItsFileAndBelongsToTheSender(t *testing.T) {
	text, err := (&jsonpb.Marshaler{OrigName: true}).MarshalToString(example())
	require.NoError(t, err)
	alice := sdk.AccAddress(bytes.Repeat([]byte{7}, 20))
	msg, err := readRequest(write(t, text), alice)
	require.NoError(t, err)
	want := example()
	want.Requester = alice.String()
	require.Equal(t, want, msg)
	id, err := requestID(msg)
	require.NoError(t, err)
	require.Len(t, id, 32)

	for name, content := range map[string]string{
		"empty": "", "no JSON": "{", "unknown field": `{"x":1}`, "bytes": `{"key_id":"%%%"}`,
		"huge": string(bytes.Repeat([]byte{' '}, maxRequestBytes+1)),
	} {
		_, err := readRequest(write(t, content), alice)
		require.Error(t, err, name)
	}
	_, err = readRequest(filepath.Join(t.TempDir(), "none"), alice)
	require.ErrorIs(t, err, os.ErrNotExist)
	msg.KeyId = nil
	_, err = requestID(msg)
	require.Error(t, err)
	msg.Handles = nil
	_, err = requestID(msg)
	require.Error(t, err)
}

// node answers queries for a request with a list of records, the last one for ever.
type node struct {
	types.QueryClient
	answers []types.RequestStatus
	err     error
}

func (n *node) Request(context.Context, *types.QueryRequestRequest, ...grpc.CallOption) (*types.QueryRequestResponse, error) {
	if n.err != nil {
		return nil, n.err
	}
	answer := n.answers[0]
	if len(n.answers) > 1 {
		n.answers = n.answers[1:]
	}
	if answer == types.REQUEST_STATUS_UNSPECIFIED {
		return nil, status.Error(codes.NotFound, "unknown request")
	}
	return &types.QueryRequestResponse{Request: types.Request{Status: answer}}, nil
}

func TestTheWaitEndsWithTheOutcome(t *testing.T) {
	open := []types.RequestStatus{types.REQUEST_STATUS_UNSPECIFIED, types.REQUEST_STATUS_ACCEPTED}
	r, err := awaitRequest(t.Context(), &node{answers: append(open, types.REQUEST_STATUS_FULFILLED)}, nil)
	require.NoError(t, err)
	require.Equal(t, types.REQUEST_STATUS_FULFILLED, r.Status)
	_, err = awaitRequest(t.Context(), &node{answers: append(open, types.REQUEST_STATUS_EXPIRED)}, nil)
	require.ErrorIs(t, err, kmsclient.ErrExpired)
	failure := errors.New("no connection")
	_, err = awaitRequest(t.Context(), &node{err: failure}, nil)
	require.ErrorIs(t, err, failure)
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	_, err = awaitRequest(ctx, &node{answers: open}, nil)
	require.ErrorIs(t, err, ErrTimeout)
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = awaitRequest(ctx, &node{answers: open}, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestTheCommandHasItsFlags(t *testing.T) {
	cmd, _, err := NewTxCommand().Find([]string{"request-public-decryption"})
	require.NoError(t, err)
	for _, name := range []string{flagWait, flagTimeout, "from", "fees"} {
		require.NotNil(t, cmd.Flags().Lookup(name), name)
	}
	require.Error(t, cmd.Args(cmd, nil))
}

func TestARefusedTransactionSaysWhy(t *testing.T) {
	require.NoError(t, txError(&sdk.TxResponse{}))
	require.ErrorContains(t, txError(&sdk.TxResponse{Code: 11, Codespace: "kms", RawLog: "price"}), "kms with code 11")
}
