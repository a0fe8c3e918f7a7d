package client

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/tkms-network/tkms/x/acl/evmproof"
)

const (
	// answerTimeout is how long the node may take to answer.
	answerTimeout = 5 * time.Second
	// maxAnswer bounds an answer: proofs of 256 handles at the largest depth.
	maxAnswer = 32 << 20
)

var (
	// ErrNode reports a node that cannot be spoken to.
	ErrNode = errors.New("the host chain's node does not answer")
	// ErrOtherChain reports a node of another chain.
	ErrOtherChain = errors.New("the node belongs to another chain")
	// ErrBadAnswer reports an answer that is no proof of what was asked.
	ErrBadAnswer = errors.New("the host chain's node answers with something else than asked")
)

// Node is a host chain's JSON-RPC node. It is safe for concurrent use.
type Node struct {
	chainID uint64
	rpc     *rpc.Client
	eth     *ethclient.Client
}

// Dial returns the node at an HTTP or websocket address. It does not ask it
// anything, see CheckChain; only a websocket is connected at once.
func Dial(ctx context.Context, address string, chainID uint64) (*Node, error) {
	connection, err := rpc.DialOptions(ctx, address,
		rpc.WithHTTPClient(&http.Client{Timeout: 4 * answerTimeout}), rpc.WithWebsocketMessageSizeLimit(maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNode, err)
	}
	return &Node{chainID: chainID, rpc: connection, eth: ethclient.NewClient(connection)}, nil
}

// Close ends the connection.
func (n *Node) Close() { n.rpc.Close() }

// CheckChain returns ErrOtherChain if the node is not of the chain expected.
func (n *Node) CheckChain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	id, err := n.eth.ChainID(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNode, err)
	}
	if !id.IsUint64() || id.Uint64() != n.chainID {
		return fmt.Errorf("%w: %s instead of %d", ErrOtherChain, id, n.chainID)
	}
	return nil
}

// Height returns the number of the head.
func (n *Node) Height(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	height, err := n.eth.BlockNumber(ctx)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNode, err)
	}
	return height, nil
}

// ID is the chain id that the node was dialled for.
func (n *Node) ID() uint64 { return n.chainID }

// Eth speaks to the node of what this package does not read.
func (n *Node) Eth() *ethclient.Client { return n.eth }

// wanted names slots of one account.
type wanted struct {
	account common.Address
	slots   []common.Hash
}

// answeredProof is an answer of eth_getProof (EIP-1186), as far as it is used.
type answeredProof struct {
	AccountProof []hexutil.Bytes `json:"accountProof"`
	StorageProof []struct {
		Proof []hexutil.Bytes `json:"proof"`
	} `json:"storageProof"`
}

// proofs asks for several accounts at one block in one round trip.
func (n *Node) proofs(ctx context.Context, number *big.Int, accounts ...wanted) ([]answeredProof, error) {
	answers := make([]answeredProof, len(accounts))
	batch := make([]rpc.BatchElem, len(accounts))
	for i, a := range accounts {
		batch[i] = rpc.BatchElem{Method: "eth_getProof", Args: []any{a.account, a.slots, hexutil.EncodeBig(number)}, Result: &answers[i]}
	}
	if err := n.rpc.BatchCallContext(ctx, batch); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNode, err)
	}
	for i, call := range batch {
		if call.Error != nil {
			return nil, fmt.Errorf("%w: eth_getProof: %w", ErrNode, call.Error)
		}
		if got, want := len(answers[i].StorageProof), len(accounts[i].slots); got != want {
			return nil, fmt.Errorf("%w: %d storage proofs for %d slots", ErrBadAnswer, got, want)
		}
		if len(answers[i].AccountProof) > evmproof.MaxNodes {
			return nil, fmt.Errorf("%w: account proof of %d nodes", ErrBadAnswer, len(answers[i].AccountProof))
		}
	}
	return answers, nil
}

func nodesOf(list []hexutil.Bytes) [][]byte {
	nodes := make([][]byte, len(list))
	for i, node := range list {
		nodes[i] = node
	}
	return nodes
}
