package transport

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const patience = time.Minute

type node struct {
	port     *Port
	mesh     *Mesh
	identity *Identity
	address  string
	frames   chan received
}

type received struct {
	from  int
	frame []byte
}

func identity(t testing.TB) *Identity {
	t.Helper()
	id, err := GenerateIdentity(rand.Reader)
	require.NoError(t, err)
	return id
}

func newNode(t testing.TB, index int, change func(*Config)) *node {
	t.Helper()
	id := identity(t)
	port, err := Listen("127.0.0.1:0", id, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = port.Close() })
	return nodeAt(t, port, index, change)
}

// nodeAt makes a member of another mesh at a port.
func nodeAt(t testing.TB, port *Port, index int, change func(*Config)) *node {
	t.Helper()
	n := &node{port: port, identity: port.identity, address: port.Addr().String(), frames: make(chan received, 1024)}
	cfg := Config{Self: index, Identity: n.identity, Port: port, BackoffMin: 5 * time.Millisecond, BackoffMax: 20 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	var err error
	n.mesh, err = New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = n.mesh.Close() })
	return n
}

func (n *node) start(t testing.TB) {
	require.NoError(t, n.mesh.Start(func(from int, frame []byte) { n.frames <- received{from, frame} }))
}

func (n *node) peer() Peer {
	return Peer{Index: n.mesh.Self(), Address: n.address, Pin: n.identity.Pin()}
}

// introduce registers all nodes with each other and starts them.
func introduce(t testing.TB, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		var peers []Peer
		for _, other := range nodes {
			if other != n {
				peers = append(peers, other.peer())
			}
		}
		require.NoError(t, n.mesh.SetPeers(peers))
		n.start(t)
	}
}

func waitConnected(t testing.TB, count int, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		require.Eventually(t, func() bool { return n.mesh.Connected() == count }, patience, time.Millisecond, "node %d: %+v", n.mesh.Self(), n.mesh.Status())
	}
}

// requireFailure waits until the link to the node's first peer failed for a reason.
func (n *node) requireFailure(t testing.TB, reason error) {
	t.Helper()
	require.Eventually(t, func() bool { return errors.Is(n.mesh.Status()[0].Err, reason) }, patience, time.Millisecond)
}

func (n *node) expect(t testing.TB, from int, frame string) {
	t.Helper()
	select {
	case got := <-n.frames:
		require.Equal(t, from, got.from)
		require.Equal(t, frame, string(got.frame))
	case <-time.After(patience):
		t.Fatalf("no frame from %d", from)
	}
}

func TestEveryPartyReachesEveryOther(t *testing.T) {
	var nodes []*node
	for i := 1; i <= 4; i++ {
		nodes = append(nodes, newNode(t, i, nil))
	}
	introduce(t, nodes...)
	waitConnected(t, 3, nodes...)
	for _, from := range nodes {
		for _, to := range nodes {
			if from == to {
				continue
			}
			text := fmt.Sprintf("%d to %d", from.mesh.Self(), to.mesh.Self())
			require.NoError(t, from.mesh.Send(to.mesh.Self(), []byte(text[:3]), []byte(text[3:])))
			to.expect(t, from.mesh.Self(), text)
		}
	}
	require.Equal(t, []int{2, 3, 4}, nodes[0].mesh.Peers())
}

func TestConcurrentSendersLoseAndMixNothing(t *testing.T) {
	alice, bob := newNode(t, 1, nil), newNode(t, 2, nil)
	introduce(t, alice, bob)
	const senders, each = 8, 300
	var group sync.WaitGroup
	for s := range senders {
		group.Go(func() {
			for i := range each {
				body := bytes.Repeat([]byte{byte(s)}, 1+i*37%5000)
				_ = alice.mesh.Send(2, binary.BigEndian.AppendUint32([]byte{byte(s)}, uint32(i)), body)
			}
		})
	}
	next := make([]uint32, senders)
	for range senders * each {
		select {
		case got := <-bob.frames:
			s := got.frame[0]
			require.Equal(t, next[s], binary.BigEndian.Uint32(got.frame[1:]), "frames of one sender stay in order")
			require.Equal(t, bytes.Repeat([]byte{s}, 1+int(next[s])*37%5000), got.frame[5:])
			next[s]++
		case <-time.After(patience):
			t.Fatal("a frame is missing")
		}
	}
	group.Wait()
}

func TestALargeFrameArrivesWholeAndALargerOneIsRefused(t *testing.T) {
	small := func(c *Config) { c.MaxFrame = 3 << 20 }
	alice, bob := newNode(t, 1, small), newNode(t, 2, small)
	introduce(t, alice, bob)
	frame := make([]byte, 3<<20)
	_, _ = rand.Read(frame)
	require.NoError(t, alice.mesh.Send(2, frame))
	bob.expect(t, 1, string(frame))
	require.ErrorIs(t, alice.mesh.Send(2, append(frame, 0)), ErrFrameTooLarge)
	require.ErrorIs(t, alice.mesh.Send(3, frame), ErrUnknownPeer)
	require.ErrorIs(t, alice.mesh.Send(-1, frame), ErrUnknownPeer)
}

func TestARemovedPeerIsCutOffAtOnceAndStaysOut(t *testing.T) {
	alice, bob := newNode(t, 1, nil), newNode(t, 2, nil)
	introduce(t, alice, bob)
	waitConnected(t, 1, alice, bob)
	require.NoError(t, bob.mesh.SetPeers(nil))
	require.Zero(t, bob.mesh.Connected())
	require.ErrorIs(t, bob.mesh.Send(1, []byte("x")), ErrUnknownPeer)
	for range 50 { // alice goes on dialling and sending
		_ = alice.mesh.Send(2, []byte("let me in"))
		time.Sleep(2 * time.Millisecond)
	}
	require.Empty(t, bob.frames)
	// Readmitted, she is heard again: the refusal was the registry's, not an accident.
	require.NoError(t, bob.mesh.SetPeers([]Peer{alice.peer()}))
	waitConnected(t, 1, alice, bob)
}

func TestAReplacedKeyCutsTheOldHolderOff(t *testing.T) {
	alice, bob := newNode(t, 1, nil), newNode(t, 2, nil)
	introduce(t, alice, bob)
	waitConnected(t, 1, alice, bob)
	replaced := alice.peer()
	replaced.Pin = identity(t).Pin()
	require.NoError(t, bob.mesh.SetPeers([]Peer{replaced}))
	require.Eventually(t, func() bool { return bob.mesh.Connected() == 0 }, patience, time.Millisecond)
	for len(bob.frames) > 0 {
		<-bob.frames
	}
	for range 30 {
		_ = alice.mesh.Send(2, []byte("old key"))
		time.Sleep(2 * time.Millisecond)
	}
	require.Empty(t, bob.frames)
}

func TestAServerWithAnotherKeyIsNotBelieved(t *testing.T) {
	alice, mallory := newNode(t, 1, nil), newNode(t, 2, nil)
	require.NoError(t, mallory.mesh.SetPeers([]Peer{alice.peer()}))
	mallory.start(t)
	bob := mallory.peer()
	bob.Pin = identity(t).Pin()
	require.NoError(t, alice.mesh.SetPeers([]Peer{bob}))
	alice.start(t)
	alice.requireFailure(t, ErrPeerRefused)
	require.Never(t, func() bool { return alice.mesh.Connected()+mallory.mesh.Connected() > 0 }, 100*time.Millisecond, 5*time.Millisecond)
}

// handshakeAs dials target with a TLS configuration of a stranger, who says that it is
// alice calling bob, and returns what the first read yields: only a hello shows that
// the server accepted.
func handshakeAs(t *testing.T, target *node, id *Identity, change func(*tls.Config)) error {
	t.Helper()
	return sayHello(t, target, id, hello{from: 1, to: 2}, change)
}

func sayHello(t *testing.T, target *node, id *Identity, h hello, change func(*tls.Config)) error {
	t.Helper()
	cfg := &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, NextProtos: protocols[:],
		CurvePreferences: []tls.CurveID{tls.X25519MLKEM768},
	}
	if id != nil {
		cfg.Certificates = []tls.Certificate{id.certificate}
	}
	if change != nil {
		change(cfg)
	}
	conn, err := tls.Dial("tcp", target.address, cfg)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(h.encode()); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, helloSize))
	return err
}

func TestOnlyTheRegisteredKeyUnderTheStrictParametersIsServed(t *testing.T) {
	alice, bob := newNode(t, 1, nil), newNode(t, 2, nil)
	carol := newNode(t, 3, nil)
	require.NoError(t, bob.mesh.SetPeers([]Peer{alice.peer(), carol.peer()}))
	bob.start(t)
	require.NoError(t, handshakeAs(t, bob, alice.identity, nil), "the control: everything right")
	require.Error(t, handshakeAs(t, bob, nil, nil), "no certificate")
	require.Error(t, handshakeAs(t, bob, identity(t), nil), "a stranger's key")
	require.Error(t, handshakeAs(t, bob, carol.identity, nil), "a registered party that has to be dialled, not to dial")
	require.Error(t, handshakeAs(t, bob, alice.identity, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12; c.CurvePreferences = nil }), "TLS 1.2")
	require.Error(t, handshakeAs(t, bob, alice.identity, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} }), "no post-quantum key exchange")
	require.Error(t, handshakeAs(t, bob, alice.identity, func(c *tls.Config) { c.NextProtos = nil }), "another protocol")
	require.Error(t, handshakeAs(t, bob, alice.identity, func(c *tls.Config) {
		c.Certificates[0].Certificate = append(c.Certificates[0].Certificate[:1:1], carol.identity.certificate.Certificate[0])
	}), "a chain of certificates")
}

func TestACertificateWithoutItsPrivateKeyIsRefused(t *testing.T) {
	alice, bob := newNode(t, 1, nil), newNode(t, 2, nil)
	require.NoError(t, bob.mesh.SetPeers([]Peer{alice.peer()}))
	bob.start(t)
	thief := identity(t)
	thief.certificate.Certificate = alice.identity.certificate.Certificate
	thief.certificate.Leaf = nil
	require.Error(t, handshakeAs(t, bob, thief, nil))
}

func TestAClientDoesNotBelieveTheHandshakeBeforeTheServerSpeaks(t *testing.T) {
	alice := newNode(t, 1, func(c *Config) { c.HandshakeTimeout = 200 * time.Millisecond })
	mute := identity(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{mute.certificate}, ClientAuth: tls.RequireAnyClientCert, NextProtos: protocols[:],
	})
	require.NoError(t, err)
	defer listener.Close()
	var handshakes atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if conn.(*tls.Conn).Handshake() == nil {
				handshakes.Add(1)
			}
		}
	}()
	require.NoError(t, alice.mesh.SetPeers([]Peer{{Index: 2, Address: listener.Addr().String(), Pin: mute.Pin()}}))
	alice.start(t)
	require.Eventually(t, func() bool { return handshakes.Load() > 1 }, patience, time.Millisecond)
	require.Zero(t, alice.mesh.Connected())
}

func TestABrokenConnectionIsReplacedAndWhatWasQueuedArrives(t *testing.T) {
	alice, bob := newNode(t, 1, nil), newNode(t, 2, nil)
	introduce(t, alice, bob)
	waitConnected(t, 1, alice, bob)
	for round := range 5 {
		alice.mesh.byIndex.Load()[Prompt][2].breakLink()
		waitConnected(t, 1, alice, bob)
		text := fmt.Sprintf("after break %d", round)
		require.Eventually(t, func() bool {
			_ = alice.mesh.Send(2, []byte(text))
			select {
			case got := <-bob.frames:
				return string(got.frame) == text
			case <-time.After(50 * time.Millisecond):
				return false
			}
		}, patience, time.Millisecond)
		for len(bob.frames) > 0 {
			<-bob.frames
		}
	}
}

func (p *peer) breakLink() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link != nil {
		p.link.close()
	}
}

func TestFramesWaitForAPeerThatStartsLaterButNotForEver(t *testing.T) {
	alice, bob := newNode(t, 1, func(c *Config) { c.HoldDown = time.Hour }), newNode(t, 2, nil)
	require.NoError(t, alice.mesh.SetPeers([]Peer{bob.peer()}))
	alice.start(t)
	require.NoError(t, alice.mesh.Send(2, []byte("early")))
	require.NoError(t, bob.mesh.SetPeers([]Peer{alice.peer()}))
	bob.start(t)
	bob.expect(t, 1, "early")

	carol := newNode(t, 1, func(c *Config) { c.HoldDown = time.Nanosecond })
	dead := Peer{Index: 2, Address: "127.0.0.1:1", Pin: identity(t).Pin()}
	require.NoError(t, carol.mesh.SetPeers([]Peer{dead}))
	carol.start(t)
	time.Sleep(time.Millisecond)
	require.ErrorIs(t, carol.mesh.Send(2, []byte("x")), ErrPeerDown)
	require.EqualValues(t, 1, carol.mesh.Status()[0].Dropped)
	require.Zero(t, carol.mesh.Status()[0].Queued)
}

type countingMetrics struct {
	NoMetrics
	dropped, sent, received, cuts atomic.Int64
}

func (c *countingMetrics) Dropped(_, frames int) { c.dropped.Add(int64(frames)) }
func (c *countingMetrics) Sent(_, frames, _ int) { c.sent.Add(int64(frames)) }
func (c *countingMetrics) Received(int, int)     { c.received.Add(1) }
func (c *countingMetrics) Link(_ int, up bool) {
	if !up {
		c.cuts.Add(1)
	}
}

func TestTheBulkLaneIsAnotherConnection(t *testing.T) {
	alice, bob := newNode(t, 1, nil), newNode(t, 2, nil)
	introduce(t, alice, bob)
	waitConnected(t, 1, alice, bob)
	bulk := alice.mesh.byIndex.Load()[Bulk][2]
	require.Eventually(t, func() bool { return bulk.status().Up }, patience, time.Millisecond)
	require.NoError(t, alice.mesh.SendBulk(2, []byte("large")))
	require.Equal(t, "large", string((<-bob.frames).frame))
	alice.mesh.byIndex.Load()[Prompt][2].breakLink()
	require.True(t, bulk.status().Up)
	require.NoError(t, alice.mesh.SendBulk(2, []byte("on its own")))
	require.Equal(t, "on its own", string((<-bob.frames).frame))
	require.NoError(t, bob.mesh.SetPeers(nil))
	require.Eventually(t, func() bool { return !bulk.status().Up }, patience, time.Millisecond)
}

func TestAPeerThatDoesNotReadFillsOnlyItsOwnQueue(t *testing.T) {
	counts := &countingMetrics{}
	alice := newNode(t, 1, func(c *Config) {
		c.MaxFrame, c.QueueBytes, c.Metrics = 1<<20, 4<<20, counts
	})
	slow, carol := newNode(t, 2, nil), newNode(t, 3, nil)
	for _, n := range []*node{alice, slow, carol} {
		var peers []Peer
		for _, other := range []*node{alice, slow, carol} {
			if other != n {
				peers = append(peers, other.peer())
			}
		}
		require.NoError(t, n.mesh.SetPeers(peers))
	}
	release := make(chan struct{})
	require.NoError(t, slow.mesh.Start(func(int, []byte) { <-release }))
	alice.start(t)
	carol.start(t)
	waitConnected(t, 2, alice)
	frame := make([]byte, 1<<20)
	overflow := 0
	for i := range 64 {
		if err := alice.mesh.Send(2, frame); err != nil {
			require.ErrorIs(t, err, ErrQueueFull)
			overflow++
		}
		text := fmt.Sprint("to carol ", i)
		require.NoError(t, alice.mesh.Send(3, []byte(text)))
		carol.expect(t, 1, text)
	}
	require.Positive(t, overflow)
	require.EqualValues(t, overflow, counts.dropped.Load())
	require.EqualValues(t, overflow, alice.mesh.Status()[0].Dropped)
	require.LessOrEqual(t, alice.mesh.Status()[0].Queued, 4<<20)
	close(release)
}

func TestAPeerThatSendsAnOversizedFrameIsCutOff(t *testing.T) {
	counts := &countingMetrics{}
	alice := newNode(t, 1, nil)
	bob := newNode(t, 2, func(c *Config) { c.MaxFrame, c.Metrics = 1000, counts })
	introduce(t, alice, bob)
	waitConnected(t, 1, alice, bob)
	require.Eventually(t, func() bool {
		_ = alice.mesh.Send(2, make([]byte, 1001)) // a frame is lost with a link that is replaced
		return counts.cuts.Load() > 0
	}, patience, 10*time.Millisecond)
	require.Empty(t, bob.frames)
}

func TestASilentLinkIsCut(t *testing.T) {
	alice := newNode(t, 1, func(c *Config) { c.Heartbeat = 10 * time.Millisecond })
	bob := newNode(t, 2, func(c *Config) { c.Heartbeat = time.Hour })
	introduce(t, alice, bob)
	waitConnected(t, 1, alice)
	require.Eventually(t, func() bool {
		p := alice.mesh.byIndex.Load()[Prompt][2]
		p.mu.Lock()
		defer p.mu.Unlock()
		return errors.Is(p.lastErr, errSilent)
	}, patience, 100*time.Microsecond)
}

func TestRegistriesThatCannotWorkAreRefused(t *testing.T) {
	alice, bob := newNode(t, 1, nil), newNode(t, 2, nil)
	same := bob.peer()
	same.Index = 3
	for name, peers := range map[string][]Peer{
		"own index":   {{Index: 1, Pin: bob.identity.Pin()}},
		"zero index":  {{Index: 0, Pin: bob.identity.Pin()}},
		"high index":  {{Index: MaxIndex + 1, Pin: bob.identity.Pin()}},
		"twice":       {bob.peer(), bob.peer()},
		"shared key":  {bob.peer(), same},
		"own key":     {{Index: 2, Pin: alice.identity.Pin()}},
		"without key": {{Index: 2}},
	} {
		require.ErrorIs(t, alice.mesh.SetPeers(peers), ErrConfig, name)
	}
	_, err := New(Config{Self: 0, Identity: alice.identity})
	require.ErrorIs(t, err, ErrConfig)
	_, err = New(Config{Self: 1})
	require.ErrorIs(t, err, ErrConfig)
}

func TestAClosedMeshDeliversNothingAndRefusesUse(t *testing.T) {
	alice, bob := newNode(t, 1, nil), newNode(t, 2, nil)
	introduce(t, alice, bob)
	waitConnected(t, 1, alice, bob)
	require.NoError(t, bob.mesh.Close())
	require.NoError(t, bob.mesh.Close())
	require.ErrorIs(t, bob.mesh.SetPeers(nil), ErrClosed)
	require.ErrorIs(t, bob.mesh.Send(1, []byte("x")), ErrUnknownPeer)
	require.ErrorIs(t, bob.mesh.Start(func(int, []byte) {}), ErrClosed)
	require.Eventually(t, func() bool { return alice.mesh.Connected() == 0 }, patience, time.Millisecond)
}

func TestAnIdentitySurvivesStorageAndHidesItsKey(t *testing.T) {
	id := identity(t)
	der, err := id.MarshalPrivate()
	require.NoError(t, err)
	again, err := ParseIdentity(der)
	require.NoError(t, err)
	require.Equal(t, id.Pin(), again.Pin())
	_, err = ParseIdentity(der[:len(der)-1])
	require.ErrorIs(t, err, ErrIdentity)
	_, err = ParseIdentity(append(der, 0))
	require.ErrorIs(t, err, ErrIdentity)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		require.Equal(t, "identity "+id.Pin().String(), fmt.Sprintf(format, id))
	}
	_, err = GenerateIdentity(bytes.NewReader(nil))
	require.Error(t, err)
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 20
		from := bufio.NewReader(bytes.NewReader(data))
		var again []byte
		for {
			frame, err := readFrame(from, limit)
			if err != nil {
				break
			}
			require.LessOrEqual(t, len(frame), limit)
			again = appendFrame(again, len(frame), [][]byte{frame})
		}
		require.True(t, bytes.HasPrefix(data, again), "what was read is a prefix of what was written")
	})
}

func TestADeclaredLengthAloneAllocatesLittle(t *testing.T) {
	header := binary.BigEndian.AppendUint32(nil, 64<<20)
	reader := bufio.NewReaderSize(nil, 16)
	per := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			reader.Reset(bytes.NewReader(header))
			_, err := readFrame(reader, 64<<20)
			require.ErrorIs(b, err, io.ErrUnexpectedEOF)
		}
	})
	require.Less(t, per.AllocedBytesPerOp(), int64(2*allocationStep))
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{64, 4096, 65536} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			alice, bob := newNode(b, 1, nil), newNode(b, 2, nil)
			require.NoError(b, alice.mesh.SetPeers([]Peer{bob.peer()}))
			require.NoError(b, bob.mesh.SetPeers([]Peer{alice.peer()}))
			require.NoError(b, bob.mesh.Start(func(from int, frame []byte) { _ = bob.mesh.Send(from, frame) }))
			alice.start(b)
			waitConnected(b, 1, alice, bob)
			frame := make([]byte, size)
			b.ReportAllocs()
			b.SetBytes(int64(2 * size))
			for b.Loop() {
				_ = alice.mesh.Send(2, frame)
				<-alice.frames
			}
		})
	}
}
