package enginebench

import (
	"sync"
	"time"

	"github.com/tkms-network/tkms/enclave/transport"
)

// delayed hands frames on after a fixed time, those of each peer in order, as a
// long link without a bandwidth limit does.
type delayed struct {
	by      time.Duration
	deliver transport.Receive
	done    chan struct{}
	running sync.WaitGroup
	peers   []chan frame // by index
}

type frame struct {
	bytes []byte
	due   time.Time
}

// inFlight bounds the frames of one peer on the way; beyond it the peer waits.
const inFlight = 1 << 14

func newDelayed(parties int, by time.Duration, deliver transport.Receive) *delayed {
	d := &delayed{by: by, deliver: deliver, done: make(chan struct{}), peers: make([]chan frame, parties+1)}
	for i := range d.peers {
		d.peers[i] = make(chan frame, inFlight)
		d.running.Go(func() { d.carry(i) })
	}
	return d
}

// Receive is a transport.Receive.
func (d *delayed) Receive(peer int, bytes []byte) {
	select {
	case d.peers[peer] <- frame{bytes, time.Now().Add(d.by)}:
	case <-d.done:
	}
}

func (d *delayed) carry(peer int) {
	for {
		select {
		case <-d.done:
			return
		case f := <-d.peers[peer]:
			time.Sleep(time.Until(f.due))
			d.deliver(peer, f.bytes)
		}
	}
}

// Close drops what is on the way.
func (d *delayed) Close() {
	close(d.done)
	d.running.Wait()
}
