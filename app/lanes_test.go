package app_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/tkms-network/tkms/app/ante"
	"github.com/tkms-network/tkms/app/genesis"
	"github.com/tkms-network/tkms/app/params"
	"github.com/tkms-network/tkms/testutil/apptest"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

var (
	party    = apptest.NewAccount("party")
	stranger = apptest.NewAccount("stranger")
)

// lanesChain has one registered party besides the validators, and a stranger with coins.
func lanesChain(t *testing.T) *apptest.Chain {
	t.Helper()
	return apptest.New(t, apptest.Options{
		Accounts: []apptest.Account{party, stranger},
		Modules: func(cdc codec.JSONCodec, state genesis.State) error {
			return genesis.Edit(cdc, state, partiestypes.ModuleName, func(s *partiestypes.GenesisState) error {
				key, err := crypto.DecompressPubkey(party.Key.PubKey().Bytes())
				require.NoError(t, err)
				s.Parties = append(s.Parties, partiestypes.Party{
					Id: 1, Moniker: "party", Operator: stranger.Address().String(), Account: party.Address().String(),
					SigningKey: party.Key.PubKey().Bytes(), SigningAddress: crypto.PubkeyToAddress(*key).Bytes(),
					SessionKey: bytes.Repeat([]byte{1}, 32), TlsKeyHash: bytes.Repeat([]byte{2}, 32), EncryptionKey: bytes.Repeat([]byte{3}, 32),
					PeerAddress: "127.0.0.1:7000", VaultUrl: "http://127.0.0.1:7001", TeeType: partiestypes.TEETypeNitro,
					Pcr0: bytes.Repeat([]byte{4}, 48), SealPolicyHash: bytes.Repeat([]byte{5}, 32),
					AttestedUntil: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), AttestedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
					TrustedHeight: 1, TrustedHash: bytes.Repeat([]byte{6}, 32),
				})
				s.Params.PartyTxsPerWindow, s.Params.PartyWindowBlocks = 3, 1000
				return nil
			})
		},
	})
}

func ready(from apptest.Account) sdk.Msg {
	return &partiestypes.MsgReady{Account: from.Address().String(), EpochId: 1, Digest: bytes.Repeat([]byte{1}, 32)}
}

func send(from apptest.Account) sdk.Msg {
	return banktypes.NewMsgSend(from.Address(), stranger.Address(), sdk.NewCoins(sdk.NewInt64Coin(params.Denom, 1)))
}

func requireRefused(t testing.TB, want *errorsmod.Error, result *abci.ExecTxResult) {
	t.Helper()
	require.Equal(t, want.Codespace(), result.Codespace, result.Log)
	require.Equal(t, want.ABCICode(), result.Code, result.Log)
}

func TestAPartysMessagesAreFreeAndReachTheirModule(t *testing.T) {
	chain := lanesChain(t)
	before := chain.App.Bank.GetBalance(chain.Ctx(), party.Address(), params.Denom)
	result := chain.DeliverParty(party, ready(party))
	requireRefused(t, partiestypes.ErrUnknownEpoch, result) // by x/parties, not by the lane
	require.Equal(t, before, chain.App.Bank.GetBalance(chain.Ctx(), party.Address(), params.Denom))
	require.Zero(t, chain.App.Accounts.GetAccount(chain.Ctx(), party.Address()).GetSequence())
}

func TestThePartyLaneRefusesWhatIsNotAPartysOrNotBounded(t *testing.T) {
	soon := func(c *apptest.Chain) apptest.Tx { return apptest.Unordered(c.Now.Add(time.Minute)) }
	free := apptest.Fee(0)
	granter := func(b client.TxBuilder) { b.SetFeeGranter(stranger.Address()) }
	large := &partiestypes.MsgReady{Account: party.Address().String(), EpochId: 1, Digest: make([]byte, ante.MaxPartyTxBytes)}
	cases := map[string]struct {
		signer apptest.Account
		msgs   []sdk.Msg
		edits  func(*apptest.Chain) []apptest.Tx
		want   *errorsmod.Error
	}{
		"a stranger": {stranger, []sdk.Msg{ready(stranger)}, func(c *apptest.Chain) []apptest.Tx { return []apptest.Tx{soon(c), free} }, ante.ErrNotAParty},
		"mixed":      {party, []sdk.Msg{ready(party), send(party)}, func(c *apptest.Chain) []apptest.Tx { return []apptest.Tx{soon(c), free} }, ante.ErrMixedLanes},
		"ordered":    {party, []sdk.Msg{ready(party)}, func(*apptest.Chain) []apptest.Tx { return []apptest.Tx{free} }, ante.ErrNotUnordered},
		"long-lived": {party, []sdk.Msg{ready(party)}, func(c *apptest.Chain) []apptest.Tx {
			return []apptest.Tx{apptest.Unordered(c.Now.Add(5 * time.Minute)), free}
		}, ante.ErrTimeoutTooFar},
		"much gas": {party, []sdk.Msg{ready(party)}, func(c *apptest.Chain) []apptest.Tx {
			return []apptest.Tx{soon(c), free, apptest.Gas(ante.MaxPartyTxGas + 1)}
		}, ante.ErrPartyGasTooHigh},
		"large":            {party, []sdk.Msg{large}, func(c *apptest.Chain) []apptest.Tx { return []apptest.Tx{soon(c), free} }, ante.ErrPartyTxTooLarge},
		"paying":           {party, []sdk.Msg{ready(party)}, func(c *apptest.Chain) []apptest.Tx { return []apptest.Tx{soon(c), apptest.Fee(1)} }, ante.ErrPartyTxPays},
		"another's purse":  {party, []sdk.Msg{ready(party)}, func(c *apptest.Chain) []apptest.Tx { return []apptest.Tx{soon(c), free, granter} }, ante.ErrPartyTxPays},
		"already too late": {party, []sdk.Msg{ready(party)}, func(c *apptest.Chain) []apptest.Tx { return []apptest.Tx{apptest.Unordered(c.Now), free} }, sdkerrors.ErrTxTimeout},
		"memo beyond x/auth": {party, []sdk.Msg{ready(party)}, func(c *apptest.Chain) []apptest.Tx {
			return []apptest.Tx{soon(c), free, func(b client.TxBuilder) { b.SetMemo(strings.Repeat("x", 300)) }}
		}, sdkerrors.ErrMemoTooLarge},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			chain := lanesChain(t)
			requireRefused(t, c.want, chain.NextBlock(chain.Sign(c.signer, 0, c.msgs, c.edits(chain)...))[0])
		})
	}
}

func TestThePartyLaneRefusesASecondSigner(t *testing.T) {
	chain := lanesChain(t)
	edits := []apptest.Tx{apptest.Unordered(chain.Now.Add(time.Minute)), apptest.Fee(0)}
	both := []apptest.Account{party, stranger}
	payer := func(b client.TxBuilder) { b.SetFeePayer(stranger.Address()) }
	requireRefused(t, ante.ErrManySigners, chain.NextBlock(chain.SignAll(both, 0, []sdk.Msg{ready(party), ready(stranger)}, edits...))[0])
	requireRefused(t, ante.ErrManySigners, chain.NextBlock(chain.SignAll(both, 0, []sdk.Msg{ready(party)}, append(edits, payer)...))[0])
}

func TestAPartysTransactionRunsOnce(t *testing.T) {
	chain := lanesChain(t)
	raw := chain.SignParty(party, ready(party))
	requireRefused(t, partiestypes.ErrUnknownEpoch, chain.NextBlock(raw)[0])
	requireRefused(t, sdkerrors.ErrInvalidRequest, chain.NextBlock(raw)[0])
}

func TestAPartyIsRateLimitedAndAForgedSignatureDoesNotCount(t *testing.T) {
	chain := lanesChain(t)
	forged := chain.SignParty(party, ready(party))
	forged[len(forged)-1] ^= 1
	for range 5 {
		requireRefused(t, sdkerrors.ErrUnauthorized, chain.NextBlock(forged)[0])
	}
	for range 3 {
		requireRefused(t, partiestypes.ErrUnknownEpoch, chain.DeliverParty(party, ready(party)))
	}
	requireRefused(t, partiestypes.ErrRateLimited, chain.DeliverParty(party, ready(party)))
}

func TestEverythingElsePaysThePriceOfConsensus(t *testing.T) {
	chain := lanesChain(t)
	price := int64(apptest.DefaultGas / 1000)
	deliver := func(edits ...apptest.Tx) *abci.ExecTxResult {
		return chain.NextBlock(chain.Sign(stranger, 0, []sdk.Msg{send(stranger)}, edits...))[0]
	}
	requireRefused(t, ante.ErrFeeTooLow, deliver(apptest.Fee(0)))
	requireRefused(t, ante.ErrFeeTooLow, deliver(apptest.Fee(price-1)))
	requireRefused(t, ante.ErrFeeTooLow, deliver(apptest.Gas(apptest.DefaultGas+1)))
	requireRefused(t, ante.ErrWrongFeeDenom, deliver(func(b client.TxBuilder) {
		b.SetFeeAmount(sdk.NewCoins(sdk.NewInt64Coin("other", price)))
	}))
	requireRefused(t, sdkerrors.ErrInsufficientFunds, deliver(apptest.Fee(1_000_000_000_000)))
	require.Zero(t, deliver().Code)
	// Unordered transactions are everybody's, at the same price.
	require.Zero(t, deliver(apptest.Unordered(chain.Now.Add(time.Minute))).Code)
}
