package cmd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/tkms-network/tkms/app/params"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// examineHostChains looks at each registered host chain.
func (d *doctor) examineHostChains(ctx context.Context, n *nodeSeen) {
	const about = "host chains"
	var chains acltypes.QueryHostChainsResponse
	if !d.query(ctx, n, about, "/tkms.acl.v1.Query/HostChains", &acltypes.QueryHostChainsRequest{Pagination: allRecords}, &chains) {
		return
	}
	if len(chains.HostChains) == 0 {
		d.report.OK(about, "none is registered")
	}
	for i := range chains.HostChains {
		chain := &chains.HostChains[i]
		var headers acltypes.QueryHeadersResponse
		var epoch kmstypes.QueryHostEpochResponse
		if d.query(ctx, n, about, "/tkms.acl.v1.Query/Headers", &acltypes.QueryHeadersRequest{HostChainId: chain.Id}, &headers) &&
			d.query(ctx, n, about, "/tkms.kms.v1.Query/HostEpoch", &kmstypes.QueryHostEpochRequest{HostChainId: chain.Id}, &epoch) {
			d.judgeHostChain(chain, headers.Headers, &epoch)
		}
	}
}

// judgeHostChain looks at what stops a host chain's requests.
func (d *doctor) judgeHostChain(chain *acltypes.HostChain, headers []acltypes.VerifiedHeader, epoch *kmstypes.QueryHostEpochResponse) {
	about := fmt.Sprintf("host chain %d (%s)", chain.Id, chain.Name)
	switch {
	case chain.Frozen:
		d.report.Fail(about, "it forked: find out which side is right before voters unfreeze it", "frozen by evidence of a fork")
		return
	case chain.Paused:
		d.report.Warn(about, "its owner or voters resume it with 'tkmsd tx acl set-host-chain-paused'", "paused: requests are refused")
	}
	if epoch.NextEpochId != 0 {
		d.report.Warn(about, "its owner defines the new context on the verifier: docs/relayers.md, when the parties change",
			"is served by epoch %d, and %d is active: its verifier takes other signers still", epoch.EpochId, epoch.NextEpochId)
	}
	if len(headers) == 0 {
		d.report.OK(about, "no header is known yet")
		return
	}
	latest := slices.MaxFunc(headers, func(a, b acltypes.VerifiedHeader) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	age := d.now().Sub(time.Unix(int64(latest.Timestamp), 0)).Round(time.Second) // #nosec G115 -- seconds
	if limit := time.Duration(chain.Freshness.MaxAgeSeconds) * time.Second; age > limit {
		d.report.Warn(about, "without requests relayers bring no headers; else is the relayer running, and does the host chain make blocks?", "the latest header known is %s old, requests need one of %s", age, limit)
		return
	}
	d.report.OK(about, "block %d is %s old, epoch %d serves", latest.Height, age, epoch.EpochId)
}

// examineFees compares what is held for requests with what there is.
func (d *doctor) examineFees(ctx context.Context, n *nodeSeen) {
	const about = "fees"
	var totals kmstypes.QueryTotalsResponse
	var balance banktypes.QueryBalanceResponse
	address := authtypes.NewModuleAddress(kmstypes.ModuleName).String()
	if d.query(ctx, n, about, "/tkms.kms.v1.Query/Totals", &kmstypes.QueryTotalsRequest{}, &totals) &&
		d.query(ctx, n, about, "/cosmos.bank.v1beta1.Query/Balance", &banktypes.QueryBalanceRequest{Address: address, Denom: params.Denom}, &balance) {
		d.judgeFees(&totals.Totals, balance.Balance)
	}
}

// judgeFees takes what was read at two moments, so fees that came between are no fault.
func (d *doctor) judgeFees(totals *kmstypes.Totals, balance *sdk.Coin) {
	var held uint64
	if balance != nil && balance.Amount.IsUint64() {
		held = balance.Amount.Uint64()
	}
	if held < totals.Escrow {
		d.report.Fail("fees", "run it again; if it stays so, stop the chain: fees are paid out of nothing", "escrow is %d, the balance %d", totals.Escrow, held)
		return
	}
	d.report.OK("fees", "escrow of %d is covered, %d requests are open", totals.Escrow, totals.Open)
}
