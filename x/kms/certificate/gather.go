package certificate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	cmtcrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	cmttypes "github.com/cometbft/cometbft/types"

	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/gogoproto/proto"

	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// Node is where a certificate's parts come from. Nothing it says needs to be believed:
// Verify does not.
type Node interface {
	// SignedHeader returns header and commit of a height, 0 for the latest.
	SignedHeader(ctx context.Context, height int64) (*cmttypes.SignedHeader, error)
	// Validators returns the validators of a height.
	Validators(ctx context.Context, height int64) (*cmttypes.ValidatorSet, error)
	// Prove returns the value of a key in a store after a height, empty if there is none,
	// and the steps of its proof.
	Prove(ctx context.Context, store string, key []byte, height int64) (value []byte, steps []cmtcrypto.ProofOp, err error)
	// TxSearch is that of CometBFT's RPC.
	TxSearch(ctx context.Context, query string, prove bool, page, perPage *int, orderBy string) (*coretypes.ResultTxSearch, error)
}

// gathering is a certificate being put together.
type gathering struct {
	node Node
	c    types.ProvenCertificate
	// state is the height of the state that is proven.
	state int64
}

// Gather puts a certificate of a fulfilled request together. trusted is the height of a
// header that shall be among those of the certificate, or 0. id has 32 bytes. It fails
// with types.ErrNotFulfilled, ErrNoRecord, ErrNoMessage, or what the node returned.
func Gather(ctx context.Context, node Node, id []byte, trusted int64) (*types.ProvenCertificate, error) {
	head, err := node.SignedHeader(ctx, 0)
	if err != nil {
		return nil, err
	}
	g := &gathering{node: node, c: types.ProvenCertificate{Format: Format}, state: head.Height - 1}
	request := &g.c.Certificate.Request
	if g.c.RequestProof, err = g.prove(ctx, types.StoreKey, types.StoreKeyOfRequest(id), g.state, request); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	if request.Status != types.REQUEST_STATUS_FULFILLED {
		return nil, types.ErrNotFulfilled.Wrap(request.Status.String())
	}
	if err := g.committee(ctx, request.EpochId); err != nil {
		return nil, err
	}
	g.c.HostChainProof, err = g.prove(ctx, acltypes.StoreKey, acltypes.StoreKeyOfHostChain(request.HostChainId), request.AcceptedHeight, &g.c.HostChain)
	if err != nil {
		return nil, fmt.Errorf("host chain as of height %d: %w", request.AcceptedHeight, err)
	}
	if err := g.message(ctx, *request); err != nil {
		return nil, err
	}
	if err := g.headers(ctx, trusted, request.AcceptedHeight, request.AcceptedHeight+1, g.state+1); err != nil {
		return nil, err
	}
	return &g.c, nil
}

// prove reads a record with its proof.
func (g *gathering) prove(ctx context.Context, store string, key []byte, height int64, record proto.Message) (types.StateProof, error) {
	value, steps, err := g.node.Prove(ctx, store, key, height)
	if err != nil {
		return types.StateProof{}, err
	}
	if len(value) == 0 || len(steps) != 2 {
		return types.StateProof{}, ErrNoRecord
	}
	if err := proto.Unmarshal(value, record); err != nil {
		return types.StateProof{}, err
	}
	return types.StateProof{Height: height, Store: steps[0].Data, App: steps[1].Data}, nil
}

// committee reads an epoch and its members.
func (g *gathering) committee(ctx context.Context, id uint64) (err error) {
	if g.c.EpochProof, err = g.prove(ctx, partiestypes.StoreKey, partiestypes.EpochKey(id), g.state, &g.c.Epoch); err != nil {
		return fmt.Errorf("epoch %d: %w", id, err)
	}
	for _, seat := range g.c.Epoch.Members {
		var member partiestypes.Party
		proof, err := g.prove(ctx, partiestypes.StoreKey, partiestypes.PartyKey(seat.PartyId), g.state, &member)
		if err != nil {
			return fmt.Errorf("party %d: %w", seat.PartyId, err)
		}
		g.c.Members, g.c.MemberProofs = append(g.c.Members, member), append(g.c.MemberProofs, proof)
		g.c.Certificate.Signers = append(g.c.Certificate.Signers, member.SigningAddress)
	}
	return nil
}

// message finds the proof in the block that accepted the request.
func (g *gathering) message(ctx context.Context, r types.Request) error {
	query := fmt.Sprintf(`tkms.kms.v1.EventRequestAccepted.request_id='"%x"' AND tx.height=%d`, r.Id, r.AcceptedHeight)
	found, err := g.node.TxSearch(ctx, query, false, nil, nil, "asc")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoMessage, err)
	}
	for _, tx := range found.Txs {
		for _, proof := range proofsIn(tx.Tx) {
			raw, err := proof.Marshal()
			if err != nil {
				return err
			}
			if digest := sha256.Sum256(raw); bytes.Equal(digest[:], r.Authorization.ProofDigest) {
				g.c.Proof = proof
				return nil
			}
		}
	}
	return ErrNoMessage
}

// proofsIn returns the proofs of all requests in a transaction.
func proofsIn(raw []byte) []acltypes.DecryptionProof {
	var tx txtypes.TxRaw
	var body txtypes.TxBody
	if proto.Unmarshal(raw, &tx) != nil || proto.Unmarshal(tx.BodyBytes, &body) != nil {
		return nil
	}
	var public types.MsgRequestPublicDecryption
	var user types.MsgRequestUserDecryption
	var proofs []acltypes.DecryptionProof
	for _, msg := range body.Messages {
		switch msg.TypeUrl {
		case "/" + proto.MessageName(&public):
			if proto.Unmarshal(msg.Value, &public) == nil {
				proofs = append(proofs, public.Proof)
			}
		case "/" + proto.MessageName(&user):
			if proto.Unmarshal(msg.Value, &user) == nil {
				proofs = append(proofs, user.Proof)
			}
		}
	}
	return proofs
}

// headers fetches the headers of distinct heights, 0 left out, in ascending order.
func (g *gathering) headers(ctx context.Context, heights ...int64) error {
	slices.Sort(heights)
	for _, height := range slices.Compact(heights) {
		if height == 0 {
			continue
		}
		signed, err := g.node.SignedHeader(ctx, height)
		if err != nil {
			return fmt.Errorf("header %d: %w", height, err)
		}
		set, err := g.node.Validators(ctx, height)
		if err != nil {
			return fmt.Errorf("validators of height %d: %w", height, err)
		}
		var b *cmtproto.LightBlock
		if b, err = encodeHeader(&cmttypes.LightBlock{SignedHeader: signed, ValidatorSet: set}); err != nil {
			return fmt.Errorf("header %d: %w", height, err)
		}
		g.c.LightBlocks = append(g.c.LightBlocks, b)
	}
	return nil
}
