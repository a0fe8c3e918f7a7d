package client

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// Keep gives the dApp the inputs of one proof; from may have them re-encrypted from then on.
func (c *Client) Keep(ctx context.Context, from *Account, handles []fhevm.Handle, inputProof []byte) (*types.Receipt, error) {
	return c.dapp(ctx, from, "keep", handles, inputProof)
}

// Kept reads the handles that owner gave the dApp with Keep, in order.
func (c *Client) Kept(ctx context.Context, owner common.Address) ([]fhevm.Handle, error) {
	data, err := fhevm.DisclosureABI.Pack("kept", owner)
	if err != nil {
		return nil, fmt.Errorf("kept: %w", err)
	}
	to := c.info.Contracts.Disclosure
	answer, err := c.eth.CallContract(ctx, ethereum.CallMsg{To: &to, Data: data}, nil)
	if err != nil {
		return nil, fmt.Errorf("kept: %w", decodeError(err))
	}
	var raw [][32]byte
	if err := fhevm.DisclosureABI.UnpackIntoInterface(&raw, "kept", answer); err != nil {
		return nil, fmt.Errorf("kept: %w", err)
	}
	handles := make([]fhevm.Handle, len(raw))
	for i := range raw {
		handles[i] = raw[i]
	}
	return handles, nil
}

// Delegate lets delegate have from's values of a contract re-encrypted, until expiration. The ACL
// wants that to be an hour ahead at least, and takes one change of a delegation in a block.
func (c *Client) Delegate(ctx context.Context, from *Account, delegate, contract common.Address, expiration time.Time) (*types.Receipt, error) {
	return c.acl(ctx, from, "delegateForUserDecryption", delegate, contract, uint64(expiration.Unix()))
}

// RevokeDelegation takes a delegation back.
func (c *Client) RevokeDelegation(ctx context.Context, from *Account, delegate, contract common.Address) (*types.Receipt, error) {
	return c.acl(ctx, from, "revokeDelegationForUserDecryption", delegate, contract)
}

func (c *Client) acl(ctx context.Context, from *Account, method string, arguments ...any) (*types.Receipt, error) {
	data, err := fhevm.ACLABI.Pack(method, arguments...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	receipt, err := c.Transact(ctx, from, c.info.Contracts.ACL, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return receipt, nil
}
