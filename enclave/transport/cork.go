package transport

import (
	"net"
	"sync"
)

// corkedConn sits below TLS and turns the records of one flush, which TLS
// writes one by one, into a single write. Outside a flush it passes writes
// through, so that handshakes and alerts are never held back.
type corkedConn struct {
	net.Conn
	mu     sync.Mutex
	corked bool
	buffer []byte
}

// maxCorked bounds the buffer kept between flushes.
const maxCorked = 1 << 20

func (c *corkedConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.corked {
		return c.Conn.Write(b)
	}
	c.buffer = append(c.buffer, b...)
	if len(c.buffer) >= maxCorked {
		if err := c.drain(); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func (c *corkedConn) cork() {
	c.mu.Lock()
	c.corked = true
	c.mu.Unlock()
}

func (c *corkedConn) uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = false
	return c.drain()
}

func (c *corkedConn) drain() error {
	if len(c.buffer) == 0 {
		return nil
	}
	_, err := c.Conn.Write(c.buffer)
	c.buffer = c.buffer[:0]
	return err
}
