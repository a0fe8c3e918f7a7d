package apptest

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	abci "github.com/cometbft/cometbft/abci/types"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/crypto/tmhash"
	cmtcrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmtversion "github.com/cometbft/cometbft/proto/tendermint/version"
	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/cometbft/cometbft/version"
	"github.com/stretchr/testify/require"
)

// Node answers as a node of the chain would: with headers that the genesis validators sign, for the states that
// the application committed. It has each height of which the next block is there.
type Node struct{ *Chain }

// executedAt returns a block.
func (n Node) executedAt(height int64) (executed, error) {
	for _, b := range n.blocks {
		if b.request.Height == height {
			return b, nil
		}
	}
	return executed{}, fmt.Errorf("there is no block of height %d", height)
}

// Validators returns the genesis validators.
func (n Node) Validators(context.Context, int64) (*cmttypes.ValidatorSet, error) {
	var list []*cmttypes.Validator
	for _, v := range n.Chain.Validators {
		list = append(list, cmttypes.NewValidator(cmted25519.PubKey(v.Consensus.PubKey().Bytes()), 10))
	}
	return cmttypes.NewValidatorSet(list), nil
}

// SignedHeader returns the header of a height, 0 for the latest, signed by all validators.
func (n Node) SignedHeader(ctx context.Context, height int64) (*cmttypes.SignedHeader, error) {
	if height == 0 {
		height = n.Height
	}
	block, err := n.executedAt(height)
	if err != nil {
		return nil, err
	}
	before, err := n.executedAt(height - 1)
	if err != nil {
		return nil, err
	}
	set, err := n.Validators(ctx, height)
	if err != nil {
		return nil, err
	}
	header := &cmttypes.Header{
		Version: cmtversion.Consensus{Block: version.BlockProtocol}, ChainID: n.ChainID, Height: height, Time: block.request.Time,
		LastBlockID:    blockID(tmhash.Sum(BlockHash(height - 1))),
		ValidatorsHash: set.Hash(), NextValidatorsHash: set.Hash(), AppHash: before.response.AppHash,
		ConsensusHash: tmhash.Sum(nil), LastResultsHash: tmhash.Sum(nil), DataHash: tmhash.Sum(nil), LastCommitHash: tmhash.Sum(nil),
		EvidenceHash: tmhash.Sum(nil), ProposerAddress: set.Validators[0].Address,
	}
	return &cmttypes.SignedHeader{Header: header, Commit: n.commit(header, set)}, nil
}

func blockID(hash []byte) cmttypes.BlockID {
	return cmttypes.BlockID{Hash: hash, PartSetHeader: cmttypes.PartSetHeader{Total: 1, Hash: tmhash.Sum(hash)}}
}

// commit is signed by all of a set.
func (n Node) commit(header *cmttypes.Header, set *cmttypes.ValidatorSet) *cmttypes.Commit {
	n.t.Helper()
	commit := &cmttypes.Commit{Height: header.Height, BlockID: blockID(header.Hash())}
	for i, v := range set.Validators {
		vote := &cmttypes.Vote{
			Type: cmtproto.PrecommitType, Height: header.Height, BlockID: commit.BlockID, Timestamp: header.Time,
			ValidatorAddress: v.Address, ValidatorIndex: int32(i),
		}
		for _, signer := range n.Chain.Validators {
			if string(signer.Consensus.PubKey().Address()) == string(v.Address) {
				signature, err := signer.Consensus.Sign(cmttypes.VoteSignBytes(header.ChainID, vote.ToProto()))
				require.NoError(n.t, err)
				vote.Signature = signature
			}
		}
		commit.Signatures = append(commit.Signatures, vote.CommitSig())
	}
	return commit
}

// Prove returns a record of the state after a height with the steps of its proof.
func (n Node) Prove(ctx context.Context, store string, key []byte, height int64) ([]byte, []cmtcrypto.ProofOp, error) {
	response, err := n.App.Query(ctx, &abci.RequestQuery{Path: "/store/" + store + "/key", Data: key, Height: height, Prove: true})
	if err != nil {
		return nil, nil, err
	}
	if response.Code != 0 {
		return nil, nil, fmt.Errorf("query: %s", response.Log)
	}
	return response.Value, response.ProofOps.Ops, nil
}

// TxSearch understands the height of a query and returns all transactions of it that succeeded.
func (n Node) TxSearch(_ context.Context, query string, _ bool, _, _ *int, _ string) (*coretypes.ResultTxSearch, error) {
	_, text, _ := strings.Cut(query, "tx.height=")
	height, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, err
	}
	block, err := n.executedAt(height)
	if err != nil {
		return nil, err
	}
	found := &coretypes.ResultTxSearch{}
	for i, tx := range block.request.Txs {
		if block.response.TxResults[i].Code == 0 {
			found.Txs = append(found.Txs, &coretypes.ResultTx{Height: height, Index: uint32(i), Tx: tx})
		}
	}
	return found, nil
}
