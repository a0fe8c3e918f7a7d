package tkms

import (
	"context"

	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// Shares returns a user decryption with the shares that are in, or client.ErrNotFound.
// id has 32 bytes.
func (c *Chain) Shares(ctx context.Context, id []byte) (answer *kmstypes.QuerySharesResponse, err error) {
	err = c.nodes.ask(ctx, func(ctx context.Context, node *client.Client) (err error) {
		answer, err = node.Shares(ctx, [kmstypes.IDSize]byte(id))
		return err
	})
	return answer, err
}

// Present returns the indices of an epoch's members that take part: who was removed
// or excluded does not. It is at most a moment old.
func (c *Chain) Present(ctx context.Context, epochID uint64) ([]uint32, error) {
	return c.present.get(epochID, func() ([]uint32, error) { return c.askPresent(ctx, epochID) })
}

func (c *Chain) askPresent(ctx context.Context, epochID uint64) ([]uint32, error) {
	var answer partiestypes.QueryEpochResponse
	err := c.nodes.ask(ctx, func(ctx context.Context, node *client.Client) error {
		return node.Query(ctx, "/tkms.parties.v1.Query/Epoch", &partiestypes.QueryEpochRequest{Id: epochID}, &answer)
	})
	if err != nil {
		return nil, err
	}
	absent := map[uint32]bool{}
	for _, a := range answer.Epoch.Absences {
		absent[a.Index] = a.Excluded || a.Convicted
	}
	members := []uint32{}
	for _, m := range answer.Epoch.Members {
		if !m.Removed && !absent[m.Index] {
			members = append(members, m.Index)
		}
	}
	return members, nil
}
