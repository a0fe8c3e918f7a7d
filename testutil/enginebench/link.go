package enginebench

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/transport"
)

// connectPoll is how often a party looks whether all its links are up.
const connectPoll = 2 * time.Millisecond

// link is a party's end of the network.
type link struct {
	transport.NoMetrics
	port    *transport.Port
	mesh    *transport.Mesh
	router  *session.Router
	delayed *delayed // nil without a round trip
	sent    atomic.Int64

	index, parties int
	key            ed25519.PrivateKey
	peer           transport.Peer
}

// Sent implements transport.Metrics.
func (l *link) Sent(_, _, bytes int) { l.sent.Add(int64(bytes)) }

// listen opens a party's port on the loopback interface.
func listen(c *listenCommand) (*link, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	identity, err := transport.GenerateIdentity(rand.Reader)
	if err != nil {
		return nil, err
	}
	port, err := transport.Listen("127.0.0.1:0", identity, nil)
	if err != nil {
		return nil, err
	}
	l := &link{
		port: port, index: c.Index, parties: c.Parties, key: key,
		peer: transport.Peer{Index: c.Index, Address: port.Addr().String(), Pin: identity.Pin()},
	}
	l.mesh, err = transport.New(transport.Config{Self: c.Index, Network: c.Network, Identity: identity, Port: port, Metrics: l})
	if err != nil {
		return nil, errors.Join(err, port.Close())
	}
	if l.router, err = session.New(session.Config{Mesh: l.mesh, Parties: c.Parties}); err != nil {
		return nil, errors.Join(err, l.mesh.Close(), port.Close())
	}
	if c.RoundTrip > 0 {
		l.delayed = newDelayed(c.Parties, c.RoundTrip/2, l.router.Receive)
	}
	return l, nil
}

// join connects to all peers and returns the identity that signs among them.
func (l *link) join(ctx context.Context, c *joinCommand) (*mpc.Identity, error) {
	keys := make([]ed25519.PublicKey, len(c.Keys))
	for i, k := range c.Keys {
		keys[i] = k
	}
	identity, err := mpc.NewIdentity(l.index, l.key, keys)
	if err != nil {
		return nil, err
	}
	if err := l.mesh.SetPeers(c.Peers); err != nil {
		return nil, err
	}
	receive := l.router.Receive
	if l.delayed != nil {
		receive = l.delayed.Receive
	}
	if err := l.mesh.Start(receive); err != nil {
		return nil, err
	}
	tick := time.NewTicker(connectPoll)
	defer tick.Stop()
	for l.mesh.Connected() < len(c.Peers) {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect the parties: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
	return identity, nil
}

func (l *link) close() error {
	l.router.Close()
	if l.delayed != nil {
		l.delayed.Close()
	}
	return errors.Join(l.mesh.Close(), l.port.Close())
}

func (l *link) publicKey() ed25519.PublicKey { return l.key.Public().(ed25519.PublicKey) }
