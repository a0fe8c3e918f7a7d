package party

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/gogoproto/proto"

	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/party/post"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// ErrAbsent reports that a record is proven not to exist.
var ErrAbsent = errors.New("party: the chain has no such record")

// Header is a verified header.
type Header struct {
	Height int64
	Time   time.Time
}

// Chain is the chain as the light client shows it, and the unproven services of
// a node.
type Chain interface {
	// Follow calls f with every newly verified header in order until ctx ends or
	// f fails.
	Follow(ctx context.Context, f func(Header) error) error
	// Prove returns the value of a key in a module's store after block height, nil
	// if it is proven absent. The header of height+1 must be verified.
	Prove(ctx context.Context, store string, key []byte, height int64) ([]byte, error)
	// Query asks a node without proof.
	Query(ctx context.Context, path string, request []byte) ([]byte, error)
	// BroadcastTx hands a transaction to a node's mempool.
	BroadcastTx(ctx context.Context, tx []byte) error
}

// record proves and decodes one record.
func record(ctx context.Context, chain Chain, store string, key []byte, height int64, into proto.Message) error {
	value, err := chain.Prove(ctx, store, key, height)
	if err != nil {
		return fmt.Errorf("prove %s/%x at height %d: %w", store, key, height, err)
	}
	if value == nil {
		return fmt.Errorf("%w: %s/%x at height %d", ErrAbsent, store, key, height)
	}
	if err := proto.Unmarshal(value, into); err != nil {
		return fmt.Errorf("decode %s/%x: %w", store, key, err)
	}
	return nil
}

// nextItem proves the first offline item of an epoch that no request has.
func nextItem(ctx context.Context, chain Chain, epoch uint64, height int64) (uint64, error) {
	return provenNumber(ctx, chain, kmstypes.StoreKey, kmstypes.StoreKeyOfItemCounter(epoch), height)
}

// provenNumber proves a number of 8 bytes, 0 if it is absent.
func provenNumber(ctx context.Context, chain Chain, store string, key []byte, height int64) (uint64, error) {
	value, err := chain.Prove(ctx, store, key, height)
	if err != nil || value == nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("%s/%x is %d bytes, not a number", store, key, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

// loadCommittee proves an epoch and its members.
func loadCommittee(ctx context.Context, chain Chain, epochID, own uint64, height int64) (*committee.Committee, error) {
	var epoch partiestypes.Epoch
	if err := record(ctx, chain, partiestypes.StoreKey, partiestypes.EpochKey(epochID), height, &epoch); err != nil {
		return nil, err
	}
	records := make([]partiestypes.Party, len(epoch.Members))
	for i, member := range epoch.Members {
		if err := record(ctx, chain, partiestypes.StoreKey, partiestypes.PartyKey(member.PartyId), height, &records[i]); err != nil {
			return nil, err
		}
	}
	return committee.New(epoch, records, own)
}

// query asks a node for a hint: what it answers is proven before it is used.
func query(ctx context.Context, chain Chain, path string, request, response proto.Message) error {
	encoded, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	answer, err := chain.Query(ctx, path, encoded)
	if err != nil {
		return fmt.Errorf("query %s: %w", path, err)
	}
	if err := proto.Unmarshal(answer, response); err != nil {
		return fmt.Errorf("query %s: %w", path, err)
	}
	return nil
}

// hostChain proves where a host chain's ciphertexts may be fetched.
func hostChain(ctx context.Context, chain Chain, id uint64, height int64) (*acltypes.HostChain, error) {
	var host acltypes.HostChain
	if err := record(ctx, chain, acltypes.StoreKey, acltypes.StoreKeyOfHostChain(id), height, &host); err != nil {
		return nil, err
	}
	return &host, nil
}

// postChain is what the poster needs of a node.
type postChain struct{ Chain }

// AccountNumber implements post.Chain.
func (c postChain) AccountNumber(ctx context.Context, address sdk.AccAddress) (uint64, error) {
	var response authtypes.QueryAccountInfoResponse
	err := query(ctx, c.Chain, "/cosmos.auth.v1beta1.Query/AccountInfo", &authtypes.QueryAccountInfoRequest{Address: address.String()}, &response)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", post.ErrNoAccount, err)
	}
	if response.Info == nil {
		return 0, post.ErrNoAccount
	}
	return response.Info.AccountNumber, nil
}
