package tkms

import (
	"context"
	"time"

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

// present is a cached answer of Present.
type present struct {
	members []uint32
	at      time.Time
}

// Present returns the indices of an epoch's members that take part: who was removed
// or excluded does not. It is at most a moment old.
func (c *Chain) Present(ctx context.Context, epochID uint64) ([]uint32, error) {
	c.mu.Lock()
	known, ok := c.present[epochID]
	c.mu.Unlock()
	if ok && time.Since(known.at) < recordsAge {
		return known.members, nil
	}
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
	c.mu.Lock()
	c.present[epochID] = present{members, time.Now()}
	c.mu.Unlock()
	return members, nil
}
