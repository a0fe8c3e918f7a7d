package tkms

import (
	"context"
	"slices"

	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// Epoch is what the chain says about an epoch.
type Epoch struct {
	partiestypes.Epoch
	// Signers are the signing addresses of the members in index order.
	Signers [][kmstypes.AddressSize]byte
}

// Threshold is how many signatures a result of the epoch needs.
func (e *Epoch) Threshold() uint32 { return 2*e.T + 1 }

// HostEpoch says which epoch serves a host chain and which is to follow. It is at most a
// moment old.
func (c *Chain) HostEpoch(ctx context.Context, hostChainID uint64) (*kmstypes.QueryHostEpochResponse, error) {
	return c.hostEpochs.get(hostChainID, func() (*kmstypes.QueryHostEpochResponse, error) {
		var answer kmstypes.QueryHostEpochResponse
		err := c.nodes.ask(ctx, func(ctx context.Context, node *client.Client) error {
			return node.Query(ctx, "/tkms.kms.v1.Query/HostEpoch", &kmstypes.QueryHostEpochRequest{HostChainId: hostChainID}, &answer)
		})
		return &answer, err
	})
}

// Epoch returns an epoch with its signers, or client.ErrNotFound.
func (c *Chain) Epoch(ctx context.Context, id uint64) (*Epoch, error) {
	var answer partiestypes.QueryEpochResponse
	err := c.nodes.ask(ctx, func(ctx context.Context, node *client.Client) error {
		return node.Query(ctx, "/tkms.parties.v1.Query/Epoch", &partiestypes.QueryEpochRequest{Id: id}, &answer)
	})
	if err != nil {
		return nil, err
	}
	signers, err := client.SignersOf(answer.Parties)
	if err != nil {
		return nil, err
	}
	return &Epoch{answer.Epoch, signers}, nil
}

// Takes tells whether a host chain takes the signatures of an epoch, and whether it is
// about to take others.
func (c *Chain) Takes(ctx context.Context, hostChainID, epochID uint64) (taken, pending bool, err error) {
	host, err := c.HostEpoch(ctx, hostChainID)
	if err != nil {
		return false, false, err
	}
	pending = host.NextEpochId != 0
	if host.EpochId == epochID {
		return true, pending, nil
	}
	asked, err := c.signerSet(ctx, epochID)
	if err != nil {
		return false, false, err
	}
	serving, err := c.signerSet(ctx, host.EpochId)
	if err != nil {
		return false, false, err
	}
	return slices.Equal(asked.Signers, serving.Signers) && asked.Threshold() == serving.Threshold(), pending, nil
}

// signerSet is Epoch of which only what never changes may be looked at: it is asked for
// once.
func (c *Chain) signerSet(ctx context.Context, id uint64) (*Epoch, error) {
	c.mu.Lock()
	known := c.epochs[id]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	known, err := c.Epoch(ctx, id)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epochs[id] = known
	return known, nil
}

// Network returns the chain's id. It fails while the account is not on chain.
func (c *Chain) Network(ctx context.Context) (string, error) {
	signer, _, err := c.identity(ctx)
	if err != nil {
		return "", err
	}
	return signer.ChainID, nil
}
