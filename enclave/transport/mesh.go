package transport

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Mesh holds an authenticated connection a lane to each registered peer. Of two
// parties the one with the lower index dials. It is safe for concurrent use.
type Mesh struct {
	cfg     Config
	receive Receive
	running sync.WaitGroup

	mu    sync.Mutex
	peers map[place]*peer
	// byIndex is a snapshot of peers for senders, who must not wait for mu.
	byIndex atomic.Pointer[registry]
	ctx     context.Context
	cancel  context.CancelFunc
	started bool
	closed  bool
}

// New makes a mesh without peers. Nothing moves before Start.
func New(cfg Config) (*Mesh, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Mesh{cfg: cfg, peers: make(map[place]*peer)}
	m.byIndex.Store(new(registry))
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m, nil
}

// Self is the own index.
func (m *Mesh) Self() int { return m.cfg.Self }

// Start begins to accept and dial, delivering frames to receive. It is called
// once.
func (m *Mesh) Start(receive Receive) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.started || receive == nil {
		return ErrClosed
	}
	m.receive = receive
	if m.cfg.Port != nil {
		if err := m.cfg.Port.register(m); err != nil {
			return err
		}
	}
	m.started = true
	for _, p := range m.peers {
		m.launch(p)
	}
	return nil
}

// SetPeers replaces the registry. When it returns, a peer that is gone or has
// another key is cut off. Peers whose key is unchanged keep their connection.
func (m *Mesh) SetPeers(peers []Peer) error {
	if err := m.cfg.checkPeers(peers); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	snapshot := new(registry)
	for _, info := range peers {
		for lane := range lanes {
			snapshot[lane][info.Index] = m.register(lane, info)
		}
	}
	m.byIndex.Store(snapshot)
	for at, p := range m.peers {
		if snapshot[at.lane][at.index] == nil {
			delete(m.peers, at)
			p.remove()
		}
	}
	return nil
}

// register makes or updates a peer's side of a lane. Called with the lock held.
func (m *Mesh) register(lane Lane, info Peer) *peer {
	at := place{lane, info.Index}
	p := m.peers[at]
	if p == nil {
		p = &peer{
			mesh: m, lane: lane, index: info.Index, info: info, down: time.Now(),
			wake: make(chan struct{}, 1), redial: make(chan struct{}, 1), cancel: func() {},
		}
		m.peers[at] = p
		if m.started {
			m.launch(p)
		}
	} else if p.current() != info {
		p.update(info)
	}
	return p
}

func (m *Mesh) launch(p *peer) {
	ctx, cancel := context.WithCancel(m.ctx)
	p.cancel = cancel
	if p.index > m.cfg.Self {
		m.running.Go(func() { p.dialLoop(ctx) })
	}
}

func (p *peer) current() Peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.info
}

// Send queues one frame whose payload is the concatenation of parts on the prompt
// lane; it copies them and never blocks on the network. The error says that the
// frame was dropped; a nil error does not promise delivery.
func (m *Mesh) Send(to int, parts ...[]byte) error { return m.send(Prompt, to, parts) }

// SendBulk is Send on the bulk lane.
func (m *Mesh) SendBulk(to int, parts ...[]byte) error { return m.send(Bulk, to, parts) }

func (m *Mesh) send(lane Lane, to int, parts [][]byte) error {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	if size > m.cfg.MaxFrame || size == 0 {
		return ErrFrameTooLarge
	}
	if to < 1 || to > MaxIndex {
		return ErrUnknownPeer
	}
	p := m.byIndex.Load()[lane][to]
	if p == nil {
		return ErrUnknownPeer
	}
	return p.send(size, parts)
}

// Peers returns the registered indices in ascending order.
func (m *Mesh) Peers() []int {
	var indices []int
	for index, p := range m.byIndex.Load()[Prompt] {
		if p != nil {
			indices = append(indices, index)
		}
	}
	return indices
}

// Status describes every registered peer, by index, as far as the prompt lane goes.
func (m *Mesh) Status() []PeerStatus {
	var all []PeerStatus
	for _, p := range m.byIndex.Load()[Prompt] {
		if p != nil {
			all = append(all, p.status())
		}
	}
	slices.SortFunc(all, func(a, b PeerStatus) int { return cmp.Compare(a.Index, b.Index) })
	return all
}

// Connected counts peers with an authenticated connection.
func (m *Mesh) Connected() int {
	count := 0
	for _, s := range m.Status() {
		if s.Up {
			count++
		}
	}
	return count
}

// Close cuts all connections and waits until no frame is delivered any more. The
// port stays open for others. It must not be called from the receive callback.
func (m *Mesh) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	m.cancel()
	if m.cfg.Port != nil {
		m.cfg.Port.unregister(m)
	}
	m.byIndex.Store(new(registry))
	for _, p := range m.peers {
		p.remove()
	}
	m.mu.Unlock()
	m.running.Wait()
	return nil
}

// adopt makes a connection that the port accepted the link of the peer whose it is.
func (m *Mesh) adopt(at place, l *link) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return ErrClosed
	}
	m.running.Add(1) // Close waits for the goroutines that install starts
	m.mu.Unlock()
	defer m.running.Done()
	p := m.byIndex.Load()[at.lane][at.index]
	if p == nil {
		return ErrPeerRefused
	}
	return p.install(l)
}

// caller returns the peer with a key, if it is one that dials: of two parties the one
// with the lower index does.
func (m *Mesh) caller(pin Pin) (Peer, bool) {
	for _, p := range m.byIndex.Load()[Prompt][:m.cfg.Self] {
		if p == nil {
			continue
		}
		if info := p.current(); info.Pin == pin {
			return info, true
		}
	}
	return Peer{}, false
}
