package apptest

import (
	"context"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/tx"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	"github.com/tkms-network/tkms/app"
	"github.com/tkms-network/tkms/app/params"
)

// DefaultGas is the gas limit of transactions that do not name one.
const DefaultGas = 5_000_000

// Tx changes a transaction before it is signed.
type Tx func(client.TxBuilder)

// Fee sets the fee in utkms.
func Fee(amount int64) Tx {
	return func(b client.TxBuilder) {
		if amount == 0 {
			b.SetFeeAmount(nil)
			return
		}
		b.SetFeeAmount(sdk.NewCoins(sdk.NewInt64Coin(params.Denom, amount)))
	}
}

// Gas sets the gas limit.
func Gas(limit uint64) Tx { return func(b client.TxBuilder) { b.SetGasLimit(limit) } }

// Unordered makes the transaction unordered, valid until the given time.
func Unordered(timeout time.Time) Tx {
	return func(b client.TxBuilder) {
		b.SetUnordered(true)
		b.SetTimeoutTimestamp(timeout)
	}
}

// Sign returns a transaction signed by one account. Ordered ones take the account's sequence from the
// committed state plus offset, for several transactions of one account in one block.
func (c *Chain) Sign(signer Account, offset uint64, msgs []sdk.Msg, edits ...Tx) []byte {
	c.t.Helper()
	return c.SignAll([]Account{signer}, offset, msgs, edits...)
}

// SignAll is Sign for several signers, in the order in which the messages name them.
func (c *Chain) SignAll(signers []Account, offset uint64, msgs []sdk.Msg, edits ...Tx) []byte {
	c.t.Helper()
	builder := c.App.TxConfig().NewTxBuilder()
	require.NoError(c.t, builder.SetMsgs(msgs...))
	builder.SetGasLimit(DefaultGas)
	Fee(DefaultGas / 1000)(builder)
	for _, edit := range edits {
		edit(builder)
	}
	unordered, ok := builder.GetTx().(sdk.TxWithUnordered)
	ordered := !ok || !unordered.GetUnordered()
	mode := signing.SignMode_SIGN_MODE_DIRECT
	signatures := make([]signing.SignatureV2, len(signers))
	data := make([]authsigning.SignerData, len(signers))
	for i, signer := range signers {
		account := c.App.Accounts.GetAccount(c.Ctx(), signer.Address())
		require.NotNil(c.t, account, "%s has no account", signer.Name)
		data[i] = authsigning.SignerData{
			Address: signer.Address().String(), ChainID: c.ChainID,
			AccountNumber: account.GetAccountNumber(), PubKey: signer.Key.PubKey(),
		}
		if ordered {
			data[i].Sequence = account.GetSequence() + offset
		}
		// The signed bytes contain all keys and modes, so these are announced before anybody signs.
		signatures[i] = signing.SignatureV2{
			PubKey: signer.Key.PubKey(), Data: &signing.SingleSignatureData{SignMode: mode}, Sequence: data[i].Sequence,
		}
	}
	require.NoError(c.t, builder.SetSignatures(signatures...))
	for i, signer := range signers {
		signature, err := tx.SignWithPrivKey(context.Background(), mode, data[i], builder, signer.Key, c.App.TxConfig(), data[i].Sequence)
		require.NoError(c.t, err)
		signatures[i] = signature
	}
	require.NoError(c.t, builder.SetSignatures(signatures...))
	raw, err := c.App.TxConfig().TxEncoder()(builder.GetTx())
	require.NoError(c.t, err)
	return raw
}

// Deliver commits a block with one transaction of the messages and returns its result.
func (c *Chain) Deliver(signer Account, msgs ...sdk.Msg) *abci.ExecTxResult {
	c.t.Helper()
	return c.NextBlock(c.Sign(signer, 0, msgs))[0]
}

// MustDeliver is Deliver for transactions that must succeed.
func (c *Chain) MustDeliver(signer Account, msgs ...sdk.Msg) *abci.ExecTxResult {
	c.t.Helper()
	result := c.Deliver(signer, msgs...)
	require.Zero(c.t, result.Code, "%s/%d: %s", result.Codespace, result.Code, result.Log)
	return result
}

// DeliverParty commits a block with one unordered, free transaction of a party and returns its result.
func (c *Chain) DeliverParty(signer Account, msgs ...sdk.Msg) *abci.ExecTxResult {
	c.t.Helper()
	return c.NextBlock(c.SignParty(signer, msgs...))[0]
}

// SignParty returns an unordered, free transaction with a time-out of its own.
func (c *Chain) SignParty(signer Account, msgs ...sdk.Msg) []byte {
	c.t.Helper()
	timeout := c.Now.Add(time.Minute)
	if !timeout.After(c.lastTimeout) {
		timeout = c.lastTimeout.Add(time.Nanosecond)
	}
	c.lastTimeout = timeout
	return c.Sign(signer, 0, msgs, Unordered(timeout), Fee(0))
}

// Govern passes a proposal with the messages, whose authority must be app.Authority, by the votes of all
// validators, and returns the proposal as it ended.
func (c *Chain) Govern(msgs ...sdk.Msg) govv1.Proposal {
	c.t.Helper()
	return c.Vote(c.Propose(msgs...), govv1.OptionYes, c.Validators...)
}

// MustGovern is Govern for proposals that must pass and succeed.
func (c *Chain) MustGovern(msgs ...sdk.Msg) {
	c.t.Helper()
	proposal := c.Govern(msgs...)
	require.Equal(c.t, govv1.StatusPassed, proposal.Status, proposal.FailedReason)
}

// Response decodes the response of a transaction's first message.
func (c *Chain) Response(result *abci.ExecTxResult, into proto.Message) {
	c.t.Helper()
	var data sdk.TxMsgData
	require.NoError(c.t, c.App.Codec().Unmarshal(result.Data, &data))
	require.NotEmpty(c.t, data.MsgResponses)
	require.NoError(c.t, c.App.Codec().Unmarshal(data.MsgResponses[0].Value, into))
}

// Propose submits a proposal of the first validator with the full deposit and returns its number.
func (c *Chain) Propose(msgs ...sdk.Msg) uint64 {
	c.t.Helper()
	govParams, err := c.App.Gov.Params.Get(c.Ctx())
	require.NoError(c.t, err)
	proposer := c.Validators[0].Account
	submit, err := govv1.NewMsgSubmitProposal(msgs, govParams.MinDeposit, proposer.Address().String(), "", "a title", "a summary", false)
	require.NoError(c.t, err)
	c.MustDeliver(proposer, submit)
	next, err := c.App.Gov.ProposalID.Peek(c.Ctx())
	require.NoError(c.t, err)
	return next - 1
}

// Vote casts the validators' votes, waits for the end of the voting period and returns the proposal.
func (c *Chain) Vote(proposal uint64, option govv1.VoteOption, voters ...Validator) govv1.Proposal {
	c.t.Helper()
	var txs [][]byte
	for _, voter := range voters {
		txs = append(txs, c.Sign(voter.Account, 0, []sdk.Msg{govv1.NewMsgVote(voter.Address(), proposal, option, "")}))
	}
	for i, result := range c.NextBlock(txs...) {
		require.Zero(c.t, result.Code, "vote of %s: %s", voters[i].Name, result.Log)
	}
	govParams, err := c.App.Gov.Params.Get(c.Ctx())
	require.NoError(c.t, err)
	c.Wait(*govParams.VotingPeriod + time.Second)
	c.NextBlock()
	ended, err := c.App.Gov.Proposals.Get(c.Ctx(), proposal)
	require.NoError(c.t, err)
	return ended
}

// Authority is the account of governance, which messages of proposals name.
func (*Chain) Authority() string { return app.Authority() }
