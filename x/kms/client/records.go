package client

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/types"
	poatypes "github.com/tkms-network/tkms/x/poa/types"
)

// ErrNotFound reports a record that the chain does not have.
var ErrNotFound = errors.New("the chain has no such record")

// QueryError is a node's refusal of a query; it is an ErrQuery, and an ErrNotFound
// if the record is missing.
type QueryError struct {
	Method string
	// Codespace and Code are stable; Log is for people.
	Codespace string
	Code      uint32
	Log       string
}

// Error implements error.
func (e *QueryError) Error() string {
	return fmt.Sprintf("%s: %s: %s/%d: %s", ErrQuery, e.Method, e.Codespace, e.Code, e.Log)
}

// Is implements errors.Is.
func (e *QueryError) Is(target error) bool {
	return target == ErrQuery || target == ErrNotFound && e.notFound()
}

// notFound tells whether the code is what the SDK makes of gRPC's NotFound.
func (e *QueryError) notFound() bool {
	return e.Codespace == sdkerrors.ErrKeyNotFound.Codespace() && e.Code == sdkerrors.ErrKeyNotFound.ABCICode()
}

// Request returns the record of a request, or ErrNotFound. id has 32 bytes.
func (c *Client) Request(ctx context.Context, id []byte) (*types.Request, error) {
	var response types.QueryRequestResponse
	if err := c.Query(ctx, "/tkms.kms.v1.Query/Request", &types.QueryRequestRequest{Id: hex.EncodeToString(id)}, &response); err != nil {
		return nil, err
	}
	return &response.Request, nil
}

// HostKey returns the key under which a host chain encrypts now, or ErrNotFound.
func (c *Client) HostKey(ctx context.Context, hostChainID uint64) (*types.Key, error) {
	var response types.QueryHostKeyResponse
	if err := c.Query(ctx, "/tkms.kms.v1.Query/HostKey", &types.QueryHostKeyRequest{HostChainId: hostChainID}, &response); err != nil {
		return nil, err
	}
	return &response.Key, nil
}

// HostChain returns the record of a host chain, or ErrNotFound.
func (c *Client) HostChain(ctx context.Context, id uint64) (*acltypes.HostChain, error) {
	var response acltypes.QueryHostChainResponse
	if err := c.Query(ctx, "/tkms.acl.v1.Query/HostChain", &acltypes.QueryHostChainRequest{Id: id}, &response); err != nil {
		return nil, err
	}
	return &response.HostChain, nil
}

// GasPrice returns the gas price that consensus demands.
func (c *Client) GasPrice(ctx context.Context) (sdk.DecCoin, error) {
	var response poatypes.QueryParamsResponse
	if err := c.Query(ctx, "/tkms.poa.v1.Query/Params", &poatypes.QueryParamsRequest{}, &response); err != nil {
		return sdk.DecCoin{}, err
	}
	return response.Params.MinGasPrice, nil
}
