package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/session"
)

func timeLimited(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func id(parts ...byte) session.ID {
	var id session.ID
	copy(id[:], parts)
	return id
}

func TestManySessionsAtOnceOverTLSAllFinishRight(t *testing.T) {
	const n, sessions, rounds = 4, 60, 5
	routers, ctx := tlsRouters(t, n), timeLimited(t)
	var group sync.WaitGroup
	for s := range sessions {
		for i := 1; i <= n; i++ {
			group.Go(func() {
				m := newSumming(i, n, rounds, uint64(s*i))
				if err := routers[i].Run(ctx, id(byte(s)), m); err != nil {
					t.Errorf("session %d at party %d: %v", s, i, err)
				} else if m.sum != uint64(rounds*s*(1+2+3+4)) {
					t.Errorf("session %d at party %d: sum %d", s, i, m.sum)
				}
			})
		}
	}
	group.Wait()
	for i := 1; i <= n; i++ {
		require.Zero(t, routers[i].Stats().Running)
	}
}

func TestASinglePartyFinishesAlone(t *testing.T) {
	r := newMemoryNetwork(t).join(t, 1, 1, nil)
	m := newSumming(1, 1, 0, 7)
	require.NoError(t, r.Run(timeLimited(t), id(1), m))
}

func TestMessagesOfASessionNotYetStartedWait(t *testing.T) {
	network := newMemoryNetwork(t)
	alice, bob := network.join(t, 1, 2, nil), network.join(t, 2, 2, nil)
	done := make(chan error, 1)
	m1 := newSumming(1, 2, 1, 40)
	go func() { done <- alice.Run(timeLimited(t), id(1), m1) }()
	require.Eventually(t, func() bool { return bob.Stats().Pending == 1 }, patience, time.Millisecond)
	m2 := newSumming(2, 2, 1, 2)
	require.NoError(t, bob.Run(timeLimited(t), id(1), m2))
	require.NoError(t, <-done)
	require.EqualValues(t, 42, m2.sum)
	require.Zero(t, bob.Stats().Pending)
}

func message(session session.ID, round uint16, payload []byte) []byte {
	return append(append(append([]byte{1}, session[:]...), byte(round>>8), byte(round)), payload...)
}

func TestEarlyMessagesAreBoundedPerPeerAndExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNetwork(t)
		r := network.join(t, 1, 3, func(c *session.Config) {
			c.PendingFrames, c.PendingBytes, c.PendingAge = 10, 10_000, time.Second
		})
		for i := range 15 {
			r.Receive(2, message(id(byte(i)), 0, nil))
		}
		require.Equal(t, 10, r.Stats().Pending)
		require.EqualValues(t, 5, r.Stats().Overflow)
		r.Receive(3, message(id(99), 0, make([]byte, 9_000)))
		require.Equal(t, 11, r.Stats().Pending, "one peer's flood displaces nothing of another's")
		r.Receive(3, message(id(99), 0, make([]byte, 1_000)))
		require.EqualValues(t, 6, r.Stats().Overflow, "bytes are bounded too")
		time.Sleep(1100 * time.Millisecond)
		r.Receive(2, message(id(50), 0, nil))
		require.EqualValues(t, 10, r.Stats().Expired)
		require.Equal(t, 2, r.Stats().Pending)
	})
}

func TestWhatWaitsForSlowMachinesIsBoundedByPeer(t *testing.T) {
	network := newMemoryNetwork(t)
	r := network.join(t, 1, 3, func(c *session.Config) { c.InboxBytes = 1000 })
	block, entered := make(chan struct{}), make(chan struct{}, 2)
	ctx, cancel := context.WithCancel(timeLimited(t))
	result := make(chan error, 2)
	for k := range 2 {
		m := &scripted{receive: func(int, uint16, []byte) ([]mpc.Message, error) {
			select {
			case entered <- struct{}{}:
			default:
			}
			<-block
			return nil, nil
		}}
		go func() { result <- r.Run(ctx, id(byte(k)), m) }()
		r.Receive(2, message(id(byte(k)), 0, nil))
		<-entered
	}
	for i := range 30 {
		r.Receive(2, message(id(byte(i%2)), 0, make([]byte, 65)))
	}
	require.EqualValues(t, 20, r.Stats().Overflow, "both sessions together")
	require.Equal(t, 1000, r.Stats().InboxBytes)
	r.Receive(3, message(id(1), 0, make([]byte, 65)))
	require.EqualValues(t, 20, r.Stats().Overflow, "one peer's flood displaces nothing of another's")
	cancel()
	close(block)
	for range 2 {
		require.ErrorIs(t, <-result, context.Canceled)
	}
	require.Zero(t, r.Stats().InboxBytes, "the room is given back")
}

type scripted struct {
	start   func() ([]mpc.Message, error)
	receive func(from int, round uint16, payload []byte) ([]mpc.Message, error)
	done    atomic.Bool
}

func (s *scripted) Start() ([]mpc.Message, error) {
	if s.start == nil {
		return nil, nil
	}
	return s.start()
}

func (s *scripted) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	return s.receive(from, round, payload)
}

func (s *scripted) Done() bool { return s.done.Load() }

func TestAFinishedSessionIsNeitherRestartedNorFed(t *testing.T) {
	network := newMemoryNetwork(t)
	alice, bob := network.join(t, 1, 2, nil), network.join(t, 2, 2, nil)
	done := make(chan error, 1)
	go func() { done <- alice.Run(timeLimited(t), id(1), newSumming(1, 2, 1, 1)) }()
	m := newSumming(2, 2, 1, 1)
	require.NoError(t, bob.Run(timeLimited(t), id(1), m))
	require.NoError(t, <-done)
	require.ErrorIs(t, bob.Run(timeLimited(t), id(1), newSumming(2, 2, 1, 1)), session.ErrSessionUsed)
	bob.Receive(1, message(id(1), 0, []byte("late")))
	require.EqualValues(t, 1, bob.Stats().Late)
	require.Zero(t, bob.Stats().Pending)
	require.Empty(t, m.late, "without lingering the machine belongs to the caller again")
}

func TestTheSameSessionCannotRunTwiceAtOnce(t *testing.T) {
	r := newMemoryNetwork(t).join(t, 1, 2, nil)
	ctx, cancel := context.WithCancel(timeLimited(t))
	started := make(chan struct{})
	go func() {
		_ = r.Run(ctx, id(1), &scripted{start: func() ([]mpc.Message, error) { close(started); return nil, nil }})
	}()
	<-started
	require.ErrorIs(t, r.Run(ctx, id(1), &scripted{}), session.ErrSessionUsed)
	cancel()
}

func TestALingeringMachineStillReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNetwork(t)
		r := network.join(t, 1, 3, nil)
		m := newSumming(1, 3, 1, 1)
		var sum uint64
		closed := make(chan []int, 1)
		go func() {
			r.Receive(2, message(id(1), 0, make([]byte, 8)))
			r.Receive(3, message(id(1), 0, make([]byte, 8)))
		}()
		err := r.Run(timeLimited(t), id(1), m, session.WithLinger(time.Second,
			func() { sum = m.sum }, func() { closed <- m.late }))
		require.NoError(t, err)
		require.EqualValues(t, 1, sum)
		r.Receive(3, message(id(1), 7, []byte("late")))
		select {
		case late := <-closed:
			require.Equal(t, []int{3}, late)
		case <-time.After(patience):
			t.Fatal("lingering does not end")
		}
		require.Eventually(t, func() bool { return r.Stats().Running == 0 }, patience, time.Millisecond)
	})
}

func TestAnEndedContextEndsTheSessionWithItsCause(t *testing.T) {
	r := newMemoryNetwork(t).join(t, 1, 2, nil)
	why := errors.New("the deadline height has passed")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	require.ErrorIs(t, r.Run(ctx, id(1), newSumming(1, 2, 1, 1)), why)
}

func TestAFailingMachineEndsOnlyItsOwnSession(t *testing.T) {
	network := newMemoryNetwork(t)
	r := network.join(t, 1, 2, nil)
	healthy := make(chan error, 1)
	other := newSumming(1, 2, 1, 1)
	go func() { healthy <- r.Run(timeLimited(t), id(9), other) }()
	for name, wanted := range map[string]error{"fail": errBroken, "panic": session.ErrMachine} {
		r.Receive(2, message(id(1, name[0]), 0, []byte(name)))
		require.ErrorIs(t, r.Run(timeLimited(t), id(1, name[0]), newSumming(1, 2, 1, 1)), wanted)
	}
	r.Receive(2, message(id(9), 0, make([]byte, 8)))
	require.NoError(t, <-healthy)
}

func TestTheLastWordOfAFailingMachineIsSent(t *testing.T) {
	network := newMemoryNetwork(t)
	alice, bob := network.join(t, 1, 2, nil), network.join(t, 2, 2, nil)
	failing := &scripted{receive: func(int, uint16, []byte) ([]mpc.Message, error) {
		return []mpc.Message{{Round: 7, Payload: []byte("why")}}, errors.New("it cannot go on")
	}}
	heard := make(chan uint16, 1)
	hearing := &scripted{receive: func(_ int, round uint16, _ []byte) ([]mpc.Message, error) { heard <- round; return nil, nil }}
	ctx, cancel := context.WithCancel(timeLimited(t))
	result := make(chan error, 1)
	go func() { result <- bob.Run(ctx, id(1), hearing) }()
	alice.Receive(2, message(id(1), 0, nil))
	require.ErrorContains(t, alice.Run(timeLimited(t), id(1), failing), "it cannot go on")
	require.EqualValues(t, 7, <-heard)
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
}

func TestAMachineThatAddressesNobodyFails(t *testing.T) {
	r := newMemoryNetwork(t).join(t, 1, 3, nil)
	for i, to := range []int{-1, 1, 4, 3} { // 3 is no member of the session
		m := &scripted{start: func() ([]mpc.Message, error) { return []mpc.Message{{To: to}}, nil }}
		require.ErrorIs(t, r.Run(timeLimited(t), id(byte(i)), m, session.WithParties(1, 2)), session.ErrMachine)
	}
	require.ErrorIs(t, r.Run(timeLimited(t), id(8), &scripted{}, session.WithParties(1, 4)), session.ErrConfig)
	require.ErrorIs(t, r.Run(timeLimited(t), id(8), &scripted{}, session.WithParties(2, 2)), session.ErrConfig)
}

func TestAMessageOfANonMemberIsNotDelivered(t *testing.T) {
	r := newMemoryNetwork(t).join(t, 1, 3, nil)
	m := newSumming(1, 2, 1, 5)
	r.Receive(3, message(id(1), 0, []byte{0, 0, 0, 0, 0, 0, 0, 100}))
	r.Receive(2, message(id(1), 0, []byte{0, 0, 0, 0, 0, 0, 0, 1}))
	require.NoError(t, r.Run(timeLimited(t), id(1), m, session.WithParties(1, 2)))
	require.EqualValues(t, 6, m.sum)
}

func TestAnUnreachablePeerIsTreatedAsSilent(t *testing.T) {
	network := newMemoryNetwork(t)
	mesh := &memoryMesh{self: 1, net: network, dropped: func(to int) bool { return to == 2 }}
	r, err := session.New(session.Config{Mesh: mesh, Parties: 3})
	require.NoError(t, err)
	defer r.Close()
	r.Receive(2, message(id(1), 0, make([]byte, 8)))
	r.Receive(3, message(id(1), 0, make([]byte, 8)))
	require.NoError(t, r.Run(timeLimited(t), id(1), newSumming(1, 3, 1, 1)))
	require.EqualValues(t, 1, r.Stats().Unsent)
}

func TestClosingEndsRunningSessions(t *testing.T) {
	r := newMemoryNetwork(t).join(t, 1, 2, nil)
	started, result := make(chan struct{}), make(chan error, 1)
	go func() {
		result <- r.Run(context.Background(), id(1), &scripted{start: func() ([]mpc.Message, error) { close(started); return nil, nil }})
	}()
	<-started
	r.Close()
	require.ErrorIs(t, <-result, session.ErrClosed)
	require.ErrorIs(t, r.Run(context.Background(), id(2), &scripted{}), session.ErrClosed)
}

func TestMalformedFramesAreCountedAndIgnored(t *testing.T) {
	r := newMemoryNetwork(t).join(t, 1, 2, nil)
	frames := [][]byte{nil, {}, {0}, {1}, make([]byte, 35), {2, 0, 0}, {3, 0, 0}, {9}, message(id(1), 0, nil)[:34],
		{2, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {2, 0, 0, 0, 0, 0, 0, 0, 0, 5, 'a'}, {3, 0, 0, 0, 0, 0, 0, 0, 0, 9}, {3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'x'}}
	for _, f := range frames {
		r.Receive(2, f)
	}
	for _, from := range []int{-1, 0, 1, 3} {
		r.Receive(from, message(id(1), 0, nil))
	}
	require.EqualValues(t, len(frames)+4, r.Stats().Malformed)
	require.Zero(t, r.Stats().Pending)
}

func TestACallIsAnsweredByThePartyThatWasAsked(t *testing.T) {
	const n = 4
	routers, ctx := tlsRouters(t, n), timeLimited(t)
	for i := 1; i <= n; i++ {
		routers[i].Handle("echo", func(peer int, body []byte) ([]byte, error) {
			return fmt.Appendf(nil, "%d heard %s from %d", i, body, peer), nil
		})
	}
	var group sync.WaitGroup
	for i := 1; i <= n; i++ {
		for j := 1; j <= n; j++ {
			if i == j {
				continue
			}
			for k := range 16 {
				group.Go(func() {
					got, err := routers[i].Call(ctx, j, "echo", fmt.Append(nil, k))
					if err != nil || string(got) != fmt.Sprintf("%d heard %d from %d", j, k, i) {
						t.Errorf("%s %v", got, err)
					}
				})
			}
		}
	}
	group.Wait()
}

func TestCallsFailWithTypedErrorsAndTellNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNetwork(t)
		alice := network.join(t, 1, 3, func(c *session.Config) { c.CallTimeout = 30 * time.Millisecond; c.OpenCalls = 2 })
		bob := network.join(t, 2, 3, nil)
		ctx := timeLimited(t)
		bob.Handle("refuse", func(int, []byte) ([]byte, error) { return []byte("secret"), errors.New("secret reason") })
		bob.Handle("panic", func(int, []byte) ([]byte, error) { panic("secret state") })
		for method, wanted := range map[string]error{"refuse": session.ErrCallFailed, "panic": session.ErrCallFailed, "nothing": session.ErrUnknownMethod} {
			got, err := alice.Call(ctx, 2, method, nil)
			require.ErrorIs(t, err, wanted)
			require.NotContains(t, err.Error(), "secret")
			require.Nil(t, got)
		}
		_, err := alice.Call(context.Background(), 3, "refuse", nil)
		require.ErrorIs(t, err, context.DeadlineExceeded, "carol does not exist")
		for _, peer := range []int{0, 1, 4} {
			_, err = alice.Call(ctx, peer, "refuse", nil)
			require.ErrorIs(t, err, session.ErrConfig)
		}
		var group sync.WaitGroup
		var busy atomic.Int32
		for range 5 {
			group.Go(func() {
				if _, err := alice.Call(context.Background(), 3, "x", nil); errors.Is(err, session.ErrBusy) {
					busy.Add(1)
				}
			})
		}
		group.Wait()
		require.EqualValues(t, 3, busy.Load())
	})
}

func TestAFloodOfCallsIsAnsweredBusy(t *testing.T) {
	network := newMemoryNetwork(t)
	alice := network.join(t, 1, 2, nil)
	bob := network.join(t, 2, 2, func(c *session.Config) { c.Handlers, c.WaitingCalls, c.CallBytes = 2, 3, 100 })
	release := make(chan struct{})
	var peak, now atomic.Int32
	bob.Handle("slow", func(int, []byte) ([]byte, error) {
		peak.Store(max(peak.Load(), now.Add(1)))
		<-release
		now.Add(-1)
		return nil, nil
	})
	results := make(chan error, 20)
	for range 20 {
		go func() { _, err := alice.Call(timeLimited(t), 2, "slow", nil); results <- err }()
	}
	for range 15 {
		require.ErrorIs(t, <-results, session.ErrBusy)
	}
	close(release)
	for range 5 {
		require.NoError(t, <-results)
	}
	require.LessOrEqual(t, peak.Load(), int32(2))
	_, err := alice.Call(timeLimited(t), 2, "slow", make([]byte, 101))
	require.ErrorIs(t, err, session.ErrBusy, "bodies are bounded too")
	_, err = alice.Call(timeLimited(t), 2, "slow", make([]byte, 100))
	require.NoError(t, err, "the budget is given back")
}

// tappedMesh records what is sent and delivers nothing.
type tappedMesh struct {
	sent, bulk chan []byte
}

func (tappedMesh) Self() int { return 1 }

func (m tappedMesh) Send(_ int, parts ...[]byte) error {
	m.sent <- slices.Concat(parts...)
	return nil
}

func (m tappedMesh) SendBulk(_ int, parts ...[]byte) error {
	m.bulk <- slices.Concat(parts...)
	return nil
}

// speaker says one word and is done.
type speaker struct{}

func (speaker) Start() ([]mpc.Message, error)                      { return []mpc.Message{{Payload: []byte("word")}}, nil }
func (speaker) Receive(int, uint16, []byte) ([]mpc.Message, error) { return nil, nil }
func (speaker) Done() bool                                         { return true }

func TestABulkSessionStaysOffThePromptLane(t *testing.T) {
	mesh := tappedMesh{make(chan []byte, 1), make(chan []byte, 1)}
	r, err := session.New(session.Config{Mesh: mesh, Parties: 2})
	require.NoError(t, err)
	defer r.Close()
	require.NoError(t, r.Run(timeLimited(t), session.ID{1}, speaker{}))
	require.Len(t, mesh.sent, 1)
	require.NoError(t, r.Run(timeLimited(t), session.ID{2}, speaker{}, session.WithBulk()))
	require.Len(t, mesh.sent, 1)
	require.Len(t, mesh.bulk, 1)
}

func TestOnlyTheAskedPartyCanAnswer(t *testing.T) {
	mesh := tappedMesh{sent: make(chan []byte, 1)}
	r, err := session.New(session.Config{Mesh: mesh, Parties: 3})
	require.NoError(t, err)
	defer r.Close()
	type outcome struct {
		body []byte
		err  error
	}
	result := make(chan outcome, 1)
	go func() {
		body, err := r.Call(timeLimited(t), 2, "m", nil)
		result <- outcome{body, err}
	}()
	asked := <-mesh.sent
	answer := append(append([]byte{3}, asked[1:9]...), 0)
	r.Receive(3, append(answer[:10:10], "forged"...))
	require.EqualValues(t, 1, r.Stats().Late)
	r.Receive(2, append(answer[:10:10], "true"...))
	got := <-result
	require.NoError(t, got.err)
	require.Equal(t, "true", string(got.body))
}

func FuzzReceive(f *testing.F) {
	f.Add(message(id(1), 1, []byte("payload")))
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 0, 1, 1, 'm', 'x'})
	f.Add([]byte{3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 'x'})
	f.Fuzz(func(t *testing.T, frame []byte) {
		r, err := session.New(session.Config{Mesh: tappedMesh{sent: make(chan []byte, 8)}, Parties: 2})
		require.NoError(t, err)
		r.Handle("m", func(_ int, body []byte) ([]byte, error) { return body, nil })
		r.Receive(2, frame)
		s := r.Stats()
		require.LessOrEqual(t, s.Pending, 1)
		if len(frame) < 10 {
			require.EqualValues(t, 1, s.Malformed)
		}
		r.Close()
	})
}

// BenchmarkRound measures one all-to-all round of four parties over TLS.
func BenchmarkRound(b *testing.B) {
	for _, size := range []int{0, 4096, 65536} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			const n = 4
			routers, ctx := tlsRouters(b, n), context.Background()
			var group sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for i := 1; i <= n; i++ {
				group.Go(func() {
					m := newSumming(i, n, b.N, 1)
					m.payload = size
					if err := routers[i].Run(ctx, id(1), m); err != nil {
						b.Error(err)
					}
				})
			}
			group.Wait()
		})
	}
}
