package post_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/app/ante"
	"github.com/tkms-network/tkms/enclave/party/post"
	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

type chain struct {
	bodies  []txtypes.TxBody
	gas     []uint64
	missing bool
	refused error
	asked   int
}

func (c *chain) AccountNumber(context.Context, sdk.AccAddress) (uint64, error) {
	c.asked++
	if c.missing {
		return 0, post.ErrNoAccount
	}
	return 7, nil
}

func (c *chain) BroadcastTx(_ context.Context, tx []byte) error {
	if c.refused != nil {
		return c.refused
	}
	var raw txtypes.TxRaw
	var body txtypes.TxBody
	var auth txtypes.AuthInfo
	if err := errors.Join(proto.Unmarshal(tx, &raw), proto.Unmarshal(raw.BodyBytes, &body), proto.Unmarshal(raw.AuthInfoBytes, &auth)); err != nil {
		return err
	}
	c.bodies, c.gas = append(c.bodies, body), append(c.gas, auth.Fee.GasLimit)
	return nil
}

func (c *chain) results(t *testing.T, tx int) int {
	var msg kmstypes.MsgPostResults
	require.NoError(t, proto.Unmarshal(c.bodies[tx].Messages[0].Value, &msg))
	return len(msg.Results)
}

func TestResultsOfOneBlockShareATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &chain{}
		poster := post.New(node, client.Signer{ChainID: "c", Key: secp256k1.GenPrivKey()}, func(err error) { t.Error(err) })
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go poster.Run(ctx)
		poster.Advance(time.Unix(1000, 0))
		poster.Result(kmstypes.Result{Attempt: 1})
		synctest.Wait()
		require.Len(t, node.bodies, 1, "the first result of a block goes at once")
		for i := range post.MaxResults + 1 {
			for range 2 {
				poster.Result(kmstypes.Result{RequestId: []byte{byte(i)}, Attempt: 2}) // what waits already does not count
			}
		}
		synctest.Wait()
		require.Len(t, node.bodies, 1, "the next ones wait for the next block")
		poster.Advance(time.Unix(1001, 0))
		synctest.Wait()
		require.Len(t, node.bodies, 2)
		require.Equal(t, post.MaxResults, node.results(t, 1), "a transaction is bounded")
		require.LessOrEqual(t, node.gas[1], uint64(ante.MaxPartyTxGas), "the chain takes it")
		poster.Advance(time.Unix(1002, 0))
		synctest.Wait()
		require.Equal(t, 1, node.results(t, 2), "what did not fit goes with the next block")
	})
}

func TestSharesOfOneTransactionAreBoundedByTheirBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &chain{}
		poster := post.New(node, client.Signer{ChainID: "c", Key: secp256k1.GenPrivKey()}, func(err error) { t.Error(err) })
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		sent := 0
		for _, size := range []int{1641, 100_000, 200_000, 280_000, kmstypes.MaxShareSize} {
			for range 5 {
				poster.Result(kmstypes.Result{RequestId: []byte{byte(sent)}, Signature: make([]byte, 65), Share: make([]byte, size)})
				sent++
			}
		}
		go poster.Run(ctx)
		for block := 0; sent > 0; block++ {
			synctest.Wait()
			require.Len(t, node.bodies, block+1, "a transaction goes with each block until all went")
			require.Less(t, node.bodies[block].Size(), ante.MaxPartyTxBytes-1024, "the chain takes it with its signature")
			require.LessOrEqual(t, node.gas[block], uint64(ante.MaxPartyTxGas), "the chain takes it")
			sent -= node.results(t, block)
			poster.Advance(time.Unix(int64(block), 0))
		}
	})
}

func TestTransactionsAreUnorderedWithTimeoutsThatDiffer(t *testing.T) {
	node := &chain{}
	poster := post.New(node, client.Signer{ChainID: "c", Key: secp256k1.GenPrivKey()}, nil)
	poster.Advance(time.Unix(1000, 0))
	for range 3 {
		require.NoError(t, poster.Message(t.Context(), &kmstypes.MsgCommitKeyEcho{}))
	}
	seen := map[time.Time]bool{}
	for _, body := range node.bodies {
		require.True(t, body.Unordered)
		require.False(t, seen[*body.TimeoutTimestamp], "two transactions with one timeout: the second is refused")
		require.WithinDuration(t, time.Unix(1000, 0).Add(post.Lifetime), *body.TimeoutTimestamp, time.Second)
		seen[*body.TimeoutTimestamp] = true
	}
}

func TestACostlyMessageHasAllTheGasThatAPartyIsGranted(t *testing.T) {
	node := &chain{}
	poster := post.New(node, client.Signer{ChainID: "c", Key: secp256k1.GenPrivKey()}, func(err error) { t.Error(err) })
	require.NoError(t, poster.Message(t.Context(), &kmstypes.MsgPostResults{}))
	require.NoError(t, poster.Costly(t.Context(), &kmstypes.MsgPostResults{}))
	require.Less(t, node.gas[0], node.gas[1])
	require.EqualValues(t, ante.MaxPartyTxGas, node.gas[1])
}

func TestAnAccountThatIsNotRegisteredYetIsLookedUpAgain(t *testing.T) {
	node := &chain{missing: true}
	poster := post.New(node, client.Signer{ChainID: "c", Key: secp256k1.GenPrivKey()}, nil)
	require.ErrorIs(t, poster.Message(t.Context(), &kmstypes.MsgCommitKeyEcho{}), post.ErrNoAccount)
	node.missing = false
	require.NoError(t, poster.Message(t.Context(), &kmstypes.MsgCommitKeyEcho{}))
}

func TestAnAccountNumberThatANodeGotWrongDoesNotStick(t *testing.T) {
	node := &chain{refused: errors.New("signature verification failed")}
	poster := post.New(node, client.Signer{ChainID: "c", Key: secp256k1.GenPrivKey()}, nil)
	require.ErrorIs(t, poster.Message(t.Context(), &kmstypes.MsgCommitKeyEcho{}), node.refused)
	node.refused = nil
	for range 2 {
		require.NoError(t, poster.Message(t.Context(), &kmstypes.MsgCommitKeyEcho{}))
	}
	require.Equal(t, 2, node.asked, "asked again after the refusal, not after a success")
}
