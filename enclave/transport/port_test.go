package transport

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func network(id byte) func(*Config) {
	return func(c *Config) { c.Network[0] = id }
}

// twoMeshes is an old committee (alice, bob, carol) and a new one (dave, alice, bob):
// alice and bob are in both, with other indices, at one port each.
func twoMeshes(t *testing.T) (old, next []*node) {
	old = []*node{newNode(t, 1, network(1)), newNode(t, 2, network(1)), newNode(t, 3, network(1))}
	next = []*node{newNode(t, 1, network(2)), nodeAt(t, old[0].port, 3, network(2)), nodeAt(t, old[1].port, 2, network(2))}
	introduce(t, old...)
	introduce(t, next...)
	waitConnected(t, 2, old...)
	waitConnected(t, 2, next...)
	return old, next
}

func TestTwoMeshesWithOtherMembersAndIndicesShareAPort(t *testing.T) {
	old, next := twoMeshes(t)
	for name, members := range map[string][]*node{"old": old, "new": next} {
		for _, from := range members {
			for _, to := range members {
				if from == to {
					continue
				}
				text := fmt.Sprintf("%s: %d to %d", name, from.mesh.Self(), to.mesh.Self())
				require.NoError(t, from.mesh.Send(to.mesh.Self(), []byte(text)))
				to.expect(t, from.mesh.Self(), text)
			}
		}
	}
	for _, n := range append(old, next...) {
		require.Empty(t, n.frames, "nothing arrives in the other mesh")
	}
}

func TestAClosedMeshCutsItsOwnLinksOnly(t *testing.T) {
	old, next := twoMeshes(t)
	require.NoError(t, old[1].mesh.Close())
	waitConnected(t, 1, old[0], old[2])
	waitConnected(t, 2, next...)
	require.NoError(t, next[1].mesh.Send(2, []byte("still here")))
	next[2].expect(t, 3, "still here")
	// The place is free for another mesh of the same network.
	again := nodeAt(t, old[1].port, 2, network(1))
	require.NoError(t, again.mesh.SetPeers([]Peer{old[0].peer(), old[2].peer()}))
	again.start(t)
	waitConnected(t, 2, old[0], old[2], again)
}

func TestAMeshThatStartsLaterIsCalledLater(t *testing.T) {
	alice, bob := newNode(t, 1, network(1)), newNode(t, 2, network(1))
	introduce(t, alice, bob)
	aliceNext, bobNext := nodeAt(t, alice.port, 1, network(2)), nodeAt(t, bob.port, 2, network(2))
	require.NoError(t, aliceNext.mesh.SetPeers([]Peer{bobNext.peer()}))
	aliceNext.start(t)
	aliceNext.requireFailure(t, ErrNotAdmitted)
	require.Zero(t, aliceNext.mesh.Connected())
	require.NoError(t, bobNext.mesh.SetPeers([]Peer{aliceNext.peer()}))
	bobNext.start(t)
	waitConnected(t, 1, alice, bob, aliceNext, bobNext)
}

// A member of one mesh learns of no other: whichever network it names, and whoever it
// says it is, the port hangs up without a word.
func TestANetworkThatIsNotTheCallersOwnIsRefusedLikeOneThatDoesNotExist(t *testing.T) {
	alice, bob := newNode(t, 1, network(1)), newNode(t, 2, network(1))
	carol, bobNext := newNode(t, 1, network(2)), nodeAt(t, bob.port, 2, network(2))
	for _, pair := range [][]*node{{alice, bob}, {carol, bobNext}} {
		require.NoError(t, pair[1].mesh.SetPeers([]Peer{pair[0].peer()}))
		pair[1].start(t)
	}
	require.NoError(t, sayHello(t, bob, alice.identity, hello{[32]byte{1}, 1, 2}, nil), "the control: her own network")
	for name, h := range map[string]hello{
		"a network that is not hers": {[32]byte{2}, 1, 2},
		"a network that is nobody's": {[32]byte{3}, 1, 2},
		"another's index":            {[32]byte{1}, 3, 2},
		"to another":                 {[32]byte{1}, 1, 3},
	} {
		err := sayHello(t, bob, alice.identity, h, nil)
		require.ErrorContains(t, err, "EOF", name)
	}
	require.Zero(t, bob.mesh.Connected()+bobNext.mesh.Connected())
}

func TestAPortTakesOneMeshANetworkUnderItsOwnIdentity(t *testing.T) {
	alice := newNode(t, 1, nil)
	alice.start(t)
	second, err := New(Config{Self: 1, Identity: alice.identity, Port: alice.port})
	require.NoError(t, err)
	require.ErrorIs(t, second.Start(func(int, []byte) {}), ErrConfig)
	require.NoError(t, second.Close())
	require.NotNil(t, alice.port.meshes[[32]byte{}], "the first one stays")
	_, err = New(Config{Self: 1, Identity: identity(t), Port: alice.port})
	require.ErrorIs(t, err, ErrConfig)
	_, err = Listen("127.0.0.1:0", nil, nil)
	require.ErrorIs(t, err, ErrConfig)
	_, err = Listen(alice.address, alice.identity, nil)
	require.Error(t, err, "the address is taken")
}

func TestAClosedPortTakesNobodyAndWaitsForNobody(t *testing.T) {
	alice, bob := newNode(t, 1, nil), newNode(t, 2, nil)
	introduce(t, alice, bob)
	waitConnected(t, 1, alice, bob)
	dawdler, err := net.Dial("tcp", bob.address)
	require.NoError(t, err)
	defer dawdler.Close()
	require.Eventually(t, func() bool { return bob.port.guests.now() == 1 }, patience, time.Millisecond)
	require.NoError(t, bob.port.Close())
	require.NoError(t, bob.port.Close())
	require.Zero(t, bob.port.guests.now())
	_, err = net.Dial("tcp", bob.address)
	require.Error(t, err)
	require.NoError(t, alice.mesh.Send(2, []byte("on the link that is there")))
	bob.expect(t, 1, "on the link that is there")
}

func (g *guests) now() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total
}

func TestOneAddressCannotOccupyThePort(t *testing.T) {
	var g guests
	address := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1} }
	var leave []func()
	arrive := func(ip string) bool {
		l, ok := g.arrive(address(ip))
		if ok {
			leave = append(leave, l)
		}
		return ok
	}
	for range maxGuestsPerAddress {
		require.True(t, arrive("2001:db8::1"))
	}
	require.False(t, arrive("2001:db8::2"), "hosts of a network of 64 bits have one share")
	require.True(t, arrive("2001:db8:0:1::1"))
	for range maxGuests - maxGuestsPerAddress - 1 {
		require.True(t, arrive("192.0.2.1"))
	}
	require.False(t, arrive("192.0.2.2"), "all together are bounded")
	leave[0]()
	require.False(t, arrive("192.0.2.1") && arrive("192.0.2.3"), "there is room for one")
	for _, l := range leave[1:] {
		l()
	}
	require.Zero(t, g.total)
	require.Empty(t, g.by, "nothing is remembered of those that left")
}

func TestARegisteredKeyCannotOccupyThePort(t *testing.T) {
	alice, bob := newNode(t, 1, nil), newNode(t, 2, nil)
	require.NoError(t, bob.mesh.SetPeers([]Peer{alice.peer()}))
	bob.start(t)
	mute := make([]*tls.Conn, maxGuestsPerPin)
	for i := range mute {
		conn, err := tls.Dial("tcp", bob.address, alice.identity.tlsConfig(protocols[:], func(Pin) error { return nil }))
		require.NoError(t, err)
		defer conn.Close()
		mute[i] = conn
	}
	require.Eventually(t, func() bool {
		bob.port.guests.mu.Lock()
		defer bob.port.guests.mu.Unlock()
		return bob.port.guests.by[alice.identity.Pin()] == maxGuestsPerPin
	}, patience, time.Millisecond)
	require.ErrorContains(t, handshakeAs(t, bob, alice.identity, nil), "EOF")
	for _, conn := range mute {
		_ = conn.Close()
	}
	require.Eventually(t, func() bool { return handshakeAs(t, bob, alice.identity, nil) == nil }, patience, time.Millisecond)
}

// Meshes come and go at a port while peers dial and send: nothing is delivered to a
// closed mesh, and nothing races.
func TestMeshesComeAndGoWhilePeersDial(t *testing.T) {
	alice, bob := newNode(t, 1, network(0)), newNode(t, 2, network(0))
	introduce(t, alice, bob)
	var group sync.WaitGroup
	for id := byte(1); id <= 3; id++ {
		caller := nodeAt(t, alice.port, 1, network(id))
		require.NoError(t, caller.mesh.SetPeers([]Peer{bob.peer()}))
		caller.start(t)
		group.Go(func() {
			for range 10 {
				var over bool
				var mu sync.Mutex
				heard := make(chan struct{}, 1)
				mesh, err := New(Config{Self: 2, Identity: bob.identity, Port: bob.port, Network: [32]byte{id}})
				if err != nil {
					t.Error(err)
					return
				}
				err = mesh.SetPeers([]Peer{alice.peer()})
				if err == nil {
					err = mesh.Start(func(int, []byte) {
						mu.Lock()
						defer mu.Unlock()
						if over {
							t.Error("a frame came after Close")
						}
						select {
						case heard <- struct{}{}:
						default:
						}
					})
				}
				if err != nil {
					t.Error(err)
				}
				for listening := true; listening; {
					_ = caller.mesh.Send(2, []byte("hello"))
					select {
					case <-heard:
						listening = false
					case <-time.After(time.Millisecond):
					}
				}
				_ = mesh.Close()
				mu.Lock()
				over = true
				mu.Unlock()
			}
		})
	}
	group.Wait()
	waitConnected(t, 1, alice, bob)
}
