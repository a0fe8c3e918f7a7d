package tkms

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	jsonrpc "github.com/cometbft/cometbft/rpc/jsonrpc/types"

	"github.com/tkms-network/tkms/x/kms/client"
)

// answerTimeout is how long one node may take to answer.
const answerTimeout = 5 * time.Second

// ErrNoNode reports that no node answered.
var ErrNoNode = errors.New("no TKMS node answers")

// Nodes asks one node after the other until one answers, the last that did first.
// It is safe for concurrent use.
type Nodes struct {
	addresses []string
	clients   []*client.Client

	mu        sync.Mutex
	preferred int
}

// NewNodes takes RPC addresses such as http://127.0.0.1:26657, one or more. It
// does not connect yet.
func NewNodes(addresses []string) (*Nodes, error) {
	if len(addresses) == 0 {
		return nil, errors.New("no TKMS node is named")
	}
	n := &Nodes{addresses: addresses}
	for _, address := range addresses {
		c, err := client.Dial(address)
		if err != nil {
			return nil, err
		}
		n.clients = append(n.clients, c)
	}
	return n, nil
}

// first returns the number of the node to ask first.
func (n *Nodes) first() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.preferred
}

func (n *Nodes) prefer(node int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.preferred = node
}

// ask calls f with one node after the other until one answers, be it with a
// refusal. If none does the error is ErrNoNode.
func (n *Nodes) ask(ctx context.Context, f func(context.Context, *client.Client) error) error {
	first := n.first()
	var failure error
	for i := range n.clients {
		node := (first + i) % len(n.clients)
		limited, cancel := context.WithTimeout(ctx, answerTimeout)
		err := f(limited, n.clients[node])
		cancel()
		if err == nil || answered(err) {
			if i > 0 {
				n.prefer(node)
			}
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		failure = err
	}
	return fmt.Errorf("%w: %w", ErrNoNode, failure)
}

// answered tells a node's refusal from a node that cannot be spoken to.
func answered(err error) bool {
	var refused *client.TxError
	var rpc *jsonrpc.RPCError
	return errors.As(err, &refused) || errors.As(err, &rpc) || errors.Is(err, client.ErrQuery)
}
