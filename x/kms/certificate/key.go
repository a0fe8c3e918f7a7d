package certificate

import (
	"context"
	"fmt"

	"github.com/tkms-network/tkms/x/kms/types"
)

// Key returns the record of a key in the state of the node's latest block but one, whose
// header follows from what is trusted: the node is not believed. If trust names a header,
// its height must be given. Errors: ErrNoRecord, ErrNoTrust, ErrUntrusted, ErrExpired,
// ErrNotProven, or what the node returned.
func Key(ctx context.Context, node Node, id []byte, trust Trust) (*types.Key, error) {
	head, err := node.SignedHeader(ctx, 0)
	if err != nil {
		return nil, err
	}
	g := &gathering{node: node, state: head.Height - 1}
	var key types.Key
	proof, err := g.prove(ctx, types.StoreKey, types.StoreKeyOfKey(id), g.state, &key)
	if err != nil {
		return nil, err
	}
	if err := g.headers(ctx, trust.Height, g.state+1); err != nil {
		return nil, err
	}
	verified, err := verifyHeaders(g.c.LightBlocks, trust)
	if err != nil {
		return nil, err
	}
	if err := verified.proven(types.StoreKey, types.StoreKeyOfKey(id), &key, proof); err != nil {
		return nil, fmt.Errorf("key %x: %w", id, err)
	}
	return &key, nil
}
