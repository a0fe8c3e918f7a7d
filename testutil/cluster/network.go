package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/transport"
)

// connectPoll is how often a starting network looks whether all links are up.
const connectPoll = 2 * time.Millisecond

// node is one party's end of the network.
type node struct {
	index  int
	port   *transport.Port
	mesh   *transport.Mesh
	router *session.Router
	sent   atomic.Int64
}

// Sent implements transport.Metrics.
func (n *node) Sent(_, _, bytes int) { n.sent.Add(int64(bytes)) }

// Received implements transport.Metrics.
func (n *node) Received(int, int) {}

// Dropped implements transport.Metrics.
func (n *node) Dropped(int, int) {}

// Link implements transport.Metrics.
func (n *node) Link(int, bool) {}

// network connects n parties over loopback TLS.
type network struct {
	nodes []*node // index-1
}

// connect starts n parties and returns when each has a link to every other.
func connect(ctx context.Context, n int, log *slog.Logger) (*network, error) {
	w := &network{}
	var id [32]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("name the network: %w", err)
	}
	peers := make([]transport.Peer, n)
	for i := range n {
		p, peer, err := listen(i+1, id, n, log)
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.nodes, peers[i] = append(w.nodes, p), peer
	}
	for i, p := range w.nodes {
		others := append(append([]transport.Peer{}, peers[:i]...), peers[i+1:]...)
		if err := p.mesh.SetPeers(others); err != nil {
			return nil, errors.Join(fmt.Errorf("party %d: %w", p.index, err), w.close())
		}
		if err := p.mesh.Start(p.router.Receive); err != nil {
			return nil, errors.Join(fmt.Errorf("party %d: %w", p.index, err), w.close())
		}
	}
	if err := w.await(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func listen(index int, id [32]byte, n int, log *slog.Logger) (*node, transport.Peer, error) {
	fail := func(err error) (*node, transport.Peer, error) {
		return nil, transport.Peer{}, fmt.Errorf("party %d: %w", index, err)
	}
	identity, err := transport.GenerateIdentity(rand.Reader)
	if err != nil {
		return fail(err)
	}
	port, err := transport.Listen("127.0.0.1:0", identity, log)
	if err != nil {
		return fail(err)
	}
	p := &node{index: index, port: port}
	p.mesh, err = transport.New(transport.Config{
		Self: index, Network: id, Identity: identity, Port: port, Metrics: p, Log: log,
	})
	if err != nil {
		return fail(errors.Join(err, port.Close()))
	}
	p.router, err = session.New(session.Config{Mesh: p.mesh, Parties: n, Log: log})
	if err != nil {
		return fail(errors.Join(err, p.mesh.Close(), port.Close()))
	}
	return p, transport.Peer{Index: index, Address: port.Addr().String(), Pin: identity.Pin()}, nil
}

// await waits until all links are up.
func (w *network) await(ctx context.Context) error {
	tick := time.NewTicker(connectPoll)
	defer tick.Stop()
	for {
		up := 0
		for _, p := range w.nodes {
			up += p.mesh.Connected()
		}
		if n := len(w.nodes); up == n*(n-1) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("connect the parties: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// sent returns the bytes that each party has written to its links so far.
func (w *network) sent() []int64 {
	out := make([]int64, len(w.nodes))
	for i, p := range w.nodes {
		out[i] = p.sent.Load()
	}
	return out
}

func (w *network) close() error {
	for _, p := range w.nodes {
		p.router.Close()
	}
	var errs []error
	for _, p := range w.nodes {
		errs = append(errs, p.mesh.Close(), p.port.Close())
	}
	return errors.Join(errs...)
}
