package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Bounds on connections that have not yet been given to a mesh, so that strangers
// and registered peers alike can occupy little.
const (
	maxGuests           = 64
	maxGuestsPerAddress = 32
	maxGuestsPerPin     = 8
	// admission bounds handshake and hellos together.
	admission = 5 * time.Second
)

// Port accepts connections for several meshes, which share the own TLS key: the
// caller names the mesh it means by its network. Which networks there are is told
// to nobody: a caller that is no member of the one it names learns only that it is
// refused. It is safe for concurrent use.
type Port struct {
	listener net.Listener
	identity *Identity
	log      *slog.Logger
	guests   guests

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.RWMutex
	meshes map[[32]byte]*Mesh
}

// Listen opens a TCP port, host:port, under the own TLS key. A nil log discards.
func Listen(address string, identity *Identity, log *slog.Logger) (*Port, error) {
	if identity == nil {
		return nil, fmt.Errorf("%w: no identity", ErrConfig)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("transport: listening for peers on %s: %w", address, err)
	}
	p := &Port{listener: listener, identity: identity, log: log, meshes: make(map[[32]byte]*Mesh)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.running.Go(p.acceptLoop)
	return p, nil
}

// Addr is the address that the port is bound to.
func (p *Port) Addr() net.Addr { return p.listener.Addr() }

// Close ends accepting and the handshakes under way. The meshes keep the links that
// they have.
func (p *Port) Close() error {
	p.cancel()
	err := p.listener.Close()
	p.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// register lets a mesh have the connections that name its network.
func (p *Port) register(m *Mesh) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.meshes[m.cfg.Network] != nil {
		return fmt.Errorf("%w: another mesh of the same network is at the port", ErrConfig)
	}
	p.meshes[m.cfg.Network] = m
	return nil
}

func (p *Port) unregister(m *Mesh) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.meshes[m.cfg.Network] == m {
		delete(p.meshes, m.cfg.Network)
	}
}

// knows reports whether the holder of a key may call any mesh at all.
func (p *Port) knows(pin Pin) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, m := range p.meshes {
		if _, ok := m.caller(pin); ok {
			return true
		}
	}
	return false
}

// find returns the mesh that a hello names, if the sender is the member of it that
// it says it is.
func (p *Port) find(h hello, pin Pin) (*Mesh, Peer, error) {
	p.mu.RLock()
	m := p.meshes[h.network]
	p.mu.RUnlock()
	if m != nil {
		if from, ok := m.caller(pin); ok && from.Index == h.from && h.to == m.cfg.Self {
			return m, from, nil
		}
	}
	return nil, Peer{}, fmt.Errorf("%w: key %s names a network or index that is not its own", ErrPeerRefused, pin)
}

func (p *Port) acceptLoop() {
	pause := time.Millisecond
	for {
		raw, err := p.listener.Accept()
		if err != nil {
			if p.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of file descriptors and the like pass.
			p.log.Warn("cannot accept peer connections", "err", err)
			time.Sleep(pause)
			pause = min(2*pause, time.Second)
			continue
		}
		pause = time.Millisecond
		leave, ok := p.guests.arrive(raw.RemoteAddr())
		if !ok {
			_ = raw.Close()
			continue
		}
		p.running.Go(func() {
			defer leave()
			if err := p.receive(p.ctx, raw); err != nil {
				_ = raw.Close()
				p.log.Debug("refused a connection", "from", raw.RemoteAddr().String(), "err", err)
			}
		})
	}
}

// receive finds out who is calling which mesh and gives the connection to it.
func (p *Port) receive(ctx context.Context, raw net.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, admission)
	defer cancel()
	at, m, l, err := p.accept(ctx, raw)
	if err != nil {
		return err
	}
	return m.adopt(at, l)
}

// guests counts the connections that wait to be given to a mesh.
type guests struct {
	mu    sync.Mutex
	total int
	// by counts them by where they come from (netip.Prefix) and by whose they are (Pin).
	by map[any]int
}

// arrive admits a connection if there is room; leave makes it again.
func (g *guests) arrive(from net.Addr) (leave func(), ok bool) {
	origin := originOf(from)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.total >= maxGuests || !g.count(origin, maxGuestsPerAddress) {
		return nil, false
	}
	g.total++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.total--
		g.uncount(origin)
	}, true
}

// identify admits a connection once it is known whose it is.
func (g *guests) identify(pin Pin) (leave func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.count(pin, maxGuestsPerPin) {
		return nil, false
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.uncount(pin)
	}, true
}

func (g *guests) count(key any, limit int) bool {
	if g.by[key] >= limit {
		return false
	}
	if g.by == nil {
		g.by = make(map[any]int)
	}
	g.by[key]++
	return true
}

func (g *guests) uncount(key any) {
	if g.by[key]--; g.by[key] == 0 {
		delete(g.by, key)
	}
}

// originOf returns what one host is likely to have to itself: an IPv4 address, or
// the 64-bit network of an IPv6 address.
func originOf(address net.Addr) netip.Prefix {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	prefix, err := ip.Prefix(min(ip.BitLen(), 64))
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
