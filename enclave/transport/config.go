package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/tkms-network/tkms/enclave/courtesy"
)

// MaxIndex is the highest party index: two committees of sixteen that hand over to
// each other.
const MaxIndex = 32

// Errors of this package.
var (
	// ErrConfig reports a configuration or registry that cannot work.
	ErrConfig = errors.New("transport: invalid configuration")
	// ErrUnknownPeer reports an index that is not in the registry.
	ErrUnknownPeer = errors.New("transport: no such peer is registered")
	// ErrQueueFull reports a frame dropped because its receiver reads too slowly.
	ErrQueueFull = errors.New("transport: the peer's send queue is full, the frame was dropped")
	// ErrPeerDown reports a frame dropped because its receiver has been away for long.
	ErrPeerDown = errors.New("transport: the peer is not connected, the frame was dropped")
	// ErrFrameTooLarge reports a frame over the limit, own or received.
	ErrFrameTooLarge = errors.New("transport: frame exceeds the size limit")
	// ErrPeerRefused reports a connection whose other end is not the registered one.
	ErrPeerRefused = errors.New("transport: the other end is not the registered party")
	// ErrNotAdmitted reports a peer that refuses this party.
	ErrNotAdmitted = errors.New("transport: the peer does not admit this party")
	// ErrClosed reports use after Close.
	ErrClosed = errors.New("transport: mesh is closed")
)

// Peer is one entry of the registry.
type Peer struct {
	// Index is the party's index, 1..MaxIndex.
	Index int
	// Address is host:port, dialled by parties with a lower index.
	Address string
	// Pin is the registered hash of the party's TLS key.
	Pin Pin
}

// Receive takes a frame from a peer and owns it. Calls for one connection come
// one after another, calls for different peers or lanes concurrently. While it
// blocks, nothing more is read from that peer on that lane, and from there only.
type Receive func(peer int, frame []byte)

// Metrics observes a mesh. Methods are called from many goroutines and must be
// quick.
type Metrics interface {
	// Sent counts what was handed to the operating system in one write.
	Sent(peer, frames, bytes int)
	// Received counts one delivered frame and its payload bytes.
	Received(peer, bytes int)
	// Dropped counts frames that were not queued or were discarded.
	Dropped(peer, frames int)
	// Link reports that the connection to a peer came up or went down.
	Link(peer int, up bool)
}

// NoMetrics ignores everything.
type NoMetrics struct{}

// Sent implements Metrics.
func (NoMetrics) Sent(int, int, int) {}

// Received implements Metrics.
func (NoMetrics) Received(int, int) {}

// Dropped implements Metrics.
func (NoMetrics) Dropped(int, int) {}

// Link implements Metrics.
func (NoMetrics) Link(int, bool) {}

// Config configures a Mesh. Zero values of the optional fields take defaults.
type Config struct {
	// Self is the own index, 1..MaxIndex.
	Self int
	// Network separates networks whose parties share keys: both ends must have
	// the same value. Usually a hash of chain id and committee. At a Port no two
	// meshes may have the same.
	Network [32]byte
	// Identity is the own TLS key.
	Identity *Identity
	// Port accepts connections of peers with a lower index, under the same Identity;
	// it outlives the mesh. May be nil for a party that nobody dials.
	Port *Port
	// Dial opens a TCP connection; default net.Dialer.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	// MaxFrame bounds a frame's payload in bytes (default 64 MiB).
	MaxFrame int
	// QueueBytes bounds what waits for one peer (default 128 MiB).
	QueueBytes int
	// HoldDown is how long frames are kept for a peer that is not connected
	// (default 5 s); afterwards they are dropped at once.
	HoldDown time.Duration
	// Heartbeat is the interval of heartbeats on an idle link (default 1 s). A
	// link on which nothing arrived for four intervals is cut, on the bulk lane forty.
	Heartbeat time.Duration
	// HandshakeTimeout bounds dialling and handshake together (default 5 s).
	HandshakeTimeout time.Duration
	// WriteTimeout bounds one write (default 10 s), on the bulk lane ten times that.
	WriteTimeout time.Duration
	// BackoffMin and BackoffMax bound the pause between two attempts to dial
	// (default 50 ms and 2 s).
	BackoffMin, BackoffMax time.Duration

	// Background calls a function in a goroutine that stays out of the way of others
	// (default courtesy.Go); the bulk lane is worked on there.
	Background func(f func())
	// Metrics observes the mesh (default NoMetrics).
	Metrics Metrics
	// Log takes life-cycle messages (default: discarded).
	Log *slog.Logger
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) withDefaults() (Config, error) {
	if c.Self < 1 || c.Self > MaxIndex {
		return c, fmt.Errorf("%w: own index %d is not in 1..%d", ErrConfig, c.Self, MaxIndex)
	}
	if c.Identity == nil {
		return c, fmt.Errorf("%w: no identity", ErrConfig)
	}
	if c.Port != nil && c.Port.identity.Pin() != c.Identity.Pin() {
		return c, fmt.Errorf("%w: the port has another identity", ErrConfig)
	}
	if c.MaxFrame < 0 || c.MaxFrame > 1<<30 || c.QueueBytes < 0 {
		return c, fmt.Errorf("%w: frame or queue limit out of range", ErrConfig)
	}
	orDefault(&c.MaxFrame, 64<<20)
	orDefault(&c.QueueBytes, 128<<20)
	orDefault(&c.HoldDown, 5*time.Second)
	orDefault(&c.Heartbeat, time.Second)
	orDefault(&c.HandshakeTimeout, 5*time.Second)
	orDefault(&c.WriteTimeout, 10*time.Second)
	orDefault(&c.BackoffMin, 50*time.Millisecond)
	orDefault(&c.BackoffMax, 2*time.Second)
	if c.QueueBytes < c.MaxFrame+frameHeader {
		c.QueueBytes = c.MaxFrame + frameHeader
	}
	if c.Background == nil {
		c.Background = courtesy.Go
	}
	if c.Metrics == nil {
		c.Metrics = NoMetrics{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		dialer := &net.Dialer{}
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		}
	}
	return c, nil
}

func (c Config) checkPeers(peers []Peer) error {
	indices, pins := make(map[int]bool), make(map[Pin]bool)
	for _, p := range peers {
		switch {
		case p.Index < 1 || p.Index > MaxIndex || p.Index == c.Self:
			return fmt.Errorf("%w: peer index %d", ErrConfig, p.Index)
		case indices[p.Index]:
			return fmt.Errorf("%w: peer %d is listed twice", ErrConfig, p.Index)
		case pins[p.Pin] || p.Pin == c.Identity.Pin():
			return fmt.Errorf("%w: the TLS key of peer %d belongs to another party too", ErrConfig, p.Index)
		case p.Pin == Pin{}:
			return fmt.Errorf("%w: peer %d has no TLS key", ErrConfig, p.Index)
		}
		indices[p.Index], pins[p.Pin] = true, true
	}
	return nil
}
