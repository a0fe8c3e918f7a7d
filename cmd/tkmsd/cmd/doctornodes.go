package cmd

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/cosmos/gogoproto/proto"

	"github.com/tkms-network/tkms/enclave/lightclient"
	"github.com/tkms-network/tkms/x/kms/client"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
	poatypes "github.com/tkms-network/tkms/x/poa/types"
)

// message is a protobuf message.
type message = proto.Message

// Bounds of what is in order.
const (
	// blocksBehind is how many blocks a node may be behind the furthest one.
	blocksBehind = 5
	// clockSkew is how far the latest block's time may be from this machine's clock.
	clockSkew = time.Minute
)

// nodeSeen is what a node says of itself.
type nodeSeen struct {
	address, chain, version string
	height                  int64
	time                    time.Time
	catchingUp              bool
	client                  *client.Client
}

// release names the version, if the node's build has one.
func (n *nodeSeen) release() string {
	if n.version == "" {
		return ""
	}
	return ", version " + n.version
}

// examineNodes asks each node and returns the furthest, nil if none answers.
func (d *doctor) examineNodes(ctx context.Context) *nodeSeen {
	var seen []*nodeSeen
	for _, address := range d.addresses {
		n, err := ask(ctx, address)
		if err != nil {
			d.report.Warn("node "+address, "is it running, and its RPC port open to you?", "does not answer: %v", err)
			continue
		}
		seen = append(seen, n)
	}
	if len(seen) == 0 {
		d.report.Fail("nodes", "name nodes that answer with --nodes (TKMS_NODES)", "none of %d answers", len(d.addresses))
		return nil
	}
	best := slices.MaxFunc(seen, func(a, b *nodeSeen) int { return cmp.Compare(a.height, b.height) })
	d.judgeNodes(seen, best)
	return best
}

func ask(ctx context.Context, address string) (*nodeSeen, error) {
	ctx, cancel := context.WithTimeout(ctx, doctorCall)
	defer cancel()
	c, err := client.Dial(address)
	if err != nil {
		return nil, err
	}
	status, err := c.RPC().Status(ctx)
	if err != nil {
		return nil, err
	}
	info, err := c.RPC().ABCIInfo(ctx)
	if err != nil {
		return nil, err
	}
	return &nodeSeen{
		address: address, chain: status.NodeInfo.Network, version: info.Response.Version, client: c,
		height: status.SyncInfo.LatestBlockHeight, time: status.SyncInfo.LatestBlockTime, catchingUp: status.SyncInfo.CatchingUp,
	}, nil
}

// judgeNodes compares nodes with the furthest.
func (d *doctor) judgeNodes(seen []*nodeSeen, best *nodeSeen) {
	for _, n := range seen {
		about := "node " + n.address
		switch {
		case n.chain != best.chain:
			d.report.Fail(about, "remove it from --nodes", "is of chain %s, others of %s", n.chain, best.chain)
		case n.catchingUp || n.height < best.height-blocksBehind:
			d.report.Warn(about, "wait; if it does not catch up, look at its peers and its disk", "is at block %d of %d", n.height, best.height)
		case n.version != best.version:
			d.report.Warn(about, "all nodes should run the same version", "runs version %q, %s runs %q", n.version, best.address, best.version)
		default:
			d.report.OK(about, "chain %s, block %d%s", n.chain, n.height, n.release())
		}
	}
	if skew := d.now().Sub(best.time).Round(time.Second); skew.Abs() > clockSkew {
		d.report.Fail("clock", "does the chain make blocks? if it does, is NTP running here?", "the latest block's time and this machine's clock are %s apart", skew)
	} else {
		d.report.OK("clock", "the latest block is %s old", skew)
	}
}

// verify follows the chain from the trusted header, and has it proven which epoch is
// active.
func (d *doctor) verify(ctx context.Context, best *nodeSeen) {
	const about = "trust"
	if d.trusted.hash == nil {
		d.report.Warn(about, "give --trusted-height and --trusted-hash of a header that you had from somebody else", "nothing is verified: the nodes are believed")
		return
	}
	var nodes []lightclient.Node
	for _, address := range d.addresses {
		if node, err := lightclient.HTTP(address); err == nil {
			nodes = append(nodes, node)
		}
	}
	follower, err := lightclient.New(lightclient.Config{
		ChainID: best.chain, TrustedHeight: d.trusted.height, TrustedHash: d.trusted.hash, Nodes: nodes, Store: lightclient.InMemory(), Now: d.now,
	})
	if err != nil {
		d.report.Fail(about, "is the header one of this chain's?", "%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 3*doctorCall)
	defer cancel()
	go func() { _ = follower.Run(ctx) }()
	header, err := follower.Next(ctx, best.height-1)
	if err != nil {
		err = errors.Join(err, follower.Stopped())
		for _, n := range follower.Nodes() {
			err = errors.Join(err, n.Err)
		}
		d.report.Fail(about, "ask operators of other nodes for the header of that height: somebody lies, or your header is not of this chain", "the chain does not follow from the trusted header: %v", err)
		return
	}
	// The header of a height proves the state after the block before it.
	raw, err := follower.Prove(ctx, partiestypes.StoreKey, partiestypes.ActiveEpochKey(), header.Height-1)
	if err != nil || len(raw) != 0 && len(raw) != 8 {
		d.report.Fail(about, "use other nodes", "no node proves which epoch is active: %v", err)
		return
	}
	if len(raw) == 0 {
		d.report.OK(about, "block %d follows from the trusted one; it is proven that no epoch is active", header.Height)
		return
	}
	d.proven = binary.BigEndian.Uint64(raw)
	d.report.OK(about, "block %d follows from the trusted one; it is proven that epoch %d is active", header.Height, d.proven)
}

// examineValidators looks at power and absence.
func (d *doctor) examineValidators(ctx context.Context, n *nodeSeen) {
	const about = "validators"
	var list poatypes.QueryValidatorsResponse
	var params poatypes.QueryParamsResponse
	if !d.query(ctx, n, about, "/tkms.poa.v1.Query/Validators", &poatypes.QueryValidatorsRequest{}, &list) ||
		!d.query(ctx, n, about, "/tkms.poa.v1.Query/Params", &poatypes.QueryParamsRequest{}, &params) {
		return
	}
	missed := map[string]int64{}
	for _, v := range list.Validators {
		var info poatypes.QuerySigningInfoResponse
		if v.IsActive() && d.query(ctx, n, about, "/tkms.poa.v1.Query/SigningInfo", &poatypes.QuerySigningInfoRequest{OperatorAddress: v.OperatorAddress}, &info) {
			missed[v.OperatorAddress] = info.SigningInfo.MissedBlocks
		}
	}
	d.judgeValidators(list.Validators, missed, params.Params)
}

// judgeValidators compares the power of validators that sign with what consensus needs.
func (d *doctor) judgeValidators(list []poatypes.Validator, missed map[string]int64, params poatypes.Params) {
	var granted, active int64
	for _, v := range list {
		about := "validator " + v.Moniker
		granted += v.Power
		switch {
		case !v.IsActive():
			d.report.Warn(about, "its operator brings it back with 'tkmsd tx poa rejoin', or voters dismiss it", "is not active")
			continue
		case missed[v.OperatorAddress] > params.MaxMissedBlocks/2 && missed[v.OperatorAddress] > 0:
			d.report.Warn(about, "its operator looks at the node: peers, disk, load", "missed %d of the last %d blocks; more than %d make it absent", missed[v.OperatorAddress], params.LivenessWindow, params.MaxMissedBlocks)
		default:
			d.report.OK(about, "power %d, missed %d of the last %d blocks", v.Power, missed[v.OperatorAddress], params.LivenessWindow)
		}
		active += v.Power
	}
	if 3*active <= 2*granted {
		d.report.Fail("power", "bring validators back: consensus is close to its end", "active validators have %d of %d", active, granted)
	} else {
		d.report.OK("power", "active validators have %d of %d", active, granted)
	}
}
