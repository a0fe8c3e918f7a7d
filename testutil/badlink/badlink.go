// Package badlink puts a proxy before a TCP address that delays what passes and cuts
// connections, for tests and for networks on one machine.
//
// It works above TCP, so that a lost packet shows as what TCP makes of one: the bytes come
// late by a retransmission, and all behind them wait. Production code must not import this
// package (a lint rule sees to that).
package badlink

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Quality is how bad a link is. The zero value is a good one.
type Quality struct {
	// Latency is how long bytes take in each direction.
	Latency time.Duration
	// Loss is the part of chunks that have to be sent again, 0 to 1.
	Loss float64
}

const (
	// retransmission is TCP's least time before it sends again, beyond a round trip.
	retransmission = 200 * time.Millisecond
	// chunkSize is the most that passes at once, waiting how many chunks may be on the way.
	chunkSize = 16 << 10
	waiting   = 1024
	// dialTimeout bounds the connection to the address behind.
	dialTimeout = 5 * time.Second
)

// Link is a proxy before one address. It is safe for concurrent use.
type Link struct {
	target   string
	listener net.Listener
	quality  atomic.Pointer[Quality]

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
	done   sync.WaitGroup
}

// New starts a good link before an address on the loopback interface.
func New(target string) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &Link{target: target, listener: listener, conns: map[net.Conn]struct{}{}}
	l.quality.Store(&Quality{})
	l.done.Go(l.accept)
	return l, nil
}

// Address is where the link is reached.
func (l *Link) Address() string { return l.listener.Addr().String() }

// Set changes the quality, also for what is connected.
func (l *Link) Set(q Quality) { l.quality.Store(&q) }

// Cut ends all connections; new ones are accepted.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Close()
	}
}

// Close ends the link and its connections.
func (l *Link) Close() error {
	err := l.listener.Close()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.Cut()
	l.done.Wait()
	return err
}

func (l *Link) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.done.Go(func() { l.serve(near) })
	}
}

func (l *Link) serve(near net.Conn) {
	l.keep(near)
	defer l.drop(near)
	far, err := net.DialTimeout("tcp", l.target, dialTimeout)
	if err != nil {
		return
	}
	l.keep(far)
	defer l.drop(far)
	var both sync.WaitGroup
	both.Go(func() { l.pass(near, far) })
	both.Go(func() { l.pass(far, near) })
	both.Wait()
}

func (l *Link) keep(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
	if l.closed {
		_ = c.Close()
	}
}

func (l *Link) drop(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	_ = c.Close()
}

// chunk is bytes with the time at which they arrive.
type chunk struct {
	bytes []byte
	due   time.Time
}

// pass moves bytes one way until either end is closed, and closes both.
func (l *Link) pass(from, to net.Conn) {
	chunks := make(chan chunk, waiting)
	var writing sync.WaitGroup
	writing.Go(func() {
		for c := range chunks {
			time.Sleep(time.Until(c.due))
			if _, err := to.Write(c.bytes); err != nil {
				_ = from.Close()
			}
		}
		_ = to.Close()
	})
	var last time.Time
	buffer := make([]byte, chunkSize)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			due := time.Now().Add(l.quality.Load().delay())
			if due.Before(last) {
				due = last
			}
			last = due
			chunks <- chunk{append([]byte(nil), buffer[:n]...), due}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				_ = to.Close()
			}
			break
		}
	}
	close(chunks)
	writing.Wait()
}

// delay draws how long a chunk takes.
func (q *Quality) delay() time.Duration {
	d := q.Latency
	for rand.Float64() < q.Loss { //nolint:gosec // weather, no secret
		d += 2*q.Latency + retransmission
	}
	return d
}
