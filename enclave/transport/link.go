package transport

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// link is one authenticated connection to a peer.
type link struct {
	cork   *corkedConn
	secure *tls.Conn
	pin    Pin
	// heard is when the last frame arrived, in nanoseconds since start.
	heard  atomic.Int64
	start  time.Time
	once   sync.Once
	closed chan struct{}
}

func newLink(cork *corkedConn, secure *tls.Conn, pin Pin) *link {
	return &link{cork: cork, secure: secure, pin: pin, start: time.Now(), closed: make(chan struct{})}
}

// close makes both loops end. It never waits for the network.
func (l *link) close() {
	l.once.Do(func() {
		close(l.closed)
		_ = l.cork.Conn.Close()
	})
}

func (l *link) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// readLoop delivers frames until the connection ends.
func (l *link) readLoop(p *peer) error {
	defer l.close()
	from := bufio.NewReaderSize(l.secure, 64<<10)
	for {
		frame, err := readFrame(from, p.mesh.cfg.MaxFrame)
		if err != nil {
			return err
		}
		l.heard.Store(int64(time.Since(l.start)))
		if frame == nil {
			continue
		}
		// A peer that was cut off may have left frames in our buffers.
		if l.isClosed() {
			return ErrClosed
		}
		p.mesh.cfg.Metrics.Received(p.index, len(frame))
		p.mesh.receive(p.index, frame)
	}
}

// writeLoop sends what is queued, one write for all that waits, and heartbeats
// when idle. A batch whose write fails is put back: it may arrive twice.
func (l *link) writeLoop(p *peer) error {
	defer l.close()
	heartbeat := binary.BigEndian.AppendUint32(nil, 0)
	slowness := time.Duration(p.lane.slowness())
	patience, silence := slowness*p.mesh.cfg.WriteTimeout, slowness*4*p.mesh.cfg.Heartbeat
	ticker := time.NewTicker(p.mesh.cfg.Heartbeat)
	defer ticker.Stop()
	var batch []byte
	var frames int
	for {
		select {
		case <-l.closed:
			return nil
		case <-p.wake:
			batch, frames = p.take(batch)
			if frames == 0 {
				continue
			}
			if err := l.write(batch, patience); err != nil {
				p.giveBack(batch, frames)
				return err
			}
			p.mesh.cfg.Metrics.Sent(p.index, frames, len(batch))
		case <-ticker.C:
			if time.Since(l.start)-time.Duration(l.heard.Load()) > silence {
				return errSilent
			}
			if err := l.write(heartbeat, patience); err != nil {
				return err
			}
		}
	}
}

func (l *link) write(batch []byte, timeout time.Duration) error {
	if err := l.cork.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	l.cork.cork()
	if _, err := l.secure.Write(batch); err != nil {
		return err
	}
	return l.cork.uncork()
}
