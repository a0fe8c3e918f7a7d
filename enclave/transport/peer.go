package transport

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var errSilent = errors.New("transport: the peer fell silent")

// keepBuffer is the largest send buffer kept for reuse.
const keepBuffer = 1 << 20

// peer is the sending side of a lane towards one registered party, living through
// many links.
type peer struct {
	mesh   *Mesh
	lane   Lane
	index  int
	cancel context.CancelFunc
	wake   chan struct{}
	redial chan struct{}

	mu      sync.Mutex
	info    Peer
	link    *link
	down    time.Time // since when there is no link
	queue   []byte    // encoded frames
	frames  int
	dropped uint64
	removed bool
	lastErr error
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (p *peer) send(size int, parts [][]byte) error {
	p.mu.Lock()
	err := p.admit(size)
	if err == nil {
		p.queue = appendFrame(p.queue, size, parts)
		p.frames++
	} else {
		p.dropped++
	}
	p.mu.Unlock()
	if err != nil {
		p.mesh.cfg.Metrics.Dropped(p.index, 1)
		return err
	}
	signal(p.wake)
	return nil
}

func (p *peer) admit(size int) error {
	switch {
	case p.removed:
		return ErrUnknownPeer
	case p.link == nil && time.Since(p.down) > p.mesh.cfg.HoldDown:
		p.discard()
		return ErrPeerDown
	case len(p.queue)+frameHeader+size > p.mesh.cfg.QueueBytes:
		return ErrQueueFull
	}
	return nil
}

// discard drops all that is queued. Called with the lock held.
func (p *peer) discard() {
	if p.frames > 0 {
		p.dropped += uint64(p.frames)
		p.mesh.cfg.Metrics.Dropped(p.index, p.frames)
	}
	p.queue, p.frames = nil, 0
}

// take hands all queued frames to the writer in exchange for its old buffer.
func (p *peer) take(buffer []byte) ([]byte, int) {
	if cap(buffer) > keepBuffer {
		buffer = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	batch, frames := p.queue, p.frames
	p.queue, p.frames = buffer[:0], 0
	return batch, frames
}

// giveBack queues a batch again, before what came later, if it still fits.
func (p *peer) giveBack(batch []byte, frames int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.removed || len(batch)+len(p.queue) > p.mesh.cfg.QueueBytes {
		p.dropped += uint64(frames)
		p.mesh.cfg.Metrics.Dropped(p.index, frames)
	} else {
		p.queue = append(batch[:len(batch):len(batch)], p.queue...)
		p.frames += frames
	}
	signal(p.wake)
}

// install makes l the peer's link, replacing an older one: the newest
// connection is the one the other end believes in. It refuses a link whose key
// is no longer the registered one.
func (p *peer) install(l *link) error {
	p.mu.Lock()
	if p.removed || l.pin != p.info.Pin {
		p.mu.Unlock()
		l.close()
		return ErrPeerRefused
	}
	if p.link != nil {
		p.link.close()
	}
	if time.Since(p.down) > p.mesh.cfg.HoldDown && p.link == nil {
		p.discard()
	}
	p.link, p.lastErr = l, nil
	p.mu.Unlock()
	p.linked(true)
	p.mesh.cfg.Log.Debug("peer connected", "peer", p.index, "lane", p.lane)
	p.mesh.running.Go(func() {
		read, written := make(chan error, 1), make(chan error, 1)
		p.mesh.work(p.lane, func() { written <- l.writeLoop(p) })
		p.mesh.work(p.lane, func() { read <- l.readLoop(p) })
		readErr, writeErr := <-read, <-written
		if writeErr == nil {
			writeErr = readErr
		}
		p.linkEnded(l, writeErr)
	})
	signal(p.wake)
	return nil
}

// linked tells what watches the mesh that the peer is there or not.
func (p *peer) linked(up bool) {
	if p.lane == Prompt {
		p.mesh.cfg.Metrics.Link(p.index, up)
	}
}

func (p *peer) linkEnded(l *link, err error) {
	p.mu.Lock()
	current := p.link == l
	if current {
		p.link, p.down, p.lastErr = nil, time.Now(), err
	}
	p.mu.Unlock()
	if current {
		p.linked(false)
		p.mesh.cfg.Log.Debug("peer disconnected", "peer", p.index, "lane", p.lane, "err", err)
		signal(p.redial)
	}
}

// update changes the registry entry; a changed key cuts the link.
func (p *peer) update(info Peer) {
	p.mu.Lock()
	repinned := p.info.Pin != info.Pin
	p.info = info
	if repinned {
		// What was queued was meant for the holder of the old key.
		p.discard()
		if p.link != nil {
			p.link.close()
		}
	}
	p.mu.Unlock()
	signal(p.redial)
}

func (p *peer) remove() {
	p.cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.removed = true
	p.discard()
	if p.link != nil {
		p.link.close()
	}
}

// dialLoop keeps a link up towards a peer with a higher index.
func (p *peer) dialLoop(ctx context.Context) {
	pause := p.mesh.cfg.BackoffMin
	for ctx.Err() == nil {
		p.mu.Lock()
		info, up := p.info, p.link != nil
		p.mu.Unlock()
		if up {
			pause = p.mesh.cfg.BackoffMin
			select {
			case <-ctx.Done():
			case <-p.redial:
			}
			continue
		}
		l, err := p.mesh.dial(ctx, p.lane, info)
		if err == nil {
			err = p.install(l)
		}
		if err == nil {
			continue
		}
		p.mu.Lock()
		p.lastErr = err
		p.mu.Unlock()
		p.mesh.cfg.Log.Debug("cannot reach peer", "peer", p.index, "err", err)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-p.redial:
		case <-timer.C:
		}
		timer.Stop()
		pause = min(2*pause, p.mesh.cfg.BackoffMax)
	}
}

// PeerStatus describes the connection to one peer.
type PeerStatus struct {
	Peer
	// Up says that an authenticated connection exists.
	Up bool
	// DownSince is when the last connection ended, or the entry was made; zero when up.
	DownSince time.Time
	// Queued is the number of bytes waiting to be sent.
	Queued int
	// Dropped counts frames dropped since the entry was made.
	Dropped uint64
	// Err says why there is no connection, as far as is known. For operators.
	Err error
}

func (p *peer) status() PeerStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PeerStatus{Peer: p.info, Up: p.link != nil, Queued: len(p.queue), Dropped: p.dropped}
	if !s.Up {
		s.DownSince, s.Err = p.down, p.lastErr
		if s.Err == nil {
			s.Err = fmt.Errorf("transport: peer %d has not connected", p.index)
		}
	}
	return s
}
