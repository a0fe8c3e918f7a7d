package session_test

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/transport"
)

const patience = time.Minute

// memoryMesh delivers frames in process, in order, from one goroutine a pair.
type memoryMesh struct {
	self    int
	net     *memoryNetwork
	dropped func(to int) bool
}

type memoryNetwork struct {
	mu      sync.Mutex
	routers map[int]*session.Router
	queues  map[[2]int]chan []byte
	stop    chan struct{}
}

func newMemoryNetwork(t testing.TB) *memoryNetwork {
	n := &memoryNetwork{routers: map[int]*session.Router{}, queues: map[[2]int]chan []byte{}, stop: make(chan struct{})}
	t.Cleanup(func() { close(n.stop) })
	return n
}

func (n *memoryNetwork) join(t testing.TB, self, parties int, change func(*session.Config)) *session.Router {
	t.Helper()
	cfg := session.Config{Mesh: &memoryMesh{self: self, net: n}, Parties: parties}
	if change != nil {
		change(&cfg)
	}
	r, err := session.New(cfg)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	n.mu.Lock()
	n.routers[self] = r
	n.mu.Unlock()
	return r
}

func (m *memoryMesh) Self() int { return m.self }

func (m *memoryMesh) SendBulk(to int, parts ...[]byte) error { return m.Send(to, parts...) }

func (m *memoryMesh) Send(to int, parts ...[]byte) error {
	if m.dropped != nil && m.dropped(to) {
		return errors.New("dropped")
	}
	var frame []byte
	for _, p := range parts {
		frame = append(frame, p...)
	}
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	key := [2]int{m.self, to}
	q := m.net.queues[key]
	if q == nil {
		q = make(chan []byte, 4096)
		m.net.queues[key] = q
		go func() {
			for {
				select {
				case f := <-q:
					m.net.mu.Lock()
					r := m.net.routers[to]
					m.net.mu.Unlock()
					if r != nil {
						r.Receive(m.self, f)
					}
				case <-m.net.stop:
					return
				}
			}
		}()
	}
	select {
	case q <- frame:
		return nil
	default:
		return errors.New("full")
	}
}

// tlsRouters connects n parties over loopback TLS.
func tlsRouters(t testing.TB, n int) []*session.Router {
	t.Helper()
	meshes := make([]*transport.Mesh, n+1)
	peers := make([]transport.Peer, n+1)
	for i := 1; i <= n; i++ {
		identity, err := transport.GenerateIdentity(rand.Reader)
		require.NoError(t, err)
		port, err := transport.Listen("127.0.0.1:0", identity, nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = port.Close() })
		meshes[i], err = transport.New(transport.Config{Self: i, Identity: identity, Port: port, BackoffMin: time.Millisecond})
		require.NoError(t, err)
		peers[i] = transport.Peer{Index: i, Address: port.Addr().String(), Pin: identity.Pin()}
	}
	routers := make([]*session.Router, n+1)
	for i := 1; i <= n; i++ {
		var others []transport.Peer
		for j := 1; j <= n; j++ {
			if j != i {
				others = append(others, peers[j])
			}
		}
		require.NoError(t, meshes[i].SetPeers(others))
		r, err := session.New(session.Config{Mesh: meshes[i], Parties: n})
		require.NoError(t, err)
		routers[i] = r
		require.NoError(t, meshes[i].Start(r.Receive))
		t.Cleanup(func() { r.Close(); _ = meshes[i].Close() })
	}
	for i := 1; i <= n; i++ {
		require.Eventually(t, func() bool { return meshes[i].Connected() == n-1 }, patience, time.Millisecond)
	}
	return routers
}

// summing is a toy protocol: everybody sends a number to everybody in each of
// some rounds; the result is the sum of all numbers of all rounds.
type summing struct {
	self, n, rounds int
	value           uint64
	round           int
	got             map[[2]int]bool
	count           map[int]int
	sum             uint64
	late            []int
	payload         int
}

func newSumming(self, n, rounds int, value uint64) *summing {
	return &summing{self: self, n: n, rounds: rounds, value: value, got: map[[2]int]bool{}, count: map[int]int{}}
}

func (m *summing) say() []mpc.Message {
	m.sum += m.value
	payload := binary.BigEndian.AppendUint64(make([]byte, 0, 8+m.payload), m.value)
	return []mpc.Message{{To: mpc.Everyone, Round: uint16(m.round), Payload: append(payload, make([]byte, m.payload)...)}}
}

func (m *summing) Start() ([]mpc.Message, error) { return m.say(), nil }

func (m *summing) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	if m.Done() {
		m.late = append(m.late, from)
		return nil, nil
	}
	if string(payload) == "fail" {
		return nil, errBroken
	}
	if string(payload) == "panic" {
		panic("a bug")
	}
	if len(payload) != 8+m.payload || m.got[[2]int{from, int(round)}] {
		return nil, nil
	}
	m.got[[2]int{from, int(round)}] = true
	m.count[int(round)]++
	m.sum += binary.BigEndian.Uint64(payload)
	var out []mpc.Message
	for !m.Done() && m.n > 1 && m.count[m.round] == m.n-1 {
		if m.round++; !m.Done() {
			out = append(out, m.say()...)
		}
	}
	return out, nil
}

func (m *summing) Done() bool { return m.round == m.rounds }

var errBroken = errors.New("broken beyond repair")
